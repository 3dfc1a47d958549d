"""Resets and initialisations that are the first to touch their qubits, which are |0> anyway."""

from __future__ import annotations

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, Delay, Gate, Instruction, Operation, Qubit, Reset
from qiskit.circuit.library import Initialize

from qgen.circuits.instructions import place_of
from qgen.errors import CircuitError


def without_first_resets(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit without the resets that come first on their qubits, nor composite instructions that hold any.

    An `Initialize` that comes first is the state preparation that it is after its resets. The same object comes back
    where there is none of these.

    Raises:
        CircuitError: a reset that is not the first step on its qubits; the message names its position.
    """
    if not _holds_resets(circuit):
        return circuit
    written = circuit.copy_empty_like()
    _add(written, circuit, circuit.qubits, set(), "")
    return written


def _add(
    written: QuantumCircuit, circuit: QuantumCircuit, qubits: Sequence[Qubit], touched: set[Qubit], outer: str
) -> None:
    """Adds a circuit on these qubits, some of which were touched."""
    for position, step in enumerate(circuit.data):
        operation, on = step.operation, [qubits[circuit.find_bit(qubit).index] for qubit in step.qubits]
        place = outer + place_of(circuit, position, step)
        fresh = touched.isdisjoint(on)
        if not fresh and isinstance(operation, (Reset, Initialize)):
            raise CircuitError(
                f"{place} resets a qubit that was used before, and a quantum layer is unitary: take the reset out, and "
                "write circuit.prepare_state() for an `initialize`."
            )
        if fresh and isinstance(operation, Reset):
            continue
        if _is_composite(operation) and not step.clbits and _holds_resets(operation.definition):
            written.global_phase += operation.definition.global_phase
            _add(written, operation.definition, on, touched, f"{place}, within it ")
            continue
        written.append(operation, on, step.clbits)
        if not isinstance(operation, (Barrier, Delay)):
            touched.update(on)


def _holds_resets(circuit: QuantumCircuit) -> bool:
    operations = (step.operation for step in circuit.data)
    return any(
        isinstance(each, Reset) or (_is_composite(each) and _holds_resets(each.definition)) for each in operations
    )


def _is_composite(operation: Operation) -> bool:
    composite = isinstance(operation, Instruction) and not isinstance(operation, Gate)
    return composite and operation.definition is not None
