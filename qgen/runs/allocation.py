"""A model that does not fit into memory is refused while it is built, before the memory is taken."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from qgen.errors import ConfigError
from qgen.memory import free_memory, in_words

_NEW = {"empty", "empty_strided", "zeros", "ones", "full", "rand", "randn"}


class Allocation(TorchDispatchMode):
    """Within this block the tensors that a model is made of are counted, each before it is made.

    Args:
        copies: how often each number of theirs will be kept, as by gradients and by an optimiser.
        what: what keeps them, for the error.

    Raises:
        ConfigError: from within, where they come to more than is free.
    """

    def __init__(self, copies: int = 1, what: str = "weights") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._copies, self._what = copies, what
        self._free, self._taken = free_memory(), 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func.overloadpacket.__name__ in _NEW and args and isinstance(args[0], Sequence):
            kind = given.get("dtype") or torch.get_default_dtype()
            self._take(prod(int(side) for side in args[0]) * kind.itemsize)
        return func(*args, **given)

    def _take(self, size: int) -> None:
        self._taken += size * self._copies
        if self._taken > self._free:
            raise ConfigError(
                f"the model does not fit into memory: {self._what} take {in_words(self._taken)} or more, and "
                f"{in_words(self._free)} are free; choose a smaller model"
            )
