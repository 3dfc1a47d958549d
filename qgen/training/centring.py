"""The means that branches of circuits take off, taken anew under averaged weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import ExitStack
from typing import Any, cast

import torch
from torch import Tensor, nn

from qgen.generators import Player
from qgen.generators.sampling import eval_mode
from qgen.models import QuantumBranch

#: Batches that the means are taken over, at most.
BATCHES = 16


class _Sum:
    """Sums of a branch's values, over all rows of all calls."""

    def __init__(self) -> None:
        self.total, self.count = torch.zeros(()), 0

    def add(self, _module: nn.Module, _inputs: Any, values: Tensor) -> None:
        rows = values.detach().flatten(0, -2).double()
        self.total, self.count = self.total.to(rows.device) + rows.sum(0), self.count + len(rows)


def branch_means(
    network: nn.Module, names: Collection[str], calls: Iterable[tuple[Player, tuple[Any, ...]]], seed: int
) -> dict[str, Tensor]:
    """Return the mean values of the circuits of branches, by the names of their running means in the network.

    A circuit's values are no linear function of its weights: under their average they are off the average of the means
    by as much as they say of an image.

    Args:
        network: has the branches, with the weights that sample.
        names: of the running means that are wanted.
        calls: players, and what their objectives are called with.
        seed: of shots.
    """
    sums = {
        f"{name}.mean": (module, _Sum())
        for name, module in network.named_modules()
        if isinstance(module, QuantumBranch) and f"{name}.mean" in names
    }
    if not sums:
        return {}
    with ExitStack() as stack:
        for module, total in sums.values():
            stack.callback(module.values.register_forward_hook(total.add).remove)
        for player, given in calls:
            with eval_mode(cast(nn.Module, player.objective), (seed,)):
                player.objective(*given)
    return {
        name: (total.total / total.count).to(module.mean) for name, (module, total) in sums.items() if total.count > 0
    }
