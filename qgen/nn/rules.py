"""What a circuit's values and derivatives are, as rules of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from qgen.backends.batching import Gradients
from qgen.nn.internals import Tensors
from qgen.nn.network import CircuitNetwork
from qgen.nn.steps import Maybe, run, spread
from qgen.nn.traced import Traceable, Traced, backward_of

MOST_PRODUCTS = 64  # observables up to which a forward derivative comes from as many adjoint passes, all in one call


def aligned(inputs: torch.Tensor, weights: torch.Tensor) -> Tensors:
    """Both with the same number of axes, new ones in front."""
    axes = max(inputs.dim(), weights.dim())
    return tuple(leaf.reshape(*[1] * (axes - leaf.dim()), *leaf.shape) for leaf in (inputs, weights))


def products(network: CircuitNetwork, tensors: Tensors, upstream: torch.Tensor, wants: Sequence[bool]) -> Maybe:
    """Vector-Jacobian products for those of inputs and weights that want one, by the adjoint method."""
    return spread(run(Products(network, wants), *tensors, upstream), wants)


def jacobians(network: CircuitNetwork, tensors: Tensors, wants: Sequence[bool]) -> Maybe:
    """Jacobians (*lead, O, I) and (*lead, O, W), for those of inputs and weights that want one."""
    if not network.second_derivatives:
        return spread(run(Jacobians(network, wants), *tensors), wants)
    count, lead = network.circuit.num_observables, torch.broadcast_shapes(*(leaf.shape[:-1] for leaf in tensors))
    wide = [
        leaf.expand(count, *(lead if wanted else leaf.shape[:-1]), leaf.shape[-1])
        for leaf, wanted in zip(tensors, wants, strict=True)
    ]
    kind = torch.promote_types(tensors[0].dtype, tensors[1].dtype)
    units = torch.eye(count, dtype=kind, device=tensors[0].device).reshape(count, *[1] * len(lead), count)
    found = products(network, tuple(wide), units.expand(count, *lead, count), wants)
    return [None if each is None else each.movedim(0, -2) for each in found]


class Values:
    """Expectation values (*lead, O) at inputs (*lead, I) and weights (*lead, W)."""

    def __init__(self, network: CircuitNetwork) -> None:
        self.network = network

    def values(self, *tensors: torch.Tensor) -> Tensors:
        inputs, weights = tensors
        return (self.network.executable.expectations(inputs, weights),)

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        (onto,) = upstream
        if onto is None or not any(wants):
            return None, None
        if self.network.second_derivatives:
            return products(self.network, tensors, onto, wants)
        found = jacobians(self.network, tensors, wants)
        return [
            None if each is None else (each * onto.unsqueeze(-1)).sum(dim=-2).sum_to_size(leaf.shape).to(leaf.dtype)
            for each, leaf in zip(found, tensors, strict=True)
        ]

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Tensors:
        if self.network.second_derivatives and self.network.circuit.num_observables > MOST_PRODUCTS:
            return Traced(_values_traced(self.network)).push_forward(tensors, tangents)
        found = jacobians(self.network, tensors, [tangent is not None for tangent in tangents])
        parts = [
            (each * tangent.unsqueeze(-2)).sum(dim=-1)
            for each, tangent in zip(found, tangents, strict=True)
            if each is not None and tangent is not None
        ]
        return (sum(parts[1:], parts[0]).to(torch.promote_types(tensors[0].dtype, tensors[1].dtype)),)

    def is_own(self, place: int) -> bool:
        return False


class Products:
    """Vector-Jacobian products by the adjoint method, of inputs, weights and upstream (*lead, O)."""

    def __init__(self, network: CircuitNetwork, wants: Sequence[bool]) -> None:
        self.network, self.wants = network, (wants[0], wants[1])

    def values(self, *tensors: torch.Tensor) -> Tensors:
        inputs, weights, upstream = tensors
        lead = torch.broadcast_shapes(*(tensor.shape[:-1] for tensor in tensors))
        wide, onto = (tensor.expand(*lead, tensor.shape[-1]) for tensor in (inputs, upstream))
        d_inputs, d_weights = self.network.executable.adjoint(wide, weights, onto, self.wants)
        found = None if d_inputs is None else d_inputs.sum_to_size(inputs.shape), d_weights
        return tuple(each for each in found if each is not None)

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        return Traced(_products_traced(self.network, self.wants)).pull_back(tensors, upstream, wants)

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Tensors:
        """Along inputs and weights: the gradient of the products with the tangents, Hessians being symmetric."""
        moved, onto = [tangent is not None for tangent in tangents[:2]], tangents[2]
        parts = []
        if onto is not None:
            parts.append(run(self, *tensors[:2], onto))
        if any(moved):
            rule = Traced(_products_traced(self.network, moved))
            found = rule.pull_back(tensors, [each for each in tangents[:2] if each is not None], (*self.wants, False))
            parts.append(tuple(each for each in found if each is not None))
        return parts[0] if len(parts) == 1 else tuple(a + b for a, b in zip(*parts, strict=True))

    def is_own(self, place: int) -> bool:
        return place < 2 and self.wants[place]


class Jacobians:
    """Jacobians (*lead, O, I) and (*lead, O, W) by a method that needs values only."""

    def __init__(self, network: CircuitNetwork, wants: Sequence[bool]) -> None:
        self.network, self.wants = network, (wants[0], wants[1])

    def values(self, *tensors: torch.Tensor) -> Tensors:
        found = self.network.jacobians(tensors[0], tensors[1], self.wants)
        return tuple(each for each in found if each is not None)

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        raise self.network.no_second_derivatives()

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Tensors:
        raise self.network.no_second_derivatives()

    def is_own(self, place: int) -> bool:
        return False


class Recorded:
    """Vector-Jacobian products that run nothing: of inputs, weights and upstream, by what was recorded for the values.

    Inputs and weights are those of the record; upstream may have more axes in front than the values (axes).
    """

    def __init__(self, network: CircuitNetwork, pull_back: Callable[[torch.Tensor], Gradients], axes: int) -> None:
        self.network, self.recorded, self.axes = network, pull_back, axes

    def values(self, *tensors: torch.Tensor) -> Tensors:
        upstream = tensors[2]
        batch = upstream.shape[: upstream.dim() - self.axes]
        found = [self.recorded(onto) for onto in upstream.reshape(batch.numel(), *upstream.shape[len(batch) :])]
        kept = [[each for each in pair if each is not None] for pair in found]
        return tuple(torch.stack(column).reshape(*batch, *column[0].shape) for column in zip(*kept, strict=True))

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        raise self.network.no_second_derivatives()

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Tensors:
        raise self.network.no_second_derivatives()

    def is_own(self, place: int) -> bool:
        return False


def _values_traced(network: CircuitNetwork) -> Traceable:
    return lambda tensors, graph: (network.executable.differentiable(*tensors),)


def _products_traced(network: CircuitNetwork, wants: Sequence[bool]) -> Traceable:
    return backward_of(_values_traced(network), [True], wants)
