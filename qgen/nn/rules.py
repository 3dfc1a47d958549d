"""What a circuit's values and derivatives are, as rules of steps.

Each of their steps begins with inputs (*lead, I), weights (*lead, W) and seeds (*lead, S): with S = 1 what each row
draws from, shots or errors, so that a derivative sees what its values saw; with S = 0 nothing, where values are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import torch

from qgen.backends.batching import Gradients
from qgen.nn.internals import Tensors
from qgen.nn.network import CircuitNetwork
from qgen.nn.steps import Maybe, run, spread
from qgen.nn.traced import Traceable, Traced, backward_of
from qgen.randomness import Seed, Streams, derive

MOST_PRODUCTS = 64  # observables up to which a forward derivative comes from as many adjoint passes, all in one call


def values(network: CircuitNetwork, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Expectation values (..., O) as a step."""
    leaves = aligned(inputs, weights)
    exact = network.executable.backend.capabilities.exact
    seeds = no_seeds(leaves) if exact else run(Seeds(network), *leaves)[0]
    return run(Values(network), *leaves, seeds)[0]


def aligned(inputs: torch.Tensor, weights: torch.Tensor) -> Tensors:
    """Both with the same number of axes, new ones in front."""
    axes = max(inputs.dim(), weights.dim())
    return tuple(leaf.reshape(*[1] * (axes - leaf.dim()), *leaf.shape) for leaf in (inputs, weights))


def no_seeds(leaves: Tensors) -> torch.Tensor:
    """The seeds of exact values, for inputs and weights that are aligned: none."""
    return torch.zeros(*[1] * (leaves[0].dim() - 1), 0, dtype=torch.int64, device=leaves[0].device)


def products(
    network: CircuitNetwork,
    tensors: Tensors,
    upstream: torch.Tensor,
    wants: Sequence[bool],
    streams: Streams | None = None,
) -> Maybe:
    """Vector-Jacobian products for those of inputs and weights that want one, by the adjoint method."""
    return spread(run(Products(network, wants, streams), *tensors, upstream), wants[:2])


def jacobians(network: CircuitNetwork, tensors: Tensors, wants: Sequence[bool]) -> Maybe:
    """Jacobians (*lead, O, I) and (*lead, O, W), for those of inputs and weights that want one."""
    if not network.second_derivatives:
        return spread(run(Jacobians(network, wants), *tensors), wants[:2])
    count, lead = network.circuit.num_observables, _lead(tensors)
    wide = [
        leaf.expand(count, *(lead if wanted else leaf.shape[:-1]), leaf.shape[-1])
        for leaf, wanted in zip(tensors, (*wants[:2], False), strict=True)
    ]
    kind = torch.promote_types(tensors[0].dtype, tensors[1].dtype)
    units = torch.eye(count, dtype=kind, device=tensors[0].device).reshape(count, *[1] * len(lead), count)
    found = products(network, tuple(wide), units.expand(count, *lead, count), wants)
    return [None if each is None else each.movedim(0, -2) for each in found]


class Seeds:
    """A seed for each row (*lead, 1), of inputs and weights, where anything is drawn."""

    def __init__(self, network: CircuitNetwork) -> None:
        self.network = network

    def values(self, *tensors: torch.Tensor) -> Tensors:
        lead = _lead(tensors)
        streams = self.network.executable.streams(*tensors)
        each = prod(lead) // max(1, len(streams.seeds))
        rows = [derive(seed, "row", row) for seed in streams.seeds for row in range(each)]
        return (torch.tensor(rows, dtype=torch.int64, device=tensors[0].device).reshape(*lead, 1),)

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        return ()

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Maybe:
        return (None,)

    def is_own(self, place: int) -> bool:
        return False


class Values:
    """Expectation values (*lead, O)."""

    def __init__(self, network: CircuitNetwork) -> None:
        self.network = network

    def values(self, *tensors: torch.Tensor) -> Tensors:
        inputs, weights, seeds = tensors
        return (self.network.executable.expectations(inputs, weights, _seed(self.network, seeds, _lead(tensors))),)

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        (onto,) = upstream
        if onto is None or not any(wants):
            return ()
        if self.network.second_derivatives:
            return products(self.network, tensors, onto, wants)
        found = jacobians(self.network, tensors, wants)
        return [
            None if each is None else (each * onto.unsqueeze(-1)).sum(dim=-2).sum_to_size(leaf.shape).to(leaf.dtype)
            for each, leaf in zip(found, tensors[:2], strict=True)
        ]

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Maybe:
        if self.network.second_derivatives and self.network.circuit.num_observables > MOST_PRODUCTS:
            return Traced(_values_traced(self.network, None)).push_forward(tensors, tangents)
        found = jacobians(self.network, tensors, [tangent is not None for tangent in tangents])
        parts = [
            (each * tangent.unsqueeze(-2)).sum(dim=-1)
            for each, tangent in zip(found, tangents[:2], strict=True)
            if each is not None and tangent is not None
        ]
        return (sum(parts[1:], parts[0]).to(torch.promote_types(tensors[0].dtype, tensors[1].dtype)),)

    def is_own(self, place: int) -> bool:
        return False


