"""Functions of torch operations, whose derivatives autograd takes any number of times: what second derivatives need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import TypeAlias

import torch

from qgen.nn.internals import Tensors
from qgen.nn.steps import Maybe, run, spread

#: From tensors to results; the flag says whether they are differentiated further, and have to be part of a graph.
Traceable: TypeAlias = Callable[[Sequence[torch.Tensor], bool], Tensors]


class Traced:
    """The rule of a function of torch operations, of tensors with leading axes that broadcast."""

    def __init__(self, function: Traceable) -> None:
        self.function = function

    def values(self, *tensors: torch.Tensor) -> Tensors:
        found = self.function([tensor.detach() for tensor in tensors], False)
        return tuple(each.detach() for each in found)

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        onto = [each for each in upstream if each is not None]
        if not onto or not any(wants):
            return [None] * len(wants)
        rule = Traced(backward_of(self.function, [each is not None for each in upstream], wants))
        return spread(run(rule, *tensors, *onto), wants)

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Maybe:
        rule = Traced(forward_of(self.function, [each is not None for each in tangents]))
        return run(rule, *tensors, *(each for each in tangents if each is not None))

    def is_own(self, place: int) -> bool:
        return True


def backward_of(function: Traceable, given: Sequence[bool], wants: Sequence[bool]) -> Traceable:
    """Of (*tensors, *upstream), with an upstream for each given result: gradients for the wanted tensors."""

    def pulled(arguments: Sequence[torch.Tensor], graph: bool) -> Tensors:
        leaves = _leaves(arguments[: len(wants)], wants)
        with torch.enable_grad():
            results = compress(function(leaves, True), given)
        return _gradients(list(results), arguments[len(wants) :], list(compress(leaves, wants)), graph)

    return pulled


def forward_of(function: Traceable, given: Sequence[bool]) -> Traceable:
    """Of (*tensors, *tangents), with a tangent for each given tensor: tangents of the results.

    A gradient is linear in what comes from upstream, and its derivative by that is the tangent: two passes backward.
    """

    def pushed(arguments: Sequence[torch.Tensor], graph: bool) -> Tensors:
        leaves = _leaves(arguments[: len(given)], given)
        with torch.enable_grad():
            results = function(leaves, True)
            upstream = [torch.zeros_like(result).requires_grad_() for result in results]
            pulled = _gradients(results, upstream, list(compress(leaves, given)), True)
        return _gradients(pulled, arguments[len(given) :], upstream, graph)

    return pushed


def _leaves(tensors: Sequence[torch.Tensor], wanted: Sequence[bool]) -> list[torch.Tensor]:
    """Each as a tensor of its own: where weights were computed from inputs, that is not this function's business."""
    return [
        (tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()) if one else tensor
        for tensor, one in zip(tensors, wanted, strict=True)
    ]


def _gradients(
    outputs: Sequence[torch.Tensor], upstream: Sequence[torch.Tensor], leaves: Sequence[torch.Tensor], graph: bool
) -> Tensors:
    """Gradients of sum(upstream * outputs) for the leaves, 0 where nothing depends on one."""
    pairs = [pair for pair in zip(outputs, upstream, strict=True) if pair[0].requires_grad]
    if not pairs:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    sums, directions = zip(*pairs, strict=True)
    return torch.autograd.grad(sums, leaves, directions, create_graph=graph, allow_unused=True, materialize_grads=True)
