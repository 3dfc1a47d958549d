"""Qiskit instructions as products of 2 x 2 unitaries under controls: the only thing that the engine executes.

Every instruction is rewritten, exactly (global phase aside), into `GateOp`s: one target wire, any number of control
wires with their values, and a list of 2 x 2 factors. Two-qubit rotations become a pair of oppositely controlled
rotations, swaps a relabelling of wires, and everything else is unfolded through Qiskit's own definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit import (
    Barrier,
    ControlledGate,
    Gate,
    Instruction,
    Operation,
    ParameterExpression,
    library,
)
from qiskit.exceptions import QiskitError

from qgen.backends.parameters.shift_form import unfold
from qgen.backends.statevector.unitary import two_level_turns
from qgen.errors import CircuitError

Matrix = npt.NDArray[np.complex128]
Angle: TypeAlias = ParameterExpression | float


class Kind(IntEnum):
    """The elementary 2 x 2 factors: F(angle), or a constant."""

    RX = 0
    RY = 1
    RZ = 2
    P = 3  # diag(1, exp(i angle))
    PHASE = 4  # exp(i angle) times the identity: matters under a control
    CONST = 5


#: Qubits of the largest matrix that is taken as it is: some 32,000 turns. A larger one is unfolded by Qiskit.
MOST_WHOLE = 8
DIAGONAL_KINDS = frozenset({Kind.RZ, Kind.P, Kind.PHASE})


@dataclass(frozen=True)
class Factor:
    """One 2 x 2 unitary: a rotation by `angle`, or the constant `matrix`."""

    kind: Kind
    angle: ParameterExpression | None = None
    matrix: Matrix | None = None

    @property
    def diagonal(self) -> bool:
        """Whether the off-diagonal entries are zero whatever the angle."""
        if self.matrix is not None:
            return bool(self.matrix[0, 1] == 0 and self.matrix[1, 0] == 0)
        return self.kind in DIAGONAL_KINDS


@dataclass(frozen=True)
class GateOp:
    """`factors` (first one applied first) on wire `target` where every control wire has its value."""

    target: int
    controls: tuple[tuple[int, int], ...]
    factors: tuple[Factor, ...]

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.target, *(wire for wire, _ in self.controls))

    @property
    def diagonal(self) -> bool:
        return all(factor.diagonal for factor in self.factors)

    @property
    def flips(self) -> bool:
        """Whether this is exactly a Pauli X (under its controls): amplitudes trade places, nothing is multiplied."""
        return all(f.matrix is not None for f in self.factors) and np.array_equal(self.constant(), _X)

    def constant(self) -> Matrix:
        """The product of the factors, all of them constant."""
        product = np.eye(2, dtype=np.complex128)
        for factor in self.factors:
            if factor.matrix is None:
                raise ValueError("this op has parameters: it is no constant")
            product = factor.matrix @ product
        return product


_X = np.array([[0, 1], [1, 0]], dtype=np.complex128)
_H = np.array([[1, 1], [1, -1]], dtype=np.complex128) / np.sqrt(2)


def rotation_matrix(kind: Kind, angle: float) -> Matrix:
    """The 2 x 2 matrix (complex128) of an elementary rotation by `angle` radians, in Qiskit's conventions."""
    half = angle / 2
    c, s = np.cos(half), np.sin(half)
    entries: dict[Kind, list[list[complex]]] = {
        Kind.RX: [[c, -1j * s], [-1j * s, c]],
        Kind.RY: [[c, -s], [s, c]],
        Kind.RZ: [[np.exp(-1j * half), 0], [0, np.exp(1j * half)]],
        Kind.P: [[1, 0], [0, np.exp(1j * angle)]],
        Kind.PHASE: [[np.exp(1j * angle), 0], [0, np.exp(1j * angle)]],
    }
    return np.array(entries[kind], dtype=np.complex128)


