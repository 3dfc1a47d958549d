"""Validate the parts of a layer: its instructions, and the roles of its parameters."""

from collections import Counter
from collections.abc import Iterable, Mapping

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
    Parameter,
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
#: Instructions that are not gates but allowed; resets and initialisations at the start only (`initial_resets`).
_NON_GATES = (Barrier, Delay, Reset, Initialize)


def check_instructions(circuit: QuantumCircuit) -> None:
    """Check that every instruction is a unitary gate, a barrier, a delay or a reset, and every bound angle finite.

    Raises:
        CircuitError: a measurement, control flow, classical variable, channel or opaque gate, or an angle that is NaN
            or infinite; the message names the instruction and its position.
    """
    if circuit.num_identifiers:
        raise CircuitError("The circuit declares classical variables, which a quantum layer cannot use; remove them.")
    if not _is_finite(circuit.global_phase):
        raise CircuitError(f"The circuit's global phase is {circuit.global_phase}; give a finite number.")
    _check_within(circuit, "")


def as_parameters(what: str, parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """Return the parameters as a tuple, in their order; a `ParameterVector` counts as its elements.

    Args:
        what: their role, for messages.
        parameters: to check.

    Raises:
        CircuitError: something else than parameters, or a parameter twice.
    """
    if isinstance(parameters, (str, bytes, Parameter)) or not isinstance(parameters, Iterable):
        raise CircuitError(f"The {what} must be a list of qiskit Parameters or a ParameterVector, not {parameters!r}.")
    listed = tuple(parameters)
    for parameter in listed:
        if not isinstance(parameter, Parameter):
            raise CircuitError(
                f"The {what} must be qiskit Parameters, but one is {parameter!r} ({type(parameter).__name__}). "
                "Give the Parameter objects that the circuit uses (circuit.parameters lists them)."
            )
    twice = [parameter for parameter, count in Counter(listed).items() if count > 1]
    if twice:
        raise CircuitError(f"The {what} name {_listed(twice)} more than once; give each parameter once.")
    return listed


def check_roles(circuit: QuantumCircuit, roles: Mapping[str, tuple[Parameter, ...]]) -> None:
    """Check that each parameter of `circuit` has exactly one of the `roles`, and that each role's parameters are used.

    Raises:
        CircuitError: a parameter in two roles, in none (unbound), or not in the circuit.
    """
    used = set(circuit.parameters)
    role_of: dict[Parameter, str] = {}
    for role, parameters in roles.items():
        both = [parameter for parameter in parameters if parameter in role_of]
        if both:
            raise CircuitError(
                f"Parameters cannot be both {role_of[both[0]]} and {role}: {_listed(both)}. Give each to one of them."
            )
        missing = [parameter for parameter in parameters if parameter not in used]
        if missing:
            raise CircuitError(f"The circuit does not use these {role}: {_listed(missing)}.{_advice(circuit, missing)}")
        role_of.update(dict.fromkeys(parameters, role))
    unbound = [parameter for parameter in circuit.parameters if parameter not in role_of]
    if unbound:
        raise CircuitError(
            f"The circuit has unbound parameters: {_listed(unbound)}. Name each in inputs or in weights, "
            "or give it a value with circuit.assign_parameters()."
        )


def instruction_label(circuit: QuantumCircuit, position: int, instruction: CircuitInstruction) -> str:
    """Name an instruction in a message: "Instruction 3 (rx on qubit 0)"."""
    qubits = ", ".join(str(circuit.find_bit(qubit).index) for qubit in instruction.qubits)
    return f"Instruction {position} ({instruction.operation.name} on qubit {qubits})"


def _check_within(circuit: QuantumCircuit, outer: str) -> None:
    for position, instruction in enumerate(circuit.data):
        label = outer + instruction_label(circuit, position, instruction)
        _check_angles(instruction.operation, label)
        operation = _unwrapped(instruction.operation)
        _check_kind(operation, label)
        _check_angles(operation, label)
        stored = _stored_definition(operation, label)
        if stored is not None:
            _check_within(stored, f"{label}, within it ")


def _unwrapped(operation: Operation) -> Operation:
    """Strip controls, inverses and powers."""
    while True:
        if isinstance(operation, AnnotatedOperation):
            operation = operation.base_op
        elif type(operation) is ControlledGate:
            operation = operation.base_gate
        else:
            return operation


def _check_kind(operation: Operation, label: str) -> None:
    for kind, way_out in _REFUSED:
        if isinstance(operation, kind):
            raise CircuitError(f"{label} cannot be part of a quantum layer: {way_out}.")
    if isinstance(operation, Delay) and operation.unit == "expr":
        raise CircuitError(f"{label} has a length that is worked out on the device; give a number or a parameter.")
    if not isinstance(operation, Instruction) or isinstance(operation, (Gate, *_NON_GATES)):
        return
    if operation.definition is None:
        raise CircuitError(f"{label} is not a unitary gate and cannot be part of a quantum layer; take it out.")


def _check_angles(operation: Operation, label: str) -> None:
    for value in getattr(operation, "params", ()):
        if not _is_finite(value):
            raise CircuitError(f"{label} has the angle {value}; give a finite number.")


def _stored_definition(operation: Operation, label: str) -> QuantumCircuit | None:
    """Return the definition of a user's composite instruction; None for Qiskit's gates, which need no check."""
    if type(operation) is Gate and operation.definition is None:
        raise CircuitError(f"{label} is an opaque gate: give it a definition, or build it with circuit.to_gate().")
    # The library's own gates are trusted: the definition of a wide UnitaryGate takes long to synthesise.
    if type(operation) is Gate or (
        isinstance(operation, Instruction) and not isinstance(operation, (Gate, *_NON_GATES))
    ):
        definition: QuantumCircuit = operation.definition
        return definition
    return None


def _is_finite(value: object) -> bool:
    if isinstance(value, ParameterExpression):
        if value.parameters:
            return True
        value = value.numeric()
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    return not isinstance(value, (int, float, complex, np.number)) or bool(np.isfinite(value))


def _advice(circuit: QuantumCircuit, missing: list[Parameter]) -> str:
    namesakes = {parameter.name for parameter in circuit.parameters} & {parameter.name for parameter in missing}
    if namesakes:
        return (
            " Its parameters of the same name are other objects (qiskit tells parameters apart by identity): "
            "take them from circuit.parameters."
        )
    return " Leave them out, or use them in a gate."


def _listed(parameters: Iterable[Parameter], limit: int = 8) -> str:
    names = [parameter.name for parameter in parameters]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
