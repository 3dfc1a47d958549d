"""A circuit as the independent pieces that it falls into: each is simulated by itself, however wide the device is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Instruction, ParameterExpression

from qgen.backends.parameters import Doubles, ParameterMap
from qgen.errors import CircuitError

Bits = npt.NDArray[np.bool_]

CONTROL_FLOW = ("store", "break_loop", "continue_loop")


class Step(NamedTuple):
    """One instruction of a circuit.

    Attributes:
        operation: as it stands in the circuit.
        qubits: of the circuit; clbits: what a measurement writes to.
        columns: where its angles stand in the table of angles; empty where they are numbers.
    """

    operation: Instruction
    qubits: tuple[int, ...]
    clbits: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def measures(self) -> bool:
        return bool(self.operation.name == "measure")


class Piece(NamedTuple):
    """Steps on qubits that no gate connects to any other.

    Attributes:
        qubits: of the circuit, ascending: wire w of the piece is qubits[w].
        steps: in the circuit's order; their `qubits` are those of the circuit.
    """

    qubits: tuple[int, ...]
    steps: tuple[Step, ...]

    @property
    def reads(self) -> tuple[tuple[int, int], ...]:
        """(wire, clbit) of every measurement, in order."""
        wires = {qubit: wire for wire, qubit in enumerate(self.qubits)}
        return tuple((wires[step.qubits[0]], step.clbits[0]) for step in self.steps if step.measures)

    @property
    def ends_measured(self) -> bool:
        """Whether nothing happens to a qubit after its one measurement, and no qubit is reset."""
        done: set[int] = set()
        for step in self.steps:
            if step.operation.name == "reset" or done.intersection(step.qubits):
                return False
            if step.measures:
                done.update(step.qubits)
        clbits = [clbit for _, clbit in self.reads]
        return len(set(clbits)) == len(clbits)


def steps_of(circuit: QuantumCircuit, values: Doubles) -> tuple[list[Step], Doubles]:
    """The instructions of a circuit, and the table of their angles (B, columns).

    Args:
        circuit: its parameters are bound by `values`.
        values: (B, P) in the order of `circuit.parameters`.

    Raises:
        CircuitError: the circuit has control flow, or an angle that is not a real number.
    """
    columns: dict[Any, int] = {}
    steps = [_step(circuit, found, columns) for found in circuit.data if found.operation.name != "barrier"]
    moving = {angle: column for angle, column in columns.items() if _is_symbolic(angle)}
    table = np.empty((len(values), len(columns)))
    table[:, list(moving.values())] = ParameterMap(tuple(moving), tuple(circuit.parameters)).values(values)
    for angle, column in columns.items():
        if angle not in moving:
            table[:, column] = float(angle)
    return steps, table


def _step(circuit: QuantumCircuit, found: CircuitInstruction, columns: dict[Any, int]) -> Step:
    """One instruction; angles that are new get columns of their own."""
    operation = found.operation
    if getattr(operation, "blocks", None) or operation.name in CONTROL_FLOW:
        raise CircuitError(f"the devserver does not run control flow, and this circuit has `{operation.name}`")
    qubits = tuple(circuit.find_bit(bit).index for bit in found.qubits)
    clbits = tuple(circuit.find_bit(bit).index for bit in found.clbits)
    if operation.name == "delay" or not any(map(_is_symbolic, operation.params)):
        return Step(operation, qubits, clbits, ())
    return Step(operation, qubits, clbits, tuple(columns.setdefault(one, len(columns)) for one in operation.params))


def _is_symbolic(angle: Any) -> bool:
    return isinstance(angle, ParameterExpression) and bool(angle.parameters)


def pieces_of(steps: Sequence[Step], qubits: int) -> Iterator[Piece]:
    """The pieces that measure something, by their first qubits."""
    root = list(range(qubits))

    def find(qubit: int) -> int:
        while root[qubit] != qubit:
            root[qubit] = qubit = root[root[qubit]]
        return qubit

    for step in steps:
        for qubit in step.qubits[1:]:
            low, high = sorted((find(step.qubits[0]), find(qubit)))
            root[high] = low
    groups: dict[int, list[Step]] = {}
    for step in steps:
        groups.setdefault(find(step.qubits[0]), []).append(step)
    for _, group in sorted(groups.items()):
        if any(step.measures for step in group):
            qubits_here = {qubit for step in group for qubit in step.qubits}
            yield Piece(tuple(sorted(qubits_here)), _until_read(group))


def _until_read(group: Sequence[Step]) -> tuple[Step, ...]:
    """Without the delays after which nothing else happens to a qubit: schedules end with them."""
    kept: list[Step] = []
    used: set[int] = set()
    for step in reversed(group):
        if step.operation.name != "delay" or used.intersection(step.qubits):
            kept.append(step)
            used.update(step.qubits)
    return tuple(reversed(kept))


def registers_of(circuit: QuantumCircuit, bits: dict[int, Bits], shape: tuple[int, int]) -> dict[str, Bits]:
    """What was read, register by register: (B, shots, size), bit k of a register in place k.

    Args:
        circuit: whose registers.
        bits: (B, shots) by the number of the clbit; those that nothing was written to read 0.
        shape: (B, shots).
    """
    found: dict[str, Bits] = {}
    for register in circuit.cregs:
        read = np.zeros((*shape, register.size), dtype=np.bool_)
        for place, clbit in enumerate(register):
            index: Any = circuit.find_bit(clbit).index
            if index in bits:
                read[..., place] = bits[index]
        found[register.name] = read
    return found
