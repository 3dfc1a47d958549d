"""Transfer learning: weights from parts of another run's network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from qgen.errors import RunError
from qgen.runs.checkpoint import load_checkpoint
from qgen.runs.config import TransferSettings
from qgen.runs.folder import find_run


def transfer(network: nn.Module, settings: TransferSettings, parts: Sequence[str] | None) -> None:
    """Copy the weights of some parts of another run's network; the other parts keep their initial weights.

    De Falco et al., arXiv:2402.16147, section 3.3, take over encoder and decoder and train a new vertex with them.

    Args:
        network: the network, with its parts as submodules.
        settings: which run, and which of its weights.
        parts: their names; None: all direct submodules.

    Raises:
        RunError: there is no such run, it has no checkpoint, or its parts have other shapes; or this network lacks a
            part.
    """
    run = find_run(Path(settings.run))
    saved = run.checkpoints()
    if not saved:
        raise RunError(f"{run.address} has no checkpoint to start from")
    tensors = load_checkpoint(saved[-1]).tensors
    averages = tensors.get("ema", {}) | tensors.get("estimates", {})
    source = tensors["weights"] | (averages if settings.weights == "ema" else {})
    known = [name for name, _ in network.named_children()]
    for part in known if parts is None else parts:
        if part not in known:
            raise RunError(f"the network has no part `{part}` to take over; its parts are {', '.join(known)}")
        prefix = f"{part}."
        theirs = {name.removeprefix(prefix): value for name, value in source.items() if name.startswith(prefix)}
        module = network.get_submodule(part)
        ours = {name: value.shape for name, value in module.state_dict().items()}
        other = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != _shape(theirs.get(name)))
        if other:
            raise RunError(
                f"the {part} of {run.address} has other weights than this model's ({other[0]} for one): "
                "give both runs the same settings of this part, and images of the same size"
            )
        module.load_state_dict(theirs)


def _shape(tensor: torch.Tensor | None) -> torch.Size | None:
    return None if tensor is None else tensor.shape
