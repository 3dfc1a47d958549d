"""The engine on any torch device: the same program and the same adjoint, gate by gate over the whole batch.

Used for tensors that do not lie in the processor's memory; nothing is copied through it. The tests run it on CPU
tensors, where cpu.py is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from qgen.backends.statevector.gates import Factor, GateOp, Kind
from qgen.backends.statevector.pauli_string import PauliString
from qgen.backends.statevector.program import Program

COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
MOST_BYTES = 1 << 30  # of one state and one table of matrices of a chunk of samples; a few are alive at the peak
MATRIX_BYTES = 64  # 2 x 2 complex128


class DeviceEngine:
    """Expectation values and adjoint gradients of one program, with torch operations.

    Attributes:
        program: the program.
        groups: its Pauli strings, by their flips.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.groups: dict[int, list[PauliString]] = {}
        self._matrices: dict[torch.device, Matrices] = {}
        for string in program.strings:
            self.groups.setdefault(string.x, []).append(string)

    def values(self, shared: torch.Tensor, own: torch.Tensor, rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Expectation values (N, O), float64; `shared` (R, ·) and `own` (N, ·) are the angles, `rows` (N,)."""
        matrices = self.matrices_on(shared.device)
        parts = []
        for part in self._chunks(len(rows), dtype):
            table = matrices(shared, own[part], rows[part])
            parts.append(self._measure(self._forward(table, rows[part], dtype)))
        return torch.cat(parts) if parts else own.new_zeros(0, self.program.circuit.num_observables)

    def gradients(
        self, shared: torch.Tensor, own: torch.Tensor, rows: torch.Tensor, upstream: torch.Tensor, dtype: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of sum(upstream (N, O) * values) for `shared` and `own`."""
        return self._gradients(shared, own, rows, dtype, lambda psi, part: self._seed(psi, upstream[part]))

    def probabilities(
        self, shared: torch.Tensor, own: torch.Tensor, rows: torch.Tensor, dtype: torch.dtype
    ) -> torch.Tensor:
        """Probabilities (N, 2^n) of the outcomes of all wires, float32 or float64; see `values`."""
        matrices = self.matrices_on(shared.device)
        found = own.new_empty(len(rows), 1 << self.program.wires, dtype=dtype)
        for part in self._chunks(len(rows), dtype):
            psi = self._forward(matrices(shared, own[part], rows[part]), rows[part], dtype)
            found[part] = psi.real.square() + psi.imag.square()
        return found

    def probability_gradients(
        self, shared: torch.Tensor, own: torch.Tensor, rows: torch.Tensor, upstream: torch.Tensor, dtype: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of sum(upstream (N, 2^n) * probabilities) for `shared` and `own`.

        They are those of one observable: diagonal, with the upstream numbers for its entries.
        """
        return self._gradients(shared, own, rows, dtype, lambda psi, part: upstream[part].to(psi.dtype) * psi)

    def _gradients(
        self,
        shared: torch.Tensor,
        own: torch.Tensor,
        rows: torch.Tensor,
        dtype: torch.dtype,
        adjoint: Callable[[torch.Tensor, slice], torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of sum(psi* lambda), where `adjoint` makes lambda = H psi of the states of some samples."""
        matrices = self.matrices_on(shared.device)
        d_shared, d_own = torch.zeros_like(shared), torch.zeros_like(own)
        for part in self._chunks(len(rows), dtype):
            with torch.enable_grad():
                leaves = shared.detach().requires_grad_(), own[part].detach().requires_grad_()
                table = matrices(*leaves, rows[part])
            psi = self._forward(_detached(table), rows[part], dtype)
            sums = self._backward(_detached(table), rows[part], psi, adjoint(psi, part))
            outputs = [(entry, d) for entry, d in zip(table, sums, strict=True) if entry.requires_grad]
            if outputs:
                found = torch.autograd.grad(
                    [entry for entry, _ in outputs],
                    leaves,
                    [d for _, d in outputs],
                    allow_unused=True,
                    materialize_grads=True,
                )
                d_shared += found[0]
                d_own[part] = found[1]
        return d_shared, d_own

    def matrices_on(self, device: torch.device) -> Matrices:
        """The tables for tensors on this device."""
        if device not in self._matrices:
            with torch.inference_mode(False):  # what is made in inference mode can never be part of a graph
                self._matrices[device] = Matrices(self.program, device)
        return self._matrices[device]

    def _chunks(self, samples: int, dtype: torch.dtype) -> Iterator[slice]:
        factors = sum(len(op.factors) for op in self.program.ops)
        bytes_each = (COMPLEX[dtype].itemsize << self.program.wires) + MATRIX_BYTES * factors
        size = max(1, MOST_BYTES // bytes_each)
        return (slice(start, start + size) for start in range(0, samples, size))

    def _forward(self, table: Table, rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """psi: (N, 2^n)."""
        kind = COMPLEX[dtype]
        psi = torch.zeros(len(rows), 1 << self.program.wires, dtype=kind, device=rows.device)
        psi[:, 0] = 1
        for k, op in enumerate(self.program.ops):
            zero, one = _halves(psi.unsqueeze(0), op, self.program.wires)
            _apply(zero, one, self.matrices_on(rows.device).entry(table, k, rows, kind))
        return psi

    def _measure(self, psi: torch.Tensor) -> torch.Tensor:
        """Values (N, O): string by string, so that no table of 2^n signs a string is kept."""
        values = torch.zeros(len(psi), self.program.circuit.num_observables, dtype=torch.float64, device=psi.device)
        index = torch.arange(psi.shape[1], device=psi.device)
        for x, members in self.groups.items():
            products = psi[:, index ^ x].conj() * psi if x else psi.real.square() + psi.imag.square()
            for string in members:
                part = products.imag if string.imaginary else products.real
                found = (part * _signs(index, string.z).to(part.dtype)).sum(dim=1, dtype=torch.float64)
                values[:, string.observable] += string.signed_coefficient * found
        return values

    def _seed(self, psi: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
        """lambda = sum_o upstream_o H_o psi, (N, 2^n)."""
        total = torch.zeros_like(psi)
        index = torch.arange(psi.shape[1], device=psi.device)
        for x, members in self.groups.items():
            diagonal = torch.zeros_like(psi)
            for string in members:
                weight = string.signed_coefficient * upstream[:, string.observable].unsqueeze(1)
                unit = 1j if string.imaginary else 1
                diagonal += unit * (weight * _signs(index, string.z)).to(psi.real.dtype)
            total += diagonal * (psi[:, index ^ x] if x else psi)
        return total

    def _backward(self, table: Table, rows: torch.Tensor, psi: torch.Tensor, adjoint: torch.Tensor) -> Table:
        """The gradients of the table's matrices: 2 sum lambda_a conj(psi_b), op by op, last one first."""
        matrices = self.matrices_on(psi.device)
        sums = Table(torch.zeros_like(table.shared), torch.zeros_like(table.own))
        both = torch.stack([psi, adjoint])
        for k in range(len(self.program.ops) - 1, -1, -1):
            zero, one = _halves(both, self.program.ops[k], self.program.wires)
            entry = matrices.entry(table, k, rows, psi.dtype)
            if matrices.varies(k):
                after = zero[1].clone(), one[1].clone()
                _apply(zero, one, entry.mH)
                found = torch.stack([_inner(a, b[0]) for a in after for b in (zero, one)], dim=-1).reshape(-1, 2, 2)
                matrices.add(sums, k, rows, 2 * found)
            else:
                _apply(zero, one, entry.mH)
        return sums


class Table(NamedTuple):
    """The 2 x 2 matrices of all ops: (R, ops, 2, 2) of those shared by samples, (N, ops, 2, 2) of the others."""

    shared: torch.Tensor
    own: torch.Tensor


def _detached(table: Table) -> Table:
    return Table(table.shared.detach(), table.own.detach())


class Matrices:
    """From angles to the matrices of all ops, differentiable: every factor is A + cos B + sin C + exp(i angle) D."""

    def __init__(self, program: Program, device: torch.device) -> None:
        own = [any(place is not None and place.per_row for place in places) for places in program.places]
        self._place: list[tuple[bool, int]] = [(is_own, own[:k].count(is_own)) for k, is_own in enumerate(own)]
        self._varies = [any(place is not None for place in places) for places in program.places]
        self._shared = _Stack(program, [k for k, is_own in enumerate(own) if not is_own], device)
        self._own = _Stack(program, [k for k, is_own in enumerate(own) if is_own], device)

    def __call__(self, shared: torch.Tensor, own: torch.Tensor, rows: torch.Tensor) -> Table:
        return Table(self._shared(shared), self._own(torch.cat([shared[rows], own], dim=1)))

    def varies(self, k: int) -> bool:
        return self._varies[k]

    def entry(self, table: Table, k: int, rows: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
        """Op k's matrices: (N, 2, 2), or (1, 2, 2) where all samples share one."""
        is_own, place = self._place[k]
        if is_own:
            return table.own[:, place].to(kind)
        matrices = table.shared[:, place].to(kind)
        return matrices if len(matrices) == 1 else matrices[rows]

    def add(self, sums: Table, k: int, rows: torch.Tensor, found: torch.Tensor) -> None:
        is_own, place = self._place[k]
        wide = found.to(torch.complex128)
        if is_own:
            sums.own[:, place] = wide
        elif len(sums.shared) == 1:
            sums.shared[0, place] = wide.sum(dim=0)
        else:
            sums.shared[:, place] = torch.zeros_like(sums.shared[:, place]).index_add_(0, rows, wide)


class _Stack:
    """The products of several ops' factors at once; shorter ops are filled up with identities."""

    def __init__(self, program: Program, members: list[int], device: torch.device) -> None:
        depth = max((len(program.places[k]) for k in members), default=1)
        self._terms = torch.zeros(len(members), depth, 4, 2, 2, dtype=torch.complex128)
        self._terms[:, :, 0] = torch.eye(2)
        self._index = torch.zeros(len(members), depth, dtype=torch.long)
        for row, k in enumerate(members):
            for j, (factor, place) in enumerate(zip(program.ops[k].factors, program.places[k], strict=True)):
                if place is None:
                    self._terms[row, j] = torch.from_numpy(_fixed(factor))
                else:
                    self._terms[row, j] = torch.from_numpy(_TERMS[factor.kind])
                    self._index[row, j] = place.number + (len(program.weight_angles) if place.per_row else 0)
        self._terms, self._index = self._terms.to(device), self._index.to(device)

    def __call__(self, angles: torch.Tensor) -> torch.Tensor:
        """(rows, angles) float64 -> (rows, ops, 2, 2) complex128."""
        if not angles.shape[1]:
            angles = angles.new_zeros(len(angles), 1)
        angle = angles[:, self._index]
        half = angle / 2
        basis = torch.stack([torch.ones_like(half), half.cos(), half.sin(), torch.exp(1j * angle)], dim=-1)
        factors = torch.einsum("rojt,ojtab->jroab", basis, self._terms)
        product = factors[0]
        for later in factors[1:]:
            product = later @ product
        return product


def _fixed(factor: Factor) -> np.ndarray[tuple[int, ...], np.dtype[np.complex128]]:
    terms = np.zeros((4, 2, 2), dtype=np.complex128)
    terms[0] = factor.matrix
    return terms


_O, _I = np.zeros((2, 2)), np.eye(2)
_X, _Y, _Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1.0, -1.0])
_TERMS = {
    kind: np.array(terms, dtype=np.complex128)
    for kind, terms in {
        Kind.RX: [_O, _I, -1j * _X, _O],
        Kind.RY: [_O, _I, -1j * _Y, _O],
        Kind.RZ: [_O, _I, -1j * _Z, _O],
        Kind.P: [np.diag([1, 0]), _O, _O, np.diag([0, 1])],
        Kind.PHASE: [_O, _O, _O, _I],
    }.items()
}


def grid(op: GateOp, wires: int) -> tuple[list[int], dict[int, int]]:
    """A shape for the axis of 2^n amplitudes in which each of the op's wires has an axis, and which axis that is."""
    shape, axes, above = [], {}, wires
    for wire in sorted(op.wires, reverse=True):
        shape += [1 << (above - wire - 1), 2]
        axes[wire] = len(shape) - 1
        above = wire
    return [*shape, 1 << above], axes


def _halves(states: torch.Tensor, op: GateOp, wires: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Views of states (S, N, 2^n) where the op's controls are met: its target at 0, its target at 1."""
    shape, axes = grid(op, wires)
    view = states.view(*states.shape[:2], *shape)
    select: list[slice | int] = [slice(None)] * view.dim()
    for wire, value in op.controls:
        select[2 + axes[wire]] = value
    zero, one = list(select), list(select)
    zero[2 + axes[op.target]], one[2 + axes[op.target]] = 0, 1
    return view[tuple(zero)], view[tuple(one)]


def _apply(zero: torch.Tensor, one: torch.Tensor, matrix: torch.Tensor) -> None:
    """In place: (zero, one) <- matrix (N or 1, 2, 2) applied to (zero, one)."""
    u = matrix.reshape(1, -1, 2, 2, *[1] * (zero.dim() - 2))
    new_zero = torch.addcmul(u[:, :, 0, 0] * zero, u[:, :, 0, 1], one)
    new_one = torch.addcmul(u[:, :, 1, 0] * zero, u[:, :, 1, 1], one)
    zero.copy_(new_zero)
    one.copy_(new_one)


def _inner(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """sum left conj(right) over all axes but the first, in float64: (N,)."""
    return (left * right.conj()).flatten(1).sum(dim=1, dtype=torch.complex128)


def _signs(index: torch.Tensor, z: int) -> torch.Tensor:
    """(-1)^(bits of index under z), float64."""
    parity = index & z
    for shift in (32, 16, 8, 4, 2, 1):
        parity = parity ^ (parity >> shift)
    return 1.0 - 2.0 * (parity & 1).double()
