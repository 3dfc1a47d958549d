"""The general rotation of one qubit, and the ring of CNOTs, shared by ansatzes."""

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression


def append_rot(circuit: QuantumCircuit, angles: Sequence[ParameterExpression], qubit: int) -> None:
    """Append Rot(phi, theta, omega): RZ(phi), then RY(theta), then RZ(omega)."""
    phi, theta, omega = angles
    circuit.rz(phi, qubit)
    circuit.ry(theta, qubit)
    circuit.rz(omega, qubit)


def append_controlled_rot(
    circuit: QuantumCircuit, angles: Sequence[ParameterExpression], control: int, target: int
) -> None:
    """Append Rot(phi, theta, omega) on `target`, controlled by `control`."""
    phi, theta, omega = angles
    circuit.crz(phi, control, target)
    circuit.cry(theta, control, target)
    circuit.crz(omega, control, target)


def append_cnot_ring(circuit: QuantumCircuit, qubits: int, stride: int = 1) -> None:
    """Append CNOT i -> (i + stride) mod n for each of the first n = `qubits` qubits; nothing on one qubit."""
    if qubits > 1:
        for control in range(qubits):
            circuit.cx(control, (control + stride) % qubits)
