"""A node of torch's graph that its transforms can take apart: `torch.func`, batched gradients, forward mode.

All tensors of a step have the same number of axes, (*lead, last), with leading axes that broadcast; results have as
many, or one more. `vmap` is then one more axis in front, which backends take as any other. A rule's `values` see plain
tensors, whatever the transforms: none that is wrapped reaches a backend, or what it remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch
from torch.autograd import forward_ad

Tensors: TypeAlias = tuple[torch.Tensor, ...]
Maybe: TypeAlias = Sequence[torch.Tensor | None]


class Rule(Protocol):
    """What a step computes, and what its derivatives are: steps again, or a refusal."""

    def values(self, *tensors: torch.Tensor) -> Tensors:
        """The results, of plain tensors."""
        ...

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        """Gradients for the tensors that want one, from those for the results; None is a gradient of 0."""
        ...

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Tensors:
        """Tangents of the results, from those of the tensors; None is a tangent of 0."""
        ...

    def is_own(self, place: int) -> bool:
        """Whether each member of a batch needs a tensor of its own there, since a result is its gradient."""
        ...


class VmapInfo(NamedTuple):
    """What a Function's rule for `vmap` is told, as far as it matters here."""

    batch_size: int


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
        return None, *ctx.rule.pull_back(ctx.saved_tensors, upstream, ctx.needs_input_grad[1:])

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> Tensors:
        # torch calls this with forward mode off: within another forward derivative tangents would be lost in silence.
        with forward_ad._set_fwd_grad_enabled(True):  # noqa: SLF001
            tensors = tuple(forward_ad.unpack_dual(tensor, level=0).primal for tensor in ctx.saved_tensors)
            return ctx.rule.push_forward(tensors, tangents)  # type: ignore[no-any-return]

    @staticmethod
    def vmap(
        info: VmapInfo, in_dims: tuple[int | None, ...], rule: Rule, *tensors: torch.Tensor
    ) -> tuple[Tensors, int]:
        lined = []
        for place, (tensor, axis) in enumerate(zip(tensors, in_dims[1:], strict=True)):
            if axis is not None:
                lined.append(tensor.movedim(axis, 0))
            else:
                lined.append(tensor.expand(info.batch_size if rule.is_own(place) else 1, *tensor.shape))
        return run(rule, *lined), 0


def run(rule: Rule, *tensors: torch.Tensor) -> Tensors:
    """The results of a rule, whose derivatives any of torch's transforms can take."""
    if any(map(_in_a_batch, tensors)):
        return _run_in_a_batch(rule, *tensors)
    return Step.apply(rule, *tensors)  # type: ignore[no-any-return, no-untyped-call]


def spread(found: Iterable[torch.Tensor], wants: Sequence[bool]) -> list[torch.Tensor | None]:
    """The results found, each in the place that wants one."""
    left = iter(found)
    return [next(left) if wanted else None for wanted in wants]


def is_transformed(*tensors: torch.Tensor) -> bool:
    """Whether a transform of torch is at work that only a `Step` can serve."""
    if torch._C._are_functorch_transforms_active():  # noqa: SLF001, what `Function.apply` itself asks
        return True
    return any(_in_a_batch(tensor) or forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors)


# `torch.autograd` batches gradients (`is_grads_batched`, `jacobian(vectorize=True)`) with an older vmap, which knows
# nothing of a Function's own rule. What follows is that vmap's own way in and out.


def _in_a_batch(tensor: torch.Tensor) -> bool:
    return torch._C._functorch.is_legacy_batchedtensor(tensor)  # noqa: SLF001


def _run_in_a_batch(rule: Rule, *tensors: torch.Tensor) -> Tensors:
    level = torch._C._vmapmode_increment_nesting() - 1  # noqa: SLF001
    torch._C._vmapmode_decrement_nesting()  # noqa: SLF001
    axes = tuple(0 if _in_a_batch(tensor) else None for tensor in tensors)
    plain = [
        tensor if axis is None else torch._remove_batch_dim(tensor, level, 0, 0)  # noqa: SLF001
        for tensor, axis in zip(tensors, axes, strict=True)
    ]
    size = next(len(tensor) for tensor, axis in zip(plain, axes, strict=True) if axis is not None)
    found, _ = Step.vmap(VmapInfo(size), (None, *axes), rule, *plain)
    return tuple(torch._add_batch_dim(each, 0, level) for each in found)  # noqa: SLF001