def _turn(kind: Kind, angle: Angle) -> Factor:
    if isinstance(angle, ParameterExpression):
        if angle.parameters:
            return Factor(kind, angle=angle)
        angle = float(angle.numeric())
    return Factor(Kind.CONST, matrix=rotation_matrix(kind, float(angle)))


def _rotation(kind: Kind) -> Callable[..., list[Factor]]:
    return lambda angle: [_turn(kind, angle)]


# By class, not by name: anybody may call a gate of their own `rx`.
_SINGLE: dict[type, Callable[..., list[Factor]]] = {
    library.RXGate: _rotation(Kind.RX),
    library.RYGate: _rotation(Kind.RY),
    library.RZGate: _rotation(Kind.RZ),
    library.PhaseGate: _rotation(Kind.P),
    library.U1Gate: _rotation(Kind.P),
    library.U2Gate: lambda phi, lam: [_turn(Kind.P, lam), _turn(Kind.RY, np.pi / 2), _turn(Kind.P, phi)],
    library.UGate: lambda theta, phi, lam: [_turn(Kind.P, lam), _turn(Kind.RY, theta), _turn(Kind.P, phi)],
    library.U3Gate: lambda theta, phi, lam: [_turn(Kind.P, lam), _turn(Kind.RY, theta), _turn(Kind.P, phi)],
    library.RGate: lambda theta, phi: [_turn(Kind.RZ, -phi), _turn(Kind.RX, theta), _turn(Kind.RZ, phi)],
}


def _single(gate: Instruction) -> list[Factor] | None:
    """The factors of a one-qubit gate, phase included; None where it must be unfolded."""
    known = _SINGLE.get(gate.base_class)
    if known is not None:
        factors = known(*gate.params[:3])
        if len(gate.params) > 3:  # a U gate under several controls has the phase of a CU gate as a fourth parameter
            factors.append(_turn(Kind.PHASE, gate.params[3]))
        return factors
    if isinstance(gate, Gate) and not gate.is_parameterized():
        try:
            return [Factor(Kind.CONST, matrix=np.asarray(gate.to_matrix(), dtype=np.complex128))]
        except QiskitError:  # it has a definition only
            return None
    return None


def _multiplexed(kind: Kind, angle: Angle, control: int, target: int) -> list[GateOp]:
    """exp(-i angle/2 Z_control (x) A_target): a turn by +angle where the control is 0, by -angle where it is 1."""
    return [
        GateOp(target, ((control, 0),), (_turn(kind, angle),)),
        GateOp(target, ((control, 1),), (_turn(kind, -angle),)),
    ]


def _constant(matrix: Matrix, wire: int) -> GateOp:
    return GateOp(wire, (), (Factor(Kind.CONST, matrix=matrix),))


def _unitary(matrix: Matrix, wires: list[int]) -> list[GateOp]:
    """A matrix on several wires, up to its global phase."""
    return [
        GateOp(
            wires[turn.target],
            tuple((wire, turn.row >> bit & 1) for bit, wire in enumerate(wires) if bit != turn.target),
            (Factor(Kind.CONST, matrix=turn.matrix),),
        )
        for turn in two_level_turns(matrix)
    ]


def _conjugated(kind: Kind, basis: Matrix, angle: Angle, a: int, b: int) -> list[GateOp]:
    """`_multiplexed` with Z on wire a replaced by what `basis` takes to Z."""
    return [_constant(basis, a), *_multiplexed(kind, angle, a, b), _constant(basis.conj().T, a)]


_PAIRS: dict[type, Callable[[Angle, int, int], list[GateOp]]] = {
    library.RZZGate: lambda angle, a, b: _multiplexed(Kind.RZ, angle, a, b),
    library.RZXGate: lambda angle, a, b: _multiplexed(Kind.RX, angle, a, b),
    library.RXXGate: lambda angle, a, b: _conjugated(Kind.RX, _H, angle, a, b),
    # a quarter turn about X takes Y to Z
    library.RYYGate: lambda angle, a, b: _conjugated(Kind.RY, rotation_matrix(Kind.RX, np.pi / 2), angle, a, b),
}


