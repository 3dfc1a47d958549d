"""A `LayerCircuit` compiled for the exact engine, before anything about batches or processors is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from qiskit.circuit import ParameterExpression
from qiskit.quantum_info import SparsePauliOp

from qgen.backends.statevector.gates import Factor, GateOp, fuse, gate_ops
from qgen.circuits import LayerCircuit
from qgen.circuits.exact_synthesis import ideal_circuit


@dataclass(frozen=True)
class PauliString:
    """coefficient * i^(number of Y) X^x Z^z, bits counted by wire; a summand of observable number `observable`."""

    observable: int
    coefficient: float
    x: int
    z: int

    @property
    def imaginary(self) -> bool:
        """Whether the phase i^(number of Y) is imaginary: then the sum's imaginary part counts."""
        return bool((self.x & self.z).bit_count() & 1)

    @property
    def signed_coefficient(self) -> float:
        """The coefficient times the sign that i^(number of Y) leaves on the part that counts."""
        return self.coefficient * (1, -1, -1, 1)[(self.x & self.z).bit_count() % 4]


class AnglePlace(NamedTuple):
    """Where a factor finds its angle: entry `number` of the program's `row_angles` or `weight_angles`."""

    per_row: bool
    number: int


@dataclass(frozen=True)
class Program:
    """Ops, the angles they turn by, and the Pauli strings measured at the end.

    `weight_angles` depend on weights alone: they are the same for all samples that share their weights.
    `row_angles` depend on an input, and are evaluated for every sample. `places` follows the factors of the ops;
    a factor without an angle has None there. `ends` are the wires that the
    qubits end on.
    """

    circuit: LayerCircuit
    ops: tuple[GateOp, ...]
    weight_angles: tuple[ParameterExpression, ...]
    row_angles: tuple[ParameterExpression, ...]
    places: tuple[tuple[AnglePlace | None, ...], ...]
    strings: tuple[PauliString, ...]
    ends: tuple[int, ...]

    @property
    def wires(self) -> int:
        return self.circuit.qubits


def compile_program(circuit: LayerCircuit) -> Program:
    """Rewrite, fuse, and place the observables on the wires that their qubits end on.

    Raises:
        CircuitError: an instruction that is not unitary, named with its position.
    """
    unfused, place = gate_ops(ideal_circuit(circuit.circuit))
    ops = fuse(unfused)
    strings = tuple(
        string for index, observable in enumerate(circuit.observables) for string in _strings(index, observable, place)
    )
    weights = set(circuit.weights)
    angles: dict[bool, list[ParameterExpression]] = {True: [], False: []}

    def add_angle(factor: Factor) -> AnglePlace | None:
        # Equal angles are not merged: hash() of a Qiskit expression can overflow, and a column costs next to nothing.
        if factor.angle is None:
            return None
        per_row = not set(factor.angle.parameters) <= weights
        angles[per_row].append(factor.angle)
        return AnglePlace(per_row, len(angles[per_row]) - 1)

    places = tuple(tuple(add_angle(factor) for factor in op.factors) for op in ops)
    return Program(circuit, tuple(ops), tuple(angles[False]), tuple(angles[True]), places, strings, tuple(place))


def _strings(index: int, observable: SparsePauliOp, place: list[int]) -> list[PauliString]:
    strings = []
    for pauli, coefficient in zip(observable.paulis, observable.coeffs, strict=True):
        x = sum(1 << place[qubit] for qubit in range(len(place)) if pauli.x[qubit])
        z = sum(1 << place[qubit] for qubit in range(len(place)) if pauli.z[qubit])
        strings.append(PauliString(index, float(coefficient.real), x, z))
    return strings
