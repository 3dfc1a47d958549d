"""A `LayerCircuit` compiled for the exact engine, before anything about batches or processors is decided."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from qiskit.circuit import ParameterExpression
from qiskit.quantum_info import SparsePauliOp

from qgen.backends.statevector.gates import GateOp, fuse, gate_ops
from qgen.circuits import LayerCircuit


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


@dataclass(frozen=True)
class Program:
    """Ops, the angles they turn by, and the Pauli strings measured at the end.

    `weight_angles` depend on weights alone: they are the same for all samples that share their weights.
    `row_angles` depend on an input, and are evaluated for every sample.
    """

    circuit: LayerCircuit
    ops: tuple[GateOp, ...]
    strings: tuple[PauliString, ...]

    @property
    def wires(self) -> int:
        return self.circuit.qubits

    @cached_property
    def angles(self) -> tuple[ParameterExpression, ...]:
        """The distinct angles, in order of first use."""
        found = (factor.angle for op in self.ops for factor in op.factors if factor.angle is not None)
        return tuple(dict.fromkeys(found))

    @cached_property
    def weight_angles(self) -> tuple[ParameterExpression, ...]:
        weights = set(self.circuit.weights)
        return tuple(angle for angle in self.angles if set(angle.parameters) <= weights)

    @cached_property
    def row_angles(self) -> tuple[ParameterExpression, ...]:
        alone = set(self.weight_angles)
        return tuple(angle for angle in self.angles if angle not in alone)


def compile_program(circuit: LayerCircuit) -> Program:
    """Rewrite, fuse, and place the observables on the wires that their qubits end on.

    Raises:
        CircuitError: an instruction that is not unitary, named with its position.
    """
    ops, place = gate_ops(circuit.circuit)
    strings = tuple(
        string for index, observable in enumerate(circuit.observables) for string in _strings(index, observable, place)
    )
    return Program(circuit, tuple(fuse(ops)), strings)


def _strings(index: int, observable: SparsePauliOp, place: list[int]) -> list[PauliString]:
    found = []
    for pauli, coefficient in zip(observable.paulis, observable.coeffs, strict=True):
        x = sum(1 << place[qubit] for qubit in range(len(place)) if pauli.x[qubit])
        z = sum(1 << place[qubit] for qubit in range(len(place)) if pauli.z[qubit])
        found.append(PauliString(index, float(coefficient.real), x, z))
    return found
