"""A circuit in gates of Qiskit's own classes, as all that goes by names has to have it.

Qiskit's transpiler, its `control()` and Aer take a gate's name for its meaning: what a user calls `rx` becomes an RX,
whatever its definition says. A gate that is not of Qiskit's library is its definition here, name and all left behind.
"""

from __future__ import annotations

from collections.abc import Iterator

from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlledGate, Gate, Instruction, Operation, ParameterExpression
from qiskit.circuit.library import get_standard_gate_name_mapping

from qgen.errors import CircuitError

_PLAIN = (Gate, Instruction, ControlledGate)


def library_form(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit with all other gates written out, to any depth; the same object where there are none.

    Global phase included. What has a matrix of its own, or no definition, stays as it is.

    Raises:
        CircuitError: a gate of which Qiskit has lost what it is.
    """
    if all(_is_clear(step.operation) for step in circuit.data):
        return circuit
    written = circuit.copy_empty_like()
    for step in circuit.data:
        if _is_clear(step.operation):
            written.append(step)
        elif isinstance(step.operation, AnnotatedOperation):
            operation = step.operation
            written.append(AnnotatedOperation(_block(operation.base_op), operation.modifiers), step.qubits)
        else:
            written.compose(library_form(definition_of(step.operation)), step.qubits, inplace=True)
    return written


def is_of_library(operation: Operation) -> bool:
    """Whether it is of one of Qiskit's classes that say what it does, whatever its name."""
    kind = getattr(operation, "base_class", type(operation))
    return kind not in _PLAIN and str(kind.__module__).startswith(("qiskit.circuit.", "qiskit.quantum_info."))


def has_own_matrix(operation: Operation) -> bool:
    """Whether it is of a user's class that says what its matrix is: those of Qiskit's follow their definitions."""
    if not isinstance(operation, Gate) or str(operation.base_class.__module__).startswith("qiskit."):
        return False
    return hasattr(operation, "__array__") or type(operation).to_matrix is not Gate.to_matrix


def _is_clear(operation: Operation) -> bool:
    """Whether it stays as it is."""
    if isinstance(operation, AnnotatedOperation):
        return is_of_library(operation.base_op) and _is_clear(operation.base_op)
    if not isinstance(operation, Instruction):
        return True
    if not is_of_library(operation):
        return has_own_matrix(operation) or definition_of(operation) is None
    return not hasattr(operation, "base_gate") or is_of_library(operation.base_gate)


def definition_of(operation: Operation) -> QuantumCircuit | None:
    """What a gate is made of; where a user's gate is controlled, from that gate and not from its name.

    None where there is nothing.

    Raises:
        CircuitError: see `library_form`.
    """
    if not isinstance(operation, ControlledGate):
        definition: QuantumCircuit | None = getattr(operation, "definition", None)
        return definition
    base, controls = operation.base_gate, operation.num_ctrl_qubits
    if not is_of_library(base):
        if base.definition is None or _is_stale(base):
            return _as_written(operation)
        base = _block(base)
    elif operation.definition is not None:
        return operation.definition
    return base.control(controls, ctrl_state=operation.ctrl_state, annotated=False).definition


def _is_stale(gate: Gate) -> bool:
    """Whether its angles were bound and its definition was not, as Qiskit leaves a gate under a control."""
    own = [angle.parameters for angle in gate.params if isinstance(angle, ParameterExpression)]
    return not set(gate.definition.parameters) <= set().union(*own)


def _as_written(operation: ControlledGate) -> QuantumCircuit | None:
    """The definition that `control()` wrote, which is right unless it took a name for a gate of Qiskit's.

    Raises:
        CircuitError: it may have.
    """
    known = get_standard_gate_name_mapping()
    misread = next((name for name in _own_names(operation.base_gate) if name in known), None)
    if misread is not None:
        raise CircuitError(
            f"a gate called `{misread}` that is not Qiskit's was put under a control before its angles were bound, and "
            "Qiskit takes it for its own: give it another name, or bind its angles first"
        )
    return operation.definition


def _own_names(operation: Operation) -> Iterator[str]:
    """Names of gates in it, itself included, that are not of the library."""
    if isinstance(operation, AnnotatedOperation):
        yield from _own_names(operation.base_op)
    elif not is_of_library(operation):
        yield operation.name
        for step in getattr(operation, "definition", None) or ():
            yield from _own_names(step.operation)


def _block(operation: Operation) -> Operation:
    """The operation as a gate that bears a name which nobody knows, made of gates of the library."""
    if is_of_library(operation) and _is_clear(operation):
        return operation
    alone = QuantumCircuit(operation.num_qubits, name="block")
    alone.append(operation, alone.qubits)
    return library_form(alone).to_gate()
