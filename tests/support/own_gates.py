"""Gates of a user's own under names that Qiskit, Aer and devices know as something else."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    ControlledGate,
    ControlModifier,
    Gate,
    Instruction,
    InverseModifier,
    Operation,
)
from qiskit.circuit.library import RYGate

#: Names that mean something to Qiskit's transpiler, to Aer or to devices.
NAMES = ("rx", "rz", "u", "x", "sx", "cx", "cz", "ecr", "crx", "rzz", "swap", "mcx", "unitary", "id", "qft", "clifford")


class Turn(Gate):
    """A turn about Y, whatever its name."""

    def __init__(self, name: str, angle: object) -> None:
        super().__init__(name, 1, [angle])

    def _define(self) -> None:
        self.definition = QuantumCircuit(1, global_phase=0.3)
        self.definition.ry(self.params[0], 0)


class ControlledTurn(ControlledGate):
    """The same under a control, as a class of its own."""

    def __init__(self, name: str, angle: object) -> None:
        super().__init__(name, 2, [angle], num_ctrl_qubits=1, base_gate=RYGate(angle))

    def _define(self) -> None:
        self.definition = QuantumCircuit(2)
        self.definition.cry(self.params[0], 0, 1)


def own_gates(name: str, one: object, other: object) -> list[Operation]:
    """On one or two qubits, all of them called `name`: plain ones, of own classes, controlled, modified, nested.

    Args:
        name: of them all.
        one: an angle, or a parameter; also `other`.
    """
    single, pair, outer = QuantumCircuit(1), QuantumCircuit(2), QuantumCircuit(2)
    single.ry(one, 0)
    pair.h(0)
    pair.crx(other, 0, 1)
    plain, double = Gate(name, 1, [one]), Gate(name, 2, [other])
    plain.definition, double.definition = single, pair
    bare = Instruction(name, 2, 0, [other])
    bare.definition = pair
    base = ControlledGate(name, 2, [one], num_ctrl_qubits=1, base_gate=RYGate(one))
    base.definition = QuantumCircuit(2)
    base.definition.cry(one, 0, 1)
    outer.append(double, [1, 0])
    outer.append(Turn(name, one), [1])
    outer.name = name
    modified = AnnotatedOperation(Turn(name, other), [ControlModifier(1, 0), InverseModifier()])
    return [plain, double, bare, base, Turn(name, one), ControlledTurn(name, other), outer.to_gate(), modified]
