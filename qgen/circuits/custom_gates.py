"""Gates of a user's own, where Qiskit goes by names and base classes.

Qiskit's transpiler, its `control()` and Aer take a gate's name for its meaning: what a user names `rx` becomes an RX,
whatever its definition says. Copying a circuit takes a class that a user derived from a standard gate for that gate.
Here a gate that is not of Qiskit's library is its definition, whatever its name and base class.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlledGate, Gate, Instruction, Operation, ParameterExpression
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator

from qgen.circuits.expressions import is_unbound
from qgen.errors import CircuitError

_PLAIN = (Gate, Instruction, ControlledGate)
#: Tolerance on the entries of two equal matrices.
_TOLERANCE = 1e-9


def unroll_custom_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """Replace gates that are not of Qiskit's library by their definitions, recursively, with their global phases.

    Gates with a custom matrix, or without a definition, stay. The same object is returned if there are none.

    Raises:
        CircuitError: Qiskit has lost what a controlled gate is.
    """
    if all(_is_resolved(instruction.operation) for instruction in circuit.data):
        return circuit
    unrolled = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if _is_resolved(operation):
            unrolled.append(instruction)
        elif isinstance(operation, AnnotatedOperation):
            unrolled.append(
                AnnotatedOperation(_library_block(operation.base_op), operation.modifiers), instruction.qubits
            )
        else:
            unrolled.compose(unroll_custom_gates(gate_definition(operation)), instruction.qubits, inplace=True)
    return unrolled


def is_library_gate(operation: Operation) -> bool:
    """Return whether an operation is of one of Qiskit's classes, which determine what it does whatever its name."""
    kind = getattr(operation, "base_class", type(operation))
    return kind not in _PLAIN and str(kind.__module__).startswith(("qiskit.circuit.", "qiskit.quantum_info."))


def has_custom_matrix(operation: Operation) -> bool:
    """Return whether an operation's class, a user's, gives a matrix; Qiskit's classes follow their definitions."""
    if not isinstance(operation, Gate) or str(operation.base_class.__module__).startswith("qiskit."):
        return False
    return hasattr(operation, "__array__") or type(operation).to_matrix is not Gate.to_matrix


def gate_definition(operation: Operation) -> QuantumCircuit | None:
    """Return the definition of a gate; of a controlled custom gate by the base gate, not by its name.

    None if there is no definition.

    Raises:
        CircuitError: see `unroll_custom_gates`.
    """
    if not isinstance(operation, ControlledGate):
        definition: QuantumCircuit | None = getattr(operation, "definition", None)
        return definition
    base, controls = operation.base_gate, operation.num_ctrl_qubits
    if not is_library_gate(base):
        if base.definition is None or _is_stale(base):
            return _controlled_definition(operation)
        base = _library_block(base)
    elif operation.definition is not None:
        return operation.definition
    return base.control(controls, ctrl_state=operation.ctrl_state, annotated=False).definition


def replace_derived_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """Replace gates of classes that a user derived from a standard gate by plain gates of their definition.

    A derived gate that equals the standard gate stays. The same object is returned if there are none.

    Raises:
        CircuitError: matrix and definition of such a gate differ.
    """
    derived = {
        k
        for k, instruction in enumerate(circuit.data)
        if instruction.is_standard_gate() and _is_derived(instruction.operation)
    }
    if not derived:
        return circuit
    replaced = circuit.copy_empty_like()
    for k, instruction in enumerate(circuit.data):
        operation = _without_base_class(instruction.operation) if k in derived else instruction.operation
        replaced.append(operation, instruction.qubits, instruction.clbits)
    return replaced


def _is_resolved(operation: Operation) -> bool:
    """Return whether `unroll_custom_gates` leaves an operation as it is."""
    if isinstance(operation, AnnotatedOperation):
        return is_library_gate(operation.base_op) and _is_resolved(operation.base_op)
    if not isinstance(operation, Instruction):
        return True
    if not is_library_gate(operation):
        return has_custom_matrix(operation) or gate_definition(operation) is None
    return not hasattr(operation, "base_gate") or is_library_gate(operation.base_gate)


def _is_stale(gate: Gate) -> bool:
    """Return whether its angles were bound but its definition was not, as Qiskit leaves a gate under a control."""
    own = [angle.parameters for angle in gate.params if isinstance(angle, ParameterExpression)]
    return not set(gate.definition.parameters) <= set().union(*own)


def _controlled_definition(operation: ControlledGate) -> QuantumCircuit | None:
    """Return the definition that `control()` wrote: right unless it took a custom gate's name for Qiskit's gate.

    Raises:
        CircuitError: it may have.
    """
    standard = get_standard_gate_name_mapping()
    ambiguous = next((name for name in _custom_names(operation.base_gate) if name in standard), None)
    if ambiguous is not None:
        raise CircuitError(
            f"a gate called `{ambiguous}` that is not Qiskit's was put under a control before its angles were bound, "
            "and Qiskit takes it for its own: give it another name, or bind its angles first"
        )
    return operation.definition


def _custom_names(operation: Operation) -> Iterator[str]:
    """Names of the custom gates in an operation, itself included."""
    if isinstance(operation, AnnotatedOperation):
        yield from _custom_names(operation.base_op)
    elif not is_library_gate(operation):
        yield operation.name
        for instruction in getattr(operation, "definition", None) or ():
            yield from _custom_names(instruction.operation)


def _library_block(operation: Operation) -> Operation:
    """Return the operation as a gate of a neutral name, made of gates of the library."""
    if is_library_gate(operation) and _is_resolved(operation):
        return operation
    block = QuantumCircuit(operation.num_qubits, name="block")
    block.append(operation, block.qubits)
    return unroll_custom_gates(block).to_gate()


def _is_derived(gate: Gate) -> bool:
    return not str(gate.base_class.__module__).startswith("qiskit.")


def _without_base_class(gate: Gate) -> Gate:
    numbers = [0.3 + 0.7 * k if is_unbound(angle) else angle for k, angle in enumerate(gate.params)]
    standard, probe = _standard_class(gate), gate.to_mutable()
    probe.params, probe.definition = numbers, None  # rebuilt with these angles once it is needed
    try:
        matrix, defined = np.asarray(probe.to_matrix()), Operator(probe.definition).data
        if np.abs(matrix - defined).max() < _TOLERANCE:
            if np.abs(matrix - _with_control_state(standard(*numbers), gate).to_matrix()).max() < _TOLERANCE:
                return gate
            plain = Gate("own", gate.num_qubits, gate.params)
            plain.definition = gate.definition
            return plain
    except (QiskitError, AttributeError) as error:
        raise _contradiction(gate, standard) from error
    raise _contradiction(gate, standard)


def _standard_class(gate: Gate) -> type[Gate]:
    """Return the class that Qiskit takes the gate for."""
    classes: list[type[Gate]] = [kind for kind in gate.base_class.__mro__ if kind.__module__.startswith("qiskit.")]
    return classes[0]


def _with_control_state(standard: Gate, gate: Gate) -> Gate:
    if isinstance(gate, ControlledGate):
        standard = standard.to_mutable()
        standard.ctrl_state = gate.ctrl_state
    return standard


def _contradiction(gate: Gate, standard: type[Gate]) -> CircuitError:
    return CircuitError(
        f"{gate.base_class.__name__} is derived from {standard.__name__}, for which Qiskit takes it, and its matrix "
        "and its definition are not the same gate: derive it from Gate, or write both"
    )
