"""A circuit's values and derivatives, as rules of autograd functions.

The tensors of each rule begin with inputs (*lead, I), weights (*lead, W) and seeds (*lead, S): with S = 1 what each row
draws from, shots or errors, so that a derivative sees what its values saw; with S = 0 nothing, where values are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import torch

from qgen.backends.batch import Gradients
from qgen.nn.compiled import CompiledCircuit
from qgen.nn.functions import MaybeTensors, Traceable, TracedRule, apply_rule, backward_of, fill
from qgen.nn.torch_internals import Tensors
from qgen.randomness import Seed, Streams, derive

MOST_PRODUCTS = 64  # observables up to which a forward derivative comes from as many adjoint passes, all in one call


def values(compiled: CompiledCircuit, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return expectation values (..., O)."""
    leaves = aligned(inputs, weights)
    seeds = apply_rule(RowSeeds(compiled), *leaves)[0] if compiled.executable.draws else no_seeds(leaves)
    return apply_rule(Expectations(compiled), *leaves, seeds)[0]


def aligned(inputs: torch.Tensor, weights: torch.Tensor) -> Tensors:
    """Return both with the same number of axes, new ones in front."""
    axes = max(inputs.dim(), weights.dim())
    return tuple(leaf.reshape(*[1] * (axes - leaf.dim()), *leaf.shape) for leaf in (inputs, weights))


def no_seeds(leaves: Tensors) -> torch.Tensor:
    """Return the seeds of exact values, for inputs and weights that are aligned: none."""
    return torch.zeros(*[1] * (leaves[0].dim() - 1), 0, dtype=torch.int64, device=leaves[0].device)


def products(
    compiled: CompiledCircuit,
    tensors: Tensors,
    upstream: torch.Tensor,
    wants: Sequence[bool],
    streams: Streams | None = None,
) -> MaybeTensors:
    """Return vector-Jacobian products for the wanted of inputs and weights, by the adjoint method."""
    return fill(apply_rule(Products(compiled, wants, streams), *tensors, upstream), wants[:2])


def jacobians(compiled: CompiledCircuit, tensors: Tensors, wants: Sequence[bool]) -> MaybeTensors:
    """Return Jacobians (*lead, O, I) and (*lead, O, W), for the wanted of inputs and weights."""
    if not compiled.adjoint:
        return fill(apply_rule(Jacobians(compiled, wants), *tensors), wants[:2])
    count, lead = compiled.circuit.num_observables, _lead(tensors)
    wide = [
        leaf.expand(count, *(lead if wanted else leaf.shape[:-1]), leaf.shape[-1])
        for leaf, wanted in zip(tensors, (*wants[:2], False), strict=True)
    ]
    kind = torch.promote_types(tensors[0].dtype, tensors[1].dtype)
    units = torch.eye(count, dtype=kind, device=tensors[0].device).reshape(count, *[1] * len(lead), count)
    rows = products(compiled, tuple(wide), units.expand(count, *lead, count), wants)
    return [None if row is None else row.movedim(0, -2) for row in rows]


class RowSeeds:
    """A seed for each row (*lead, 1), of inputs and weights, where anything is drawn."""

    def __init__(self, compiled: CompiledCircuit) -> None:
        self.compiled = compiled

    def values(self, *tensors: torch.Tensor) -> Tensors:
        lead = _lead(tensors)
        streams = self.compiled.executable.streams(*tensors)
        rows_per_seed = prod(lead) // max(1, len(streams.seeds))
        rows = [derive(seed, "row", row) for seed in streams.seeds for row in range(rows_per_seed)]
        return (torch.tensor(rows, dtype=torch.int64, device=tensors[0].device).reshape(*lead, 1),)

    def vjp(self, tensors: Tensors, upstream: MaybeTensors, wants: Sequence[bool]) -> MaybeTensors:
        return ()

    def jvp(self, tensors: Tensors, tangents: MaybeTensors) -> MaybeTensors:
        return (None,)

    def needs_own_copy(self, index: int) -> bool:
        return False


