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
        self.definition = _turn(self.params[0])


class ControlledTurn(ControlledGate):
    """The same under a control, as a class of its own."""

    def __init__(self, name: str, angle: object) -> None:
        super().__init__(name, 2, [angle], num_ctrl_qubits=1, base_gate=RYGate(angle))

    def _define(self) -> None:
        self.definition = _controlled(self.params[0])


def own_gates(name: str, one: object, other: object) -> list[tuple[Operation, QuantumCircuit]]:
    """On one or two qubits, all of them called `name`: plain ones, of own classes, controlled, modified, nested.

    Args:
        name: of them all.
        one: an angle, or a parameter; also `other`.

    Returns:
        Each with what it means, in gates of Qiskit's library.
    """
    single, pair = QuantumCircuit(1), QuantumCircuit(2)
    single.ry(one, 0)
    pair.h(0)
    pair.crx(other, 0, 1)
    plain, double = Gate(name, 1, [one]), Gate(name, 2, [other])
    plain.definition, double.definition = single, pair
    bare = Instruction(name, 2, 0, [other])
    bare.definition = pair
    base = ControlledGate(name, 2, [one], num_ctrl_qubits=1, base_gate=RYGate(one))
    base.definition = _controlled(one)
    outer, means = QuantumCircuit(2, name=name), QuantumCircuit(2)
    outer.append(double, [1, 0])
    outer.append(Turn(name, one), [1])
    means.compose(pair, [1, 0], inplace=True)
    means.compose(_turn(one), [1], inplace=True)
    modified = AnnotatedOperation(Turn(name, other), [ControlModifier(1, 0), InverseModifier()])
    undone, under = QuantumCircuit(2), QuantumCircuit(2)
    undone.cry(-other, 0, 1, ctrl_state=0)  # type: ignore[operator]
    undone.p(0.3, 0)
    undone.global_phase = -0.3
    under.cry(one, 0, 1, ctrl_state=0)
    return [
        (plain, single),
        (double, pair),
        (bare, pair),
        (base, _controlled(one)),
        (Turn(name, one), _turn(one)),
        (ControlledTurn(name, other), _controlled(other)),
        (outer.to_gate(), means),
        (modified, undone),
        (_under_control(plain), under),
    ]


def _under_control(gate: Gate) -> Operation:
    """By Qiskit's `control()`, which fails at names that it knows as gates of other sizes."""
    try:
        return gate.control(1, ctrl_state=0)
    except (ValueError, IndexError):
        return gate.control(1, ctrl_state=0, annotated=True)


def _turn(angle: object) -> QuantumCircuit:
    circuit = QuantumCircuit(1, global_phase=0.3)
    circuit.ry(angle, 0)
    return circuit


def _controlled(angle: object) -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.cry(angle, 0, 1)
    return circuit
