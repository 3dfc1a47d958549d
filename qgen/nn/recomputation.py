"""Gradient checkpointing: blocks that the backward pass computes again, but for the values of their circuits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

Value = TypeVar("Value")


class _Tape:
    """What was computed once in a block, in order; `place` is None while it is recorded."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.place: int | None = None


_tape: ContextVar[_Tape | None] = ContextVar("tape", default=None)


def once(compute: Callable[[], Value]) -> Value:
    """Return `compute()`; where a block is computed again, what it returned the first time, without calling it.

    For what must not happen twice: a circuit that is run, a running mean that moves on.
    """
    tape = _tape.get()
    if tape is None:
        return compute()
    if tape.place is None:
        value = compute()
        tape.values.append(value)
        return value
    tape.place += 1
    return tape.values[tape.place - 1]  # type: ignore[no-any-return]


class Recomputed(nn.Module):
    """A block of a network that keeps its input alone for the backward pass, which computes the rest again.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174. Circuits are not run
    again: their values are few, and stay. What the block draws from torch's generators is drawn again, equally.

    Attributes:
        checkpointing: whether it does; it does not in evaluation, or where no gradients are recorded.
    """

    checkpointing = False

    def __call__(self, *args: Any, **options: Any) -> Any:
        if not (self.checkpointing and self.training and torch.is_grad_enabled()):
            return super().__call__(*args, **options)
        tape = _Tape()
        contexts = lambda: (_on(tape, None), _on(tape, 0))  # noqa: E731
        return checkpoint(super().__call__, *args, use_reentrant=False, context_fn=contexts, **options)


def set_checkpointing(network: nn.Module, checkpointing: bool = True) -> int:
    """Switch it on or off in all blocks of a network that can; return how many there are."""
    blocks = [module for module in network.modules() if isinstance(module, Recomputed)]
    for block in blocks:
        block.checkpointing = checkpointing
    return len(blocks)


@contextmanager
def _on(tape: _Tape, place: int | None) -> Iterator[None]:
    """Within this block the tape records, or from this place on plays."""
    tape.place = place
    before = _tape.set(tape)
    try:
        yield
    finally:
        _tape.reset(before)