class Expectations:
    """Expectation values (*lead, O)."""

    def __init__(self, compiled: CompiledCircuit) -> None:
        self.compiled = compiled

    def values(self, *tensors: torch.Tensor) -> Tensors:
        inputs, weights, seeds = tensors
        return (self.compiled.executable.expectations(inputs, weights, _seed(self.compiled, seeds, _lead(tensors))),)

    def vjp(self, tensors: Tensors, upstream: MaybeTensors, wants: Sequence[bool]) -> MaybeTensors:
        (gradient,) = upstream
        if gradient is None or not any(wants):
            return ()
        if self.compiled.adjoint:
            return products(self.compiled, tensors, gradient, wants)
        matrices = jacobians(self.compiled, tensors, wants)
        return [
            None
            if matrix is None
            else (matrix * gradient.unsqueeze(-1)).sum(dim=-2).sum_to_size(leaf.shape).to(leaf.dtype)
            for matrix, leaf in zip(matrices, tensors[:2], strict=True)
        ]

    def jvp(self, tensors: Tensors, tangents: MaybeTensors) -> MaybeTensors:
        if self.compiled.second_derivatives and self.compiled.circuit.num_observables > MOST_PRODUCTS:
            return TracedRule(_values_traced(self.compiled, None)).jvp(tensors, tangents)
        matrices = jacobians(self.compiled, tensors, [tangent is not None for tangent in tangents])
        parts = [
            (matrix * tangent.unsqueeze(-2)).sum(dim=-1)
            for matrix, tangent in zip(matrices, tangents[:2], strict=True)
            if matrix is not None and tangent is not None
        ]
        return (sum(parts[1:], parts[0]).to(torch.promote_types(tensors[0].dtype, tensors[1].dtype)),)

    def needs_own_copy(self, index: int) -> bool:
        return False


class Products:
    """Vector-Jacobian products by the adjoint method, also of upstream (*lead, O).

    Args:
        compiled: the compiled circuit.
        wants: whether the products for inputs and for weights are wanted.
        streams: what the values drew from, where there are no seeds.
    """

    def __init__(self, compiled: CompiledCircuit, wants: Sequence[bool], streams: Streams | None = None) -> None:
        self.compiled, self.wants, self.streams = compiled, (wants[0], wants[1]), streams

    def values(self, *tensors: torch.Tensor) -> Tensors:
        inputs, weights, seeds, upstream = tensors
        lead = _lead(tensors)
        wide_inputs, wide_upstream = (tensor.expand(*lead, tensor.shape[-1]) for tensor in (inputs, upstream))
        seed = _seed(self.compiled, seeds, lead, self.streams)
        d_inputs, d_weights = self.compiled.executable.vjp(wide_inputs, weights, wide_upstream, self.wants, seed)
        d_inputs = None if d_inputs is None else d_inputs.sum_to_size(inputs.shape)
        return tuple(gradient for gradient in (d_inputs, d_weights) if gradient is not None)

    def vjp(self, tensors: Tensors, upstream: MaybeTensors, wants: Sequence[bool]) -> MaybeTensors:
        return TracedRule(self._traced(self.wants)).vjp(tensors, upstream, wants)

    def jvp(self, tensors: Tensors, tangents: MaybeTensors) -> MaybeTensors:
        """Along inputs and weights: the gradient of the products with the tangents, Hessians being symmetric."""
        moved, upstream, parts = [tangent is not None for tangent in tangents[:2]], tangents[3], []
        if upstream is not None:
            parts.append(apply_rule(self, *tensors[:3], upstream))
        if any(moved):
            along, wants = [tangent for tangent in tangents[:2] if tangent is not None], (*self.wants, False, False)
            gradients = TracedRule(self._traced(moved)).vjp(tensors, along, wants)
            parts.append(tuple(gradient for gradient in gradients if gradient is not None))
        return parts[0] if len(parts) == 1 else [one + other for one, other in zip(*parts, strict=True)]

    def needs_own_copy(self, index: int) -> bool:
        return index < 2 and self.wants[index]

    def _traced(self, wants: Sequence[bool]) -> Traceable:
        return backward_of(_values_traced(self.compiled, self.streams), [True], (*wants, False))


