"""Means over all processes that train together, of numbers that each of them has for its share of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

#: Numbers of this process -> their mean over all processes.
Reduce = Callable[[Tensor], Tensor]

_reduce: ContextVar[Reduce | None] = ContextVar("reduce", default=None)


@contextmanager
def training_together(reduce: Reduce | None) -> Iterator[None]:
    """Within this block `process_mean` reduces by this function; None: this process trains alone."""
    before = _reduce.set(reduce)
    try:
        yield
    finally:
        _reduce.reset(before)


def process_mean(values: Tensor) -> Tensor:
    """Return the mean over all processes of a tensor that has no gradient; outside of a training step, the tensor.

    For what a loss takes from the whole batch, as a running mean or the balance of two losses: with it several
    processes, whose shares of a batch are equal, have the loss of one. All of them call it equally often.
    """
    reduce = _reduce.get()
    return values if reduce is None else reduce(values)
