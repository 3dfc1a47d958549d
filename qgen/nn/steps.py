"""A node of torch's graph that its transforms can take apart: `torch.func`, batched gradients, forward mode.

All tensors of a step have the same number of axes, (*lead, last), with leading axes that broadcast; results have as
many, or one more. `vmap` is then one more axis in front, which backends take as any other. A rule's `values` see plain
tensors, whatever the transforms: none that is wrapped reaches a backend, or what it remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import torch
from torch.autograd import forward_ad

from qgen.nn.internals import Tensors, forward_mode, is_in_old_batch, out_of_old_batch

Maybe: TypeAlias = Sequence[torch.Tensor | None]


class Rule(Protocol):
    """What a step computes, and what its derivatives are: steps again, or a refusal."""

    def values(self, *tensors: torch.Tensor) -> Tensors:
        """The results, of plain tensors."""
        ...

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        """Gradients for the tensors that want one, from those for the results; None is 0, as are last ones left out."""
        ...

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Maybe:
        """Tangents of the results, from those of the tensors; None is a tangent of 0."""
        ...

    def is_own(self, place: int) -> bool:
        """Whether each member of a batch needs a tensor of its own there, since a result is its gradient."""
        ...


class Step(torch.autograd.Function):
    """The results of a rule, as a step of the graph; see `run`."""

    @staticmethod
    def forward(rule: Rule, *tensors: torch.Tensor) -> Tensors:
        return rule.values(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.rule, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        found = ctx.rule.pull_back(ctx.saved_tensors, upstream, ctx.needs_input_grad[1:])
        return None, *found, *[None] * (len(ctx.saved_tensors) - len(found))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        # torch calls this with forward mode off: within another forward derivative tangents would be lost in silence.
        with forward_mode():
            tensors = tuple(forward_ad.unpack_dual(tensor, level=0).primal for tensor in ctx.saved_tensors)
            return tuple(ctx.rule.push_forward(tensors, tangents))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], rule: Rule, *tensors: torch.Tensor) -> tuple[Tensors, int]:
        return _run_batch(info.batch_size, in_dims[1:], rule, *tensors), 0


def run(rule: Rule, *tensors: torch.Tensor) -> Tensors:
    """The results of a rule, whose derivatives any of torch's transforms can take."""
    if any(map(is_in_old_batch, tensors)):
        plain, axes, back = out_of_old_batch(tensors)
        size = next(len(each) for each, axis in zip(plain, axes, strict=True) if axis is not None)
        return back(_run_batch(size, axes, rule, *plain))
    return Step.apply(rule, *tensors)  # type: ignore[no-any-return, no-untyped-call]


def spread(found: Iterable[torch.Tensor], wants: Sequence[bool]) -> list[torch.Tensor | None]:
    """The results found, each in the place that wants one."""
    left = iter(found)
    return [next(left) if wanted else None for wanted in wants]


def _run_batch(size: int, axes: Sequence[int | None], rule: Rule, *tensors: torch.Tensor) -> Tensors:
    """The results for a batch, on a new first axis; `axes` says where tensors have it, None that all members share."""
    lined = [
        tensor.expand(size if rule.is_own(place) else 1, *tensor.shape) if axis is None else tensor.movedim(axis, 0)
        for place, (tensor, axis) in enumerate(zip(tensors, axes, strict=True))
    ]
    return run(rule, *lined)
