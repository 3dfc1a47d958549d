"""Connected components of a circuit: each is simulated by itself, however wide the device is."""

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
        operation: the instruction's operation.
        qubits: indices in the circuit.
        clbits: indices that a measurement writes to.
        columns: columns of its angles in the table of angles; empty where they are numbers.
    """

    operation: Instruction
    qubits: tuple[int, ...]
    clbits: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def is_measurement(self) -> bool:
        """Whether it is a measurement."""
        return bool(self.operation.name == "measure")


class Component(NamedTuple):
    """Steps on qubits that no gate connects to any other.

    Attributes:
        qubits: indices in the circuit, ascending: wire w of the component is qubits[w].
        steps: in the circuit's order; their `qubits` are those of the circuit.
    """

    qubits: tuple[int, ...]
    steps: tuple[Step, ...]

    @property
    def measurements(self) -> tuple[tuple[int, int], ...]:
        """(wire, clbit) of every measurement, in order."""
        wires = {qubit: wire for wire, qubit in enumerate(self.qubits)}
        return tuple((wires[step.qubits[0]], step.clbits[0]) for step in self.steps if step.is_measurement)

    @property
    def is_terminal(self) -> bool:
        """Whether all measurements are terminal, one for each qubit and clbit, and no qubit is reset."""
        measured: set[int] = set()
        for step in self.steps:
            if step.operation.name == "reset" or measured.intersection(step.qubits):
                return False
            if step.is_measurement:
                measured.update(step.qubits)
        clbits = [clbit for _, clbit in self.measurements]
        return len(set(clbits)) == len(clbits)


def parse_circuit(circuit: QuantumCircuit, values: Doubles) -> tuple[list[Step], Doubles]:
    """Return the instructions of a circuit, and the table of their angles (B, columns).

    Args:
        circuit: the circuit; its parameters are bound by `values`.
        values: (B, P) in the order of `circuit.parameters`.

    Raises:
        CircuitError: the circuit has control flow, or an angle that is not a real number.
    """
    columns: dict[Any, int] = {}
    steps = [_parse_step(circuit, one, columns) for one in circuit.data if one.operation.name != "barrier"]
    symbolic = {angle: column for angle, column in columns.items() if _is_symbolic(angle)}
    table = np.empty((len(values), len(columns)))
    table[:, list(symbolic.values())] = ParameterMap(tuple(symbolic), tuple(circuit.parameters)).values(values)
    for angle, column in columns.items():
        if angle not in symbolic:
            table[:, column] = float(angle)
    return steps, table


def _parse_step(circuit: QuantumCircuit, instruction: CircuitInstruction, columns: dict[Any, int]) -> Step:
    """Return an instruction as a step; new angles get columns of their own."""
    operation = instruction.operation
    if getattr(operation, "blocks", None) or operation.name in CONTROL_FLOW:
        raise CircuitError(f"the devserver does not run control flow, and this circuit has `{operation.name}`")
    qubits = tuple(circuit.find_bit(bit).index for bit in instruction.qubits)
    clbits = tuple(circuit.find_bit(bit).index for bit in instruction.clbits)
    if operation.name == "delay" or not any(map(_is_symbolic, operation.params)):
        return Step(operation, qubits, clbits, ())
    return Step(operation, qubits, clbits, tuple(columns.setdefault(angle, len(columns)) for angle in operation.params))


def _is_symbolic(angle: Any) -> bool:
    return isinstance(angle, ParameterExpression) and bool(angle.parameters)


def connected_components(steps: Sequence[Step], qubits: int) -> Iterator[Component]:
    """Yield the components that measure something, in the order of their first qubits."""
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
        if any(step.is_measurement for step in group):
            members = {qubit for step in group for qubit in step.qubits}
            yield Component(tuple(sorted(members)), _drop_final_delays(group))


def _drop_final_delays(group: Sequence[Step]) -> tuple[Step, ...]:
    """Drop the delays after which nothing else happens to a qubit: schedules end with them."""
    kept: list[Step] = []
    used: set[int] = set()
    for step in reversed(group):
        if step.operation.name != "delay" or used.intersection(step.qubits):
            kept.append(step)
            used.update(step.qubits)
    return tuple(reversed(kept))


def group_by_register(circuit: QuantumCircuit, bits: dict[int, Bits], shape: tuple[int, int]) -> dict[str, Bits]:
    """Return measured bits by classical register: (B, shots, size).

    Args:
        circuit: the circuit with the registers.
        bits: (B, shots) by the index of the clbit; those that nothing was written to are 0.
        shape: (B, shots).
    """
    registers: dict[str, Bits] = {}
    for register in circuit.cregs:
        values = np.zeros((*shape, register.size), dtype=np.bool_)
        for k, clbit in enumerate(register):
            index: Any = circuit.find_bit(clbit).index
            if index in bits:
                values[..., k] = bits[index]
        registers[register.name] = values
    return registers