class Jacobians:
    """Jacobians (*lead, O, I) and (*lead, O, W) by a method that needs values only."""

    def __init__(self, compiled: CompiledCircuit, wants: Sequence[bool]) -> None:
        self.compiled, self.wants = compiled, (wants[0], wants[1])

    def values(self, *tensors: torch.Tensor) -> Tensors:
        inputs, weights, seeds = tensors
        matrices = self.compiled.jacobians(inputs, weights, self.wants, _seed(self.compiled, seeds, _lead(tensors)))
        return tuple(matrix for matrix in matrices if matrix is not None)

    def vjp(self, tensors: Tensors, upstream: MaybeTensors, wants: Sequence[bool]) -> MaybeTensors:
        raise self.compiled.no_second_derivatives()

    def jvp(self, tensors: Tensors, tangents: MaybeTensors) -> MaybeTensors:
        raise self.compiled.no_second_derivatives()

    def needs_own_copy(self, index: int) -> bool:
        return False


class RecordedVJP:
    """Vector-Jacobian products that run nothing: of inputs, weights and upstream, by what was recorded for the values.

    Inputs and weights are those of the record; upstream may have more axes in front than the values (axes).
    """

    def __init__(self, compiled: CompiledCircuit, vjp: Callable[[torch.Tensor], Gradients], axes: int) -> None:
        self.compiled, self.recorded, self.axes = compiled, vjp, axes

    def values(self, *tensors: torch.Tensor) -> Tensors:
        upstream = tensors[2]
        batch = upstream.shape[: upstream.dim() - self.axes]
        pairs = [self.recorded(row) for row in upstream.reshape(batch.numel(), *upstream.shape[len(batch) :])]
        kept = [[gradient for gradient in pair if gradient is not None] for pair in pairs]
        return tuple(torch.stack(column).reshape(*batch, *column[0].shape) for column in zip(*kept, strict=True))

    def vjp(self, tensors: Tensors, upstream: MaybeTensors, wants: Sequence[bool]) -> MaybeTensors:
        raise self.compiled.no_second_derivatives()

    def jvp(self, tensors: Tensors, tangents: MaybeTensors) -> MaybeTensors:
        raise self.compiled.no_second_derivatives()

    def needs_own_copy(self, index: int) -> bool:
        return False


def _values_traced(compiled: CompiledCircuit, streams: Streams | None) -> Traceable:
    def function(tensors: Sequence[torch.Tensor], graph: bool) -> Tensors:
        inputs, weights, seeds = tensors
        return (
            compiled.executable.expectations_autograd(inputs, weights, _seed(compiled, seeds, _lead(tensors), streams)),
        )

    return function


def _lead(tensors: Sequence[torch.Tensor]) -> tuple[int, ...]:
    return tuple(torch.broadcast_shapes(*(tensor.shape[:-1] for tensor in tensors)))


def _seed(
    compiled: CompiledCircuit, seeds: torch.Tensor, lead: Sequence[int], streams: Streams | None = None
) -> Seed | None:
    """Return what rows of these leading axes draw from: their seeds, or the streams of a call, repeated for each."""
    if seeds.shape[-1]:
        return seeds.squeeze(-1).expand(*lead)
    if streams is None or not compiled.executable.draws:
        return None
    mixture = compiled.circuit.mixture
    repeats = prod(lead) * (1 if mixture is None else len(mixture)) // len(streams)
    return replace(streams, seeds=streams.seeds * repeats)
