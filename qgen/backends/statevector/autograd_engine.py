"""Expectation values by torch operations that autograd differentiates any number of times, on any device.

None of them works in place, and the state after every gate is kept, which the adjoint method does without: this is for
second derivatives, where the first ones come from the engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from qgen.backends.measurement.walsh import walsh_hadamard
from qgen.backends.statevector.gates import GateOp
from qgen.backends.statevector.pauli_string import PauliString
from qgen.backends.statevector.torch_engine import COMPLEX, DeviceEngine, grid


def autograd_values(
    engine: DeviceEngine, shared: torch.Tensor, own: torch.Tensor, rows: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """Return what `DeviceEngine.values` does, as a function of the angles `shared` (R, ·) and `own` (N, ·)."""
    program, matrices, kind = engine.program, engine.matrices_on(shared.device), COMPLEX[dtype]
    table = matrices(shared, own, rows)
    psi = torch.zeros(len(rows), 1 << program.wires, dtype=kind, device=shared.device)
    psi[:, 0] = 1
    for k, op in enumerate(program.ops):
        psi = _apply(psi, op, matrices.entry(table, k, rows, kind), program.wires)
    values = torch.zeros(len(rows), program.circuit.num_observables, dtype=torch.float64, device=shared.device)
    for x, strings in engine.groups.items():
        values = values + _string_values(psi, x, strings, values.shape[1])
    return values


def _apply(psi: torch.Tensor, op: GateOp, matrix: torch.Tensor, wires: int) -> torch.Tensor:
    """Return psi (N, 2^n) after an op whose matrices are (N or 1, 2, 2)."""
    shape, axes = grid(op, wires)
    axis_of = {wire: 1 + axis for wire, axis in axes.items()}  # after the samples
    u = matrix.reshape(-1, 2, 2, *[1] * len(shape))
    return _apply_controlled(psi.reshape(len(psi), *shape), op.target, op.controls, axis_of, u).reshape(psi.shape)


def _apply_controlled(
    part: torch.Tensor, target: int, controls: Sequence[tuple[int, int]], axis_of: Mapping[int, int], u: torch.Tensor
) -> torch.Tensor:
    """Return the part of a state in which `controls` are yet to be met, with the matrix applied where they are."""
    if controls:
        (wire, value), *others = controls
        halves = list(part.split(1, dim=axis_of[wire]))
        halves[value] = _apply_controlled(halves[value], target, others, axis_of, u)
        return torch.cat(halves, dim=axis_of[wire])
    zero, one = part.split(1, dim=axis_of[target])
    return torch.cat([u[:, 0, 0] * zero + u[:, 0, 1] * one, u[:, 1, 0] * zero + u[:, 1, 1] * one], dim=axis_of[target])


def _string_values(psi: torch.Tensor, x: int, strings: Sequence[PauliString], observables: int) -> torch.Tensor:
    """What Pauli strings with the flips x add to the values, (N, O): one transform gives the sums with all signs z."""
    index = torch.arange(psi.shape[1], device=psi.device)
    products = psi.index_select(1, index ^ x).conj() * psi
    values = torch.zeros(len(psi), observables, dtype=torch.float64, device=psi.device)
    for imaginary in {string.imaginary for string in strings}:
        members = [string for string in strings if string.imaginary is imaginary]
        sums = walsh_hadamard((products.imag if imaginary else products.real).double())
        z = torch.tensor([string.z for string in members], device=psi.device)
        into = torch.tensor([string.observable for string in members], device=psi.device)
        coefficients = [string.signed_coefficient for string in members]
        contribution = sums.index_select(1, z) * torch.tensor(coefficients, dtype=sums.dtype, device=psi.device)
        values = values.index_add(1, into, contribution)
    return values
