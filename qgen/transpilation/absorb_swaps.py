"""Absorb SWAPs into the two-qubit gates beside them: one more gate each, instead of three.

SWAP = CX(a, b) CX(b, a) CX(a, b), so that CX(a, b), then SWAP, is CX(b, a), then CX(a, b); CY and CZ are CX between
one-qubit gates of one wire. One-qubit gates pass through a SWAP by changing wires, and so does a gate of the same pair.
A controlled rotation, RZZ or CP, of two CX, is then three with its SWAP. Angles are left alone: they stay open and
linear, and there are as many as before, so that parameter-shift takes as many evaluations.

Qiskit finds this by synthesis of matrices, which needs numbers for angles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Operation
from qiskit.circuit.library import CXGate, CYGate, CZGate, HGate, SdgGate, SGate, SwapGate
from qiskit.converters import circuit_to_dag, dag_to_circuit
from qiskit.dagcircuit import DAGCircuit
from qiskit.transpiler.basepasses import TransformationPass


class Step(NamedTuple):
    """An operation on wires, whatever names them."""

    operation: Operation
    wires: tuple[Any, ...]


#: The one-qubit gates before and after a CX, on its target, that make it the gate.
_AROUND_CX: dict[type, tuple[tuple[Gate, ...], tuple[Gate, ...]]] = {
    CXGate: ((), ()),
    CYGate: ((SdgGate(),), (SGate(),)),
    CZGate: ((HGate(),), (HGate(),)),
}


def absorb_swaps(circuit: QuantumCircuit) -> QuantumCircuit:
    """Absorb SWAPs that share their pair with a CX, CY or CZ beside them, at most one-qubit gates apart.

    Two such SWAPs cancel. The unitary and its phase stay the same.
    """
    if "swap" not in circuit.count_ops() or circuit.clbits:
        return circuit.copy()
    absorbed = circuit.copy_empty_like()
    steps = (Step(instruction.operation, tuple(instruction.qubits)) for instruction in circuit.data)
    for operation, qubits in absorb_steps(steps):
        absorbed.append(operation, qubits)
    return absorbed


class AbsorbSwaps(TransformationPass):  # type: ignore[misc]  # Qiskit gives no types
    """`absorb_swaps` as a pass of Qiskit's transpiler, to run between routing and translation."""

    def run(self, dag: DAGCircuit) -> DAGCircuit:
        """Return the circuit with fewer SWAPs."""
        return circuit_to_dag(absorb_swaps(dag_to_circuit(dag)))


def absorb_steps(steps: Iterable[Step]) -> list[Step]:
    """As `absorb_swaps`, for a sequence of steps."""
    done: list[Step | None] = []  # None: replaced by later ones
    history: dict[Any, list[int]] = {}  # wire -> indices of its steps in `done`
    for step in steps:
        indices = _since_neighbour(step, done, history)
        replaced = _join([one for index in indices if (one := done[index]) is not None], step) if indices else None
        if replaced is not None:
            for wire in step.wires:
                history[wire] = [index for index in history[wire] if index not in indices]
            for index in indices:
                done[index] = None
        for one in [step] if replaced is None else replaced:
            for wire in one.wires:
                history.setdefault(wire, []).append(len(done))
            done.append(one)
    return [one for one in done if one is not None]


def _since_neighbour(step: Step, done: Sequence[Step | None], history: dict[Any, list[int]]) -> list[int]:
    """List the gate before on the same pair, and the one-qubit gates since; nothing if something else lies between."""
    if len(step.wires) != 2 or not (_is_swap(step) or _is_absorbing(step)):
        return []
    between: list[int] = []
    neighbours = set()
    for wire in step.wires:
        for index in reversed(history.get(wire, ())):
            one = done[index]
            if one is None or len(one.wires) > 1 or not isinstance(one.operation, Gate):
                neighbours.add(index)
                break
            between.append(index)
        else:
            return []
    return sorted([*neighbours, *between]) if len(neighbours) == 1 else []


def _join(before: Sequence[Step], last: Step) -> list[Step] | None:
    """Join a SWAP with its neighbour; None if the two are no such pair.

    Args:
        before: the first of the two, and one-qubit gates between.
        last: the second.
    """
    first, between = before[0], before[1:]
    if set(first.wires) != set(last.wires):
        return None
    exchange = dict(zip(first.wires, first.wires[::-1], strict=True))
    exchanged = [_moved(step, exchange) for step in between]
    if _is_swap(first) and _is_swap(last):
        return exchanged
    if _is_absorbing(first) and _is_swap(last):
        return [*_absorbed(first), *exchanged]
    if _is_swap(first) and _is_absorbing(last):
        return [*exchanged, *_absorbed(_moved(last, exchange))]
    return None


def _absorbed(step: Step) -> list[Step]:
    """A gate, then SWAP, with two CX."""
    a, b = step.wires
    before, after = _AROUND_CX[_kind(step)]
    gates = [Step(CXGate(), (b, a)), Step(CXGate(), (a, b))]
    return [*(Step(gate, (b,)) for gate in before), *gates, *(Step(gate, (a,)) for gate in after)]


def _moved(step: Step, exchange: dict[Any, Any]) -> Step:
    return Step(step.operation, tuple(exchange[wire] for wire in step.wires))


def _is_swap(step: Step) -> bool:
    return _kind(step) is SwapGate


def _is_absorbing(step: Step) -> bool:
    return _kind(step) in _AROUND_CX and getattr(step.operation, "ctrl_state", 1) == 1


def _kind(step: Step) -> type:
    # By class, not by name: users may name a gate of their own `cx`.
    return getattr(step.operation, "base_class", type(step.operation))
