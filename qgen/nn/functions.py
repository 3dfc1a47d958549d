"""Autograd functions that all of torch's transforms can take: `torch.func`, batched gradients, forward mode.

All tensors of a function have the same number of axes, (*lead, last), with leading axes that broadcast; results have as
many, or one more. `vmap` is then one more axis in front, which backends take as any other. A rule's `values` see plain
tensors, whatever the transforms: none that is wrapped reaches a backend, or its caches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import Any, Protocol, TypeAlias

import torch
from torch.autograd import forward_ad

from qgen.nn.torch_internals import Tensors, forward_mode, is_legacy_batch, leave_legacy_batch

MaybeTensors: TypeAlias = Sequence[torch.Tensor | None]
#: From tensors to results; the flag says whether they are differentiated further, and have to be part of a graph.
Traceable: TypeAlias = Callable[[Sequence[torch.Tensor], bool], Tensors]


class Rule(Protocol):
    """Values and derivatives of a function; the derivatives are functions again, or refused."""

    def values(self, *tensors: torch.Tensor) -> Tensors:
        """Return the results, of plain tensors."""
        ...

    def vjp(self, tensors: Tensors, upstream: MaybeTensors, wants: Sequence[bool]) -> MaybeTensors:
        """Return gradients for the wanted tensors, from those for the results; None, and a last one left out, is 0."""
        ...

    def jvp(self, tensors: Tensors, tangents: MaybeTensors) -> MaybeTensors:
        """Return tangents of the results, from those of the tensors; None is a tangent of 0."""
        ...

    def needs_own_copy(self, index: int) -> bool:
        """Return whether each member of a batch needs its own copy of this tensor, since a result is its gradient."""
        ...


class RuleFunction(torch.autograd.Function):
    """A rule as a node of torch's graph; see `apply_rule`."""

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
        gradients = ctx.rule.vjp(ctx.saved_tensors, upstream, ctx.needs_input_grad[1:])
        return None, *gradients, *[None] * (len(ctx.saved_tensors) - len(gradients))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        # torch calls this with forward mode off: within another forward derivative tangents would be lost in silence.
        with forward_mode():
            tensors = tuple(forward_ad.unpack_dual(tensor, level=0).primal for tensor in ctx.saved_tensors)
            return tuple(ctx.rule.jvp(tensors, tangents))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], rule: Rule, *tensors: torch.Tensor) -> tuple[Tensors, int]:
        return _run_batch(info.batch_size, in_dims[1:], rule, *tensors), 0


def apply_rule(rule: Rule, *tensors: torch.Tensor) -> Tensors:
    """Return the results of a rule, whose derivatives any of torch's transforms can take."""
    if any(map(is_legacy_batch, tensors)):
        plain, axes, back = leave_legacy_batch(tensors)
        size = next(len(tensor) for tensor, axis in zip(plain, axes, strict=True) if axis is not None)
        return back(_run_batch(size, axes, rule, *plain))
    return RuleFunction.apply(rule, *tensors)  # type: ignore[no-any-return, no-untyped-call]


def fill(results: Iterable[torch.Tensor], wants: Sequence[bool]) -> list[torch.Tensor | None]:
    """Return the results in the places that want one, None elsewhere."""
    remaining = iter(results)
    return [next(remaining) if wanted else None for wanted in wants]


class TracedRule:
    """The rule of a function of torch operations, whose derivatives autograd takes any number of times."""

    def __init__(self, function: Traceable) -> None:
        self.function = function

    def values(self, *tensors: torch.Tensor) -> Tensors:
        results = self.function([tensor.detach() for tensor in tensors], False)
        return tuple(result.detach() for result in results)

    def vjp(self, tensors: Tensors, upstream: MaybeTensors, wants: Sequence[bool]) -> MaybeTensors:
        present = [gradient for gradient in upstream if gradient is not None]
        if not present or not any(wants):
            return [None] * len(wants)
        rule = TracedRule(backward_of(self.function, [gradient is not None for gradient in upstream], wants))
        return fill(apply_rule(rule, *tensors, *present), wants)

    def jvp(self, tensors: Tensors, tangents: MaybeTensors) -> MaybeTensors:
        rule = TracedRule(forward_of(self.function, [tangent is not None for tangent in tangents]))
        return apply_rule(rule, *tensors, *(tangent for tangent in tangents if tangent is not None))

    def needs_own_copy(self, index: int) -> bool:
        return True


def backward_of(function: Traceable, present: Sequence[bool], wants: Sequence[bool]) -> Traceable:
    """Return the function of (*tensors, *upstream), one for each present result, to the wanted gradients."""

    def backward(arguments: Sequence[torch.Tensor], graph: bool) -> Tensors:
        leaves = _leaves(arguments[: len(wants)], wants)
        with torch.enable_grad():
            results = compress(function(leaves, True), present)
        return _gradients(list(results), arguments[len(wants) :], list(compress(leaves, wants)), graph)

    return backward


def forward_of(function: Traceable, present: Sequence[bool]) -> Traceable:
    """Return the function of (*tensors, *tangents), one for each present tensor, to tangents of the results.

    A gradient is linear in what comes from upstream, and its derivative by that is the tangent: two passes backward.
    """

    def forward(arguments: Sequence[torch.Tensor], graph: bool) -> Tensors:
        leaves = _leaves(arguments[: len(present)], present)
        with torch.enable_grad():
            results = function(leaves, True)
            upstream = [torch.zeros_like(result).requires_grad_() for result in results]
            gradients = _gradients(results, upstream, list(compress(leaves, present)), True)
        return _gradients(gradients, arguments[len(present) :], upstream, graph)

    return forward


def _leaves(tensors: Sequence[torch.Tensor], wanted: Sequence[bool]) -> list[torch.Tensor]:
    """Return the wanted tensors as leaves, so that weights which were computed from inputs count as independent."""
    return [
        (tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()) if is_wanted else tensor
        for tensor, is_wanted in zip(tensors, wanted, strict=True)
    ]


def _gradients(
    outputs: Sequence[torch.Tensor], upstream: Sequence[torch.Tensor], leaves: Sequence[torch.Tensor], graph: bool
) -> Tensors:
    """Return gradients of sum(upstream * outputs) for the leaves, 0 where nothing depends on one."""
    pairs = [pair for pair in zip(outputs, upstream, strict=True) if pair[0].requires_grad]
    if not pairs:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    sums, directions = zip(*pairs, strict=True)
    return torch.autograd.grad(sums, leaves, directions, create_graph=graph, allow_unused=True, materialize_grads=True)


def _run_batch(size: int, axes: Sequence[int | None], rule: Rule, *tensors: torch.Tensor) -> Tensors:
    """Return the results for a batch, on a new first axis; `axes`: where tensors have it, None where they share one."""
    batched = []
    for index, (tensor, axis) in enumerate(zip(tensors, axes, strict=True)):
        if axis is None:
            batched.append(tensor.expand(size if rule.needs_own_copy(index) else 1, *tensor.shape))
        else:
            batched.append(tensor.movedim(axis, 0))
    return apply_rule(rule, *batched)
