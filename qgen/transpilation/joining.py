"""Two controlled rotations on one pair of qubits as one controlled gate, with half of the two-qubit gates.

Qiskit finds this only once the angles are numbers. Let A and B be two different axes, and Q the Pauli operator of the
third one, which anticommutes with both: Q R(angle) Q = R(-angle). Then the circuit (in the order of time)

    R_A(a/2), controlled Q, R_A(-a/2), R_B(-b/2), controlled Q, R_B(b/2)        on the target

is the identity where the control is 0, and R_B(b) R_A(a) where it is 1: CR_A(a), then CR_B(b), with two controlled
Paulis instead of four, after the idea of Barenco et al. (1995), arXiv:quant-ph/9503016, lemma 5.1. All angles stay
linear in a and b, so that they can stay open.
"""

from __future__ import annotations

from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction
from qiskit.circuit.library import CRXGate, CRYGate, CRZGate

# By class, not by name: anybody may call a gate of their own `crx`.
_AXES = {CRXGate: "x", CRYGate: "y", CRZGate: "z"}
_THIRD = {frozenset("xy"): "z", frozenset("yz"): "x", frozenset("xz"): "y"}


def join_rotations(circuit: QuantumCircuit) -> QuantumCircuit:
    """The same circuit, with neighbouring controlled rotations about different axes joined in pairs.

    Only gates that are controlled by 1 and have no other gate between them on either qubit are joined. The unitary is
    the same, with its phase; a circuit without such pairs comes back as an equal copy.
    """
    joined, partner = circuit.copy_empty_like(), _partners(circuit)
    taken = set(partner.values())
    for k, step in enumerate(circuit.data):
        if k in partner:
            _append_pair(joined, step, circuit.data[partner[k]])
        elif k not in taken:
            joined.append(step)
    return joined


def _partners(circuit: QuantumCircuit) -> dict[int, int]:
    """For the first of two rotations that can be joined, the number of the second."""
    last: dict[Any, int] = {}  # the last instruction on each qubit
    pairs: dict[int, int] = {}
    for k, step in enumerate(circuit.data):
        before = {last.get(qubit) for qubit in step.qubits}
        first = next(iter(before)) if len(before) == 1 else None
        joins = first is not None and first not in pairs.values() and _can_join(circuit.data[first], step)
        if first is not None and joins:
            pairs[first] = k
        last |= dict.fromkeys(step.qubits, k)
    return pairs


def _can_join(first: CircuitInstruction, second: CircuitInstruction) -> bool:
    same = first.qubits == second.qubits
    return same and _axis(first) is not None and _axis(second) is not None and _axis(first) != _axis(second)


def _axis(step: CircuitInstruction) -> str | None:
    gate = step.operation
    axis = _AXES.get(getattr(gate, "base_class", None))
    return axis if axis is not None and gate.ctrl_state == 1 else None


def _append_pair(circuit: QuantumCircuit, first: CircuitInstruction, second: CircuitInstruction) -> None:
    control, target = first.qubits
    a, b = f"{_axis(first)}", f"{_axis(second)}"
    half_a, half_b = first.operation.params[0] / 2, second.operation.params[0] / 2
    flip = getattr(circuit, f"c{_THIRD[frozenset((a, b))]}")
    getattr(circuit, f"r{a}")(half_a, target)
    flip(control, target)
    getattr(circuit, f"r{a}")(-half_a, target)
    getattr(circuit, f"r{b}")(-half_b, target)
    flip(control, target)
    getattr(circuit, f"r{b}")(half_b, target)
