"""Remove resets and initialisations at the start of a circuit, where qubits are |0> anyway."""

from __future__ import annotations

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, Delay, Gate, Instruction, Operation, Qubit, Reset
from qiskit.circuit.library import Initialize

from qgen.circuits.validation import instruction_label
from qgen.errors import CircuitError


def remove_initial_resets(circuit: QuantumCircuit) -> QuantumCircuit:
    """Remove resets that are the first instruction on their qubits, those in composite instructions included.

    An `Initialize` at the start becomes the state preparation that follows its resets. The same object is returned if
    there are no resets.

    Raises:
        CircuitError: a reset that is not the first instruction on its qubits; the message names its position.
    """
    if not _has_resets(circuit):
        return circuit
    reduced = circuit.copy_empty_like()
    _append(reduced, circuit, circuit.qubits, set(), "")
    return reduced


def _append(
    reduced: QuantumCircuit, circuit: QuantumCircuit, qubits: Sequence[Qubit], used: set[Qubit], outer: str
) -> None:
    """Append a circuit on these qubits without initial resets, and add to the used qubits."""
    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        mapped = [qubits[circuit.find_bit(qubit).index] for qubit in instruction.qubits]
        label = outer + instruction_label(circuit, position, instruction)
        initial = used.isdisjoint(mapped)
        if not initial and isinstance(operation, (Reset, Initialize)):
            raise CircuitError(
                f"{label} resets a qubit that was used before, and a quantum layer is unitary: take the reset out, and "
                "write circuit.prepare_state() for an `initialize`."
            )
        if initial and isinstance(operation, Reset):
            continue
        if _is_composite(operation) and not instruction.clbits and _has_resets(operation.definition):
            reduced.global_phase += operation.definition.global_phase
            _append(reduced, operation.definition, mapped, used, f"{label}, within it ")
            continue
        reduced.append(operation, mapped, instruction.clbits)
        if not isinstance(operation, (Barrier, Delay)):
            used.update(mapped)


def _has_resets(circuit: QuantumCircuit) -> bool:
    operations = (instruction.operation for instruction in circuit.data)
    return any(
        isinstance(operation, Reset) or (_is_composite(operation) and _has_resets(operation.definition))
        for operation in operations
    )


def _is_composite(operation: Operation) -> bool:
    composite = isinstance(operation, Instruction) and not isinstance(operation, Gate)
    return composite and operation.definition is not None
