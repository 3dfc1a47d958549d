"""A model that does not fit into memory is refused before the memory is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from qgen.errors import ConfigError
from qgen.memory import free_memory, in_words
from qgen.runs.generators import Learner

_NEW = {"empty", "empty_strided", "zeros", "ones", "full", "rand", "randn"}
#: A model that takes more than this part of what is free is counted before it is made.
_LARGE = 1 / 8

Built = TypeVar("Built", bound=Learner)


def fitting(build: Callable[[], Built], copies: int = 1, what: str = "weights") -> Built:
    """What `build` makes, if its weights fit into memory.

    A small model is built at once. One that turns out to be large is given up, counted without memory (torch's device
    `meta`), and built again if it fits.

    Args:
        build: makes it; each time the same.
        copies: how often each weight will be kept, as by gradients and by an optimiser.
        what: what keeps them, for the error.

    Raises:
        ConfigError: they take more than is free.
    """
    free = free_memory()
    try:
        with _Counting(int(free * _LARGE / copies)):
            return build()
    except _LargeError:
        pass
    with torch.device("meta"):
        weights = list(build().network.parameters())
    size = copies * sum(weight.numel() * weight.element_size() for weight in weights)
    if size > free:
        raise ConfigError(
            f"the model does not fit into memory: {what} take {in_words(size)}, and {in_words(free)} are free; "
            "choose a smaller model"
        )
    return build()


class _LargeError(Exception):
    """More was about to be made than a small model has."""


class _Counting(TorchDispatchMode):
    """Within this block new tensors are counted, each before it is made, up to so many bytes in all."""

    def __init__(self, most: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left = most

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func.overloadpacket.__name__ in _NEW and args and isinstance(args[0], Sequence):
            kind = given.get("dtype") or torch.get_default_dtype()
            self._left -= prod(int(side) for side in args[0]) * kind.itemsize
            if self._left < 0:
                raise _LargeError
        return func(*args, **given)