def _controlled(gate: ControlledGate, wires: list[int]) -> list[GateOp] | None:
    """A controlled one-qubit gate as one op; None where it must be unfolded."""
    count = gate.num_ctrl_qubits
    if gate.num_qubits != count + 1:
        return None
    factors = _single(gate.base_gate)
    if factors is None:
        return None
    if gate.base_class is library.CUGate:  # its fourth parameter is a phase that the base gate does not know of
        factors.append(_turn(Kind.PHASE, gate.params[3]))
    controls = tuple((wires[k], gate.ctrl_state >> k & 1) for k in range(count))
    return [GateOp(wires[count], controls, tuple(factors))]


_IGNORED = (Barrier, library.IGate, library.GlobalPhaseGate)


def gate_ops(circuit: QuantumCircuit) -> tuple[list[GateOp], list[int]]:
    """Rewrite a circuit as `GateOp`s.

    Returns:
        The ops in order, and for each qubit the wire that it ends on (swaps only relabel wires).

    Raises:
        CircuitError: an instruction is not unitary or has no definition; it is named with its position.
    """
    place = list(range(circuit.num_qubits))

    def expand(inner: QuantumCircuit, qubits: list[int]) -> Iterator[GateOp]:
        for instruction in inner.data:
            on = [qubits[inner.find_bit(bit).index] for bit in instruction.qubits]
            yield from emit(instruction.operation, on)

    def emit(operation: Operation, on: list[int]) -> Iterator[GateOp]:
        if isinstance(operation, _IGNORED):
            return
        if isinstance(operation, library.SwapGate):
            place[on[0]], place[on[1]] = place[on[1]], place[on[0]]
            return
        wires = [place[qubit] for qubit in on]
        ops = _direct(operation, wires)
        if ops is not None:
            yield from ops
        else:
            yield from expand(unfold(operation), on)

    ops: list[GateOp] = []
    for position, instruction in enumerate(circuit.data):
        on = [circuit.find_bit(bit).index for bit in instruction.qubits]
        try:
            ops.extend(emit(instruction.operation, on))
        # Qiskit raises many kinds here; all of them mean that this instruction is not for us.
        except Exception as error:
            raise CircuitError(
                f"Instruction {position} ({instruction.operation.name} on qubits {on}) cannot run on the exact "
                f"engine: {error}. Allowed: unitary gates that Qiskit can unfold; observables say what is measured."
            ) from error
    return ops, place


def _direct(operation: Operation, wires: list[int]) -> list[GateOp] | None:
    if not isinstance(operation, Instruction):
        return None
    if operation.base_class in _PAIRS:
        return _PAIRS[operation.base_class](operation.params[0], *wires)
    if isinstance(operation, ControlledGate):
        return _controlled(operation, wires)
    if operation.num_qubits == 1:
        factors = _single(operation)
        return None if factors is None else [GateOp(wires[0], (), tuple(factors))]
    if isinstance(operation, library.UnitaryGate) and operation.num_qubits <= MOST_WHOLE:
        return _unitary(np.asarray(operation.to_matrix(), dtype=np.complex128), wires)
    return None


def fuse(ops: list[GateOp]) -> list[GateOp]:
    """Merge each op into an earlier one with the same target and controls, where nothing in between touches them.

    CRZ then CRX on one pair, or RZ, RY, RZ on one wire, become a single 2 x 2 matrix.
    """
    fused: list[GateOp] = []
    latest: dict[int, int] = {}  # wire -> index in `fused` of the last op on it
    for op in ops:
        before = {latest.get(wire, -1) for wire in op.wires}
        index = before.pop()
        if not before and index >= 0 and _same_place(fused[index], op):
            fused[index] = GateOp(op.target, op.controls, fused[index].factors + op.factors)
            continue
        for wire in op.wires:
            latest[wire] = len(fused)
        fused.append(op)
    return fused


def _same_place(first: GateOp, second: GateOp) -> bool:
    return first.target == second.target and set(first.controls) == set(second.controls)
