"""Merge pairs of controlled rotations, with half of the two-qubit gates.

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

# By class, not by name: users may name a gate of their own `crx`.
_AXES = {CRXGate: "x", CRYGate: "y", CRZGate: "z"}
_THIRD = {frozenset("xy"): "z", frozenset("yz"): "x", frozenset("xz"): "y"}


def merge_rotations(circuit: QuantumCircuit) -> QuantumCircuit:
    """Merge neighbouring controlled rotations about different axes in pairs.

    Only gates that are controlled by 1 and have no other gate between them on either qubit are merged. The unitary and
    its phase stay the same; a circuit without such pairs is returned as an equal copy.
    """
    merged, partner = circuit.copy_empty_like(), _partners(circuit)
    second = set(partner.values())
    for k, instruction in enumerate(circuit.data):
        if k in partner:
            _append_merged(merged, instruction, circuit.data[partner[k]])
        elif k not in second:
            merged.append(instruction)
    return merged


def _partners(circuit: QuantumCircuit) -> dict[int, int]:
    """Map the index of the first of two rotations that can be merged to the index of the second."""
    last: dict[Any, int] = {}  # qubit -> index of its last instruction
    pairs: dict[int, int] = {}
    for k, instruction in enumerate(circuit.data):
        before = {last.get(qubit) for qubit in instruction.qubits}
        first = next(iter(before)) if len(before) == 1 else None
        free = first is not None and first not in pairs.values()
        if first is not None and free and _can_merge(circuit.data[first], instruction):
            pairs[first] = k
        last |= dict.fromkeys(instruction.qubits, k)
    return pairs


def _can_merge(first: CircuitInstruction, second: CircuitInstruction) -> bool:
    axes = _axis(first), _axis(second)
    return first.qubits == second.qubits and None not in axes and axes[0] != axes[1]


def _axis(instruction: CircuitInstruction) -> str | None:
    gate = instruction.operation
    axis = _AXES.get(getattr(gate, "base_class", None))
    return axis if axis is not None and gate.ctrl_state == 1 else None


def _append_merged(circuit: QuantumCircuit, first: CircuitInstruction, second: CircuitInstruction) -> None:
    control, target = first.qubits
    a, b = f"{_axis(first)}", f"{_axis(second)}"
    half_a, half_b = first.operation.params[0] / 2, second.operation.params[0] / 2
    controlled_pauli = getattr(circuit, f"c{_THIRD[frozenset((a, b))]}")
    getattr(circuit, f"r{a}")(half_a, target)
    controlled_pauli(control, target)
    getattr(circuit, f"r{a}")(-half_a, target)
    getattr(circuit, f"r{b}")(-half_b, target)
    controlled_pauli(control, target)
    getattr(circuit, f"r{b}")(half_b, target)
