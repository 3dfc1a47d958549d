"""Which instructions a quantum layer may hold: unitary ones and delays, with finite angles."""

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    CircuitInstruction,
    ControlFlowOp,
    ControlledGate,
    Delay,
    Gate,
    Instruction,
    Measure,
    Operation,
    ParameterExpression,
    Reset,
    Store,
)
from qiskit.circuit.library import Initialize

from qgen.errors import CircuitError

_REFUSED: tuple[tuple[type, str], ...] = (
    (
        Measure,
        "a layer's observables say what is measured, so the circuit itself measures nothing: "
        "call circuit.remove_final_measurements(), and take out any measurement in the middle",
    ),
    (ControlFlowOp, "a layer has no classical bits to decide on; write the gates out without control flow"),
    (Store, "a layer has no classical variables; take it out"),
)


#: What is no gate and yet may be there; resets and initialisations where they come first (`first_steps`).
_BESIDES = (Barrier, Delay, Reset, Initialize)


def check_instructions(circuit: QuantumCircuit) -> None:
    """Checks that every instruction is a unitary gate, a barrier, a delay or a reset, and every bound angle finite.

    Raises:
        CircuitError: a measurement, control flow, classical variable, channel or opaque gate, or
            an angle that is NaN or infinite; the message names the instruction and its position.
    """
    if circuit.num_identifiers:
        raise CircuitError("The circuit declares classical variables, which a quantum layer cannot use; remove them.")
    if not _is_finite(circuit.global_phase):
        raise CircuitError(f"The circuit's global phase is {circuit.global_phase}; give a finite number.")
    _check_within(circuit, "")


def _check_within(circuit: QuantumCircuit, outer: str) -> None:
    for position, instruction in enumerate(circuit.data):
        place = outer + place_of(circuit, position, instruction)
        _check_angles(instruction.operation, place)
        operation = _unwrapped(instruction.operation)
        _check_kind(operation, place)
        _check_angles(operation, place)
        stored = _stored_definition(operation, place)
        if stored is not None:
            _check_within(stored, f"{place}, within it ")


def _unwrapped(operation: Operation) -> Operation:
    """The operation without its modifiers: controls, inverses and powers."""
    while True:
        if isinstance(operation, AnnotatedOperation):
            operation = operation.base_op
        elif type(operation) is ControlledGate:
            operation = operation.base_gate
        else:
            return operation


def _check_kind(operation: Operation, place: str) -> None:
    for kind, way_out in _REFUSED:
        if isinstance(operation, kind):
            raise CircuitError(f"{place} cannot be part of a quantum layer: {way_out}.")
    if isinstance(operation, Delay) and operation.unit == "expr":
        raise CircuitError(f"{place} has a length that is worked out on the device; give a number or a parameter.")
    if not isinstance(operation, Instruction) or isinstance(operation, (Gate, *_BESIDES)):
        return
    if operation.definition is None:
        raise CircuitError(f"{place} is not a unitary gate and cannot be part of a quantum layer; take it out.")


def _check_angles(operation: Operation, place: str) -> None:
    for value in getattr(operation, "params", ()):
        if not _is_finite(value):
            raise CircuitError(f"{place} has the angle {value}; give a finite number.")


def _stored_definition(operation: Operation, place: str) -> QuantumCircuit | None:
    """The circuit that a user's own composite instruction holds; None for the library's gates, which are known."""
    if type(operation) is Gate and operation.definition is None:
        raise CircuitError(f"{place} is an opaque gate: give it a definition, or build it with circuit.to_gate().")
    # The library's own gates are trusted: asking a wide UnitaryGate for its definition would synthesise it.
    if type(operation) is Gate or (isinstance(operation, Instruction) and not isinstance(operation, (Gate, *_BESIDES))):
        definition: QuantumCircuit = operation.definition
        return definition
    return None


def place_of(circuit: QuantumCircuit, position: int, instruction: CircuitInstruction) -> str:
    """Where an instruction is, in words."""
    qubits = ", ".join(str(circuit.find_bit(qubit).index) for qubit in instruction.qubits)
    return f"Instruction {position} ({instruction.operation.name} on qubit {qubits})"


def _is_finite(value: object) -> bool:
    if isinstance(value, ParameterExpression):
        if value.parameters:
            return True
        value = value.numeric()
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    return not isinstance(value, (int, float, complex, np.number)) or bool(np.isfinite(value))