class Products:
    """Vector-Jacobian products by the adjoint method, also of upstream (*lead, O).

    Args:
        network: the compiled circuit.
        wants: whether the products for inputs and for weights are wanted.
        streams: what the values drew from, where there are no seeds.
    """

    def __init__(self, network: CircuitNetwork, wants: Sequence[bool], streams: Streams | None = None) -> None:
        self.network, self.wants, self.streams = network, (wants[0], wants[1]), streams

    def values(self, *tensors: torch.Tensor) -> Tensors:
        inputs, weights, seeds, upstream = tensors
        lead = _lead(tensors)
        wide, onto = (tensor.expand(*lead, tensor.shape[-1]) for tensor in (inputs, upstream))
        seed = _seed(self.network, seeds, lead, self.streams)
        d_inputs, d_weights = self.network.executable.adjoint(wide, weights, onto, self.wants, seed)
        found = None if d_inputs is None else d_inputs.sum_to_size(inputs.shape), d_weights
        return tuple(each for each in found if each is not None)

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        return Traced(self._traced(self.wants)).pull_back(tensors, upstream, wants)

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Maybe:
        """Along inputs and weights: the gradient of the products with the tangents, Hessians being symmetric."""
        moved, onto, parts = [tangent is not None for tangent in tangents[:2]], tangents[3], []
        if onto is not None:
            parts.append(run(self, *tensors[:3], onto))
        if any(moved):
            along, wants = [each for each in tangents[:2] if each is not None], (*self.wants, False, False)
            found = Traced(self._traced(moved)).pull_back(tensors, along, wants)
            parts.append(tuple(each for each in found if each is not None))
        return parts[0] if len(parts) == 1 else [one + other for one, other in zip(*parts, strict=True)]

    def is_own(self, place: int) -> bool:
        return place < 2 and self.wants[place]

    def _traced(self, wants: Sequence[bool]) -> Traceable:
        return backward_of(_values_traced(self.network, self.streams), [True], (*wants, False))


class Jacobians:
    """Jacobians (*lead, O, I) and (*lead, O, W) by a method that needs values only."""

    def __init__(self, network: CircuitNetwork, wants: Sequence[bool]) -> None:
        self.network, self.wants = network, (wants[0], wants[1])

    def values(self, *tensors: torch.Tensor) -> Tensors:
        inputs, weights, seeds = tensors
        found = self.network.jacobians(inputs, weights, self.wants, _seed(self.network, seeds, _lead(tensors)))
        return tuple(each for each in found if each is not None)

    def pull_back(self, tensors: Tensors, upstream: Maybe, wants: Sequence[bool]) -> Maybe:
        raise self.network.no_second_derivatives()

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Maybe:
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

    def push_forward(self, tensors: Tensors, tangents: Maybe) -> Maybe:
        raise self.network.no_second_derivatives()

    def is_own(self, place: int) -> bool:
        return False


def _values_traced(network: CircuitNetwork, streams: Streams | None) -> Traceable:
    def function(tensors: Sequence[torch.Tensor], graph: bool) -> Tensors:
        inputs, weights, seeds = tensors
        return (network.executable.differentiable(inputs, weights, _seed(network, seeds, _lead(tensors), streams)),)

    return function


def _lead(tensors: Sequence[torch.Tensor]) -> tuple[int, ...]:
    return tuple(torch.broadcast_shapes(*(tensor.shape[:-1] for tensor in tensors)))


def _seed(
    network: CircuitNetwork, seeds: torch.Tensor, lead: Sequence[int], streams: Streams | None = None
) -> Seed | None:
    """What rows of these leading axes draw from: their seeds, or the streams of a call, once for each turn of it."""
    if seeds.shape[-1]:
        return seeds.squeeze(-1).expand(*lead)
    if streams is None or network.executable.backend.capabilities.exact:
        return None
    mixture = network.circuit.mixture
    turns = prod(lead) * (1 if mixture is None else len(mixture)) // len(streams)
    return replace(streams, seeds=streams.seeds * turns)
