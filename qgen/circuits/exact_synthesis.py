"""Synthesise gates exactly whose matrix and definition differ, so that a gate is its matrix wherever it runs.

The definition of a `PauliEvolutionGate`, exp(-i t H), is a product formula. Qiskit's `Operator(circuit)` follows the
matrices, its transpiler the definitions. Here such gates are replaced by gates for which the two agree; a gate without
a matrix of its own is its definition. See
`docs/decisions/0021-a-gate-is-its-matrix.md`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    ControlledGate,
    ControlModifier,
    Delay,
    Gate,
    Instruction,
    InverseModifier,
    Operation,
    Parameter,
    ParameterExpression,
    PowerModifier,
)
from qiskit.circuit.library import HamiltonianGate, PauliEvolutionGate, RVGate, UnitaryGate
from qiskit.quantum_info import Clifford, Operator, SparsePauliOp

from qgen.circuits.custom_gates import unroll_custom_gates
from qgen.circuits.expressions import is_unbound
from qgen.circuits.pauli_evolution import synthesize_evolution, synthesize_hamiltonian, synthesize_pauli_sum
from qgen.errors import CircuitError, ProductFormulaWarning

Matrix = npt.NDArray[np.complex128]

#: Qubits of the largest group of terms in an evolution, not commuting, that is synthesised from its matrix for
#: simulators: some 4,000 gates for an open time.
MAX_SIMULATED_QUBITS = 6
#: Tolerance on the entries of two equal matrices.
_TOLERANCE = 1e-9
#: Qubits of the largest custom gate whose matrix is compared with its definition.
_MAX_COMPARED_QUBITS = 10


def synthesize_exactly(circuit: QuantumCircuit, max_qubits: int) -> QuantumCircuit:
    """Replace gates whose definition is not their matrix, and Cliffords; the global phase is kept.

    The same object is returned if there are none.

    Args:
        circuit: unitary, angles bound or open.
        max_qubits: qubits of the largest group of terms in an evolution, not commuting, that is synthesised from its
            matrix. Larger ones run as the gate's product formula, with a `ProductFormulaWarning` that names it.

    Raises:
        CircuitError: an open angle of a gate whose matrix and definition differ, or a gate without an exact synthesis.
    """
    synthesized, formulas = synthesize(circuit, max_qubits)
    for formula in formulas:
        warnings.warn(
            f"a product formula runs in place of an exact evolution ({formula}): exactly it runs on up to "
            f"{max_qubits} qubits here, or where all terms commute or all anticommute",
            ProductFormulaWarning,
            stacklevel=3,
        )
    return synthesized


def ideal_circuit(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit for a noiseless simulator: synthesised exactly, without delays."""
    return remove_delays(synthesize_exactly(circuit, MAX_SIMULATED_QUBITS))


def remove_delays(circuit: QuantumCircuit) -> QuantumCircuit:
    """Remove the delays; the same object is returned if there are none."""
    if not any(isinstance(instruction.operation, Delay) for instruction in circuit.data):
        return circuit
    reduced = circuit.copy_empty_like()
    for instruction in circuit.data:
        if not isinstance(instruction.operation, Delay):
            reduced.append(instruction)
    return reduced


def synthesize(circuit: QuantumCircuit, max_qubits: int) -> tuple[QuantumCircuit, tuple[str, ...]]:
    """Return the circuit of `synthesize_exactly` without its warnings, and descriptions of its product formulas.

    Raises:
        CircuitError: see `synthesize_exactly`.
    """
    synthesizer = _Synthesizer(max_qubits)
    try:
        return synthesizer.circuit(circuit), tuple(dict.fromkeys(synthesizer.formulas))
    except CircuitError:
        raise
    # Qiskit raises many kinds of errors if a gate has no definition after all.
    except Exception as error:
        raise CircuitError(f"this circuit cannot be written in gates: {error}") from error


def annotate_controls(circuit: QuantumCircuit) -> QuantumCircuit:
    """Write controlled gates that `synthesize_exactly` replaces as annotated operations.

    Qiskit's `control()` decomposes its base gate by its definition, and `Operator` takes that for the matrix; of an
    annotated operation it takes the matrix of the base.
    """
    if not _needs_synthesis(circuit):
        return circuit
    annotated = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if type(operation) is ControlledGate and _is_special(operation):
            base = annotate_controls(_one_gate_circuit(_base_gate(operation))).to_gate()
            operation = AnnotatedOperation(base, [ControlModifier(operation.num_ctrl_qubits, operation.ctrl_state)])
        elif isinstance(operation, Instruction) and _is_composite(operation):
            annotated.compose(annotate_controls(operation.definition), instruction.qubits, inplace=True)
            continue
        annotated.append(operation, instruction.qubits)
    return annotated


class _Synthesizer:
    """Synthesises circuits, and collects descriptions of the product formulas in them."""

    def __init__(self, max_qubits: int) -> None:
        self._max_qubits = max_qubits
        self.formulas: list[str] = []

    def circuit(self, circuit: QuantumCircuit) -> QuantumCircuit:
        if not _needs_synthesis(circuit):
            return circuit
        synthesized = circuit.copy_empty_like()
        for instruction in circuit.data:
            if _is_special(instruction.operation):
                synthesized.compose(self._operation(instruction.operation), instruction.qubits, inplace=True)
            else:
                synthesized.append(instruction)
        return synthesized

    def _operation(self, operation: Operation) -> QuantumCircuit:
        if isinstance(operation, Clifford):
            return operation.to_circuit()
        if isinstance(operation, PauliEvolutionGate):
            return self._evolution(operation)
        if isinstance(operation, HamiltonianGate):
            return self._hamiltonian(operation)
        if isinstance(operation, RVGate):
            return _axis_rotation(operation)
        if isinstance(operation, AnnotatedOperation):
            return self._annotated(operation)
        if type(operation) is ControlledGate:
            control = ControlModifier(operation.num_ctrl_qubits, operation.ctrl_state)
            return self._annotated(AnnotatedOperation(_base_gate(operation), [control]))
        if _has_matrix_method(operation):
            return self._custom(operation)
        return self.circuit(operation.definition)

    def _evolution(self, gate: PauliEvolutionGate) -> QuantumCircuit:
        evolution = synthesize_evolution(gate, self._max_qubits)
        if evolution.formula:
            self.formulas.append(evolution.formula)
        return evolution.circuit

    def _hamiltonian(self, gate: HamiltonianGate) -> QuantumCircuit:
        if gate.num_qubits > self._max_qubits:
            raise CircuitError(
                f"a HamiltonianGate on {gate.num_qubits} qubits is a matrix, which can be written in gates here on up "
                f"to {self._max_qubits}: give the operator as a PauliEvolutionGate of SparsePauliOp.from_operator(...)"
            )
        return synthesize_hamiltonian(*gate.params)

    def _annotated(self, operation: AnnotatedOperation) -> QuantumCircuit:
        """Apply controls, inverses and powers to the matrix of the base."""
        gate, modifiers = operation.base_op, operation.modifiers
        if isinstance(gate, PauliEvolutionGate) and not any(map(_is_root, modifiers)):
            for modifier in modifiers:
                gate = _apply(gate, modifier)
            return self._evolution(gate)
        base = unroll_custom_gates(self.circuit(_one_gate_circuit(gate)))  # Qiskit applies modifiers to names
        if not base.parameters and operation.num_qubits <= self._max_qubits:
            unitary = AnnotatedOperation(UnitaryGate(Operator(base)), modifiers)
            return _one_gate_circuit(UnitaryGate(Operator(unitary)))
        if any(map(_is_root, modifiers)):
            raise CircuitError(
                f"a root of `{gate.name}` cannot be had with open angles or on more than {self._max_qubits} qubits: "
                "give its powers as whole numbers"
            )
        return _one_gate_circuit(AnnotatedOperation(base.to_gate(), modifiers))

    def _custom(self, gate: Any) -> QuantumCircuit:
        """Synthesise a gate of a user's class that gives a matrix."""
        definition = gate.definition
        if not gate.is_parameterized():
            matrix = _matrix(gate)
            if definition is not None and _agrees(definition, matrix, gate.name):
                return self.circuit(definition)
            return _one_gate_circuit(UnitaryGate(matrix))
        if definition is None:
            raise CircuitError(
                f"`{gate.name}` has open angles and a matrix, but no definition: give its class a `_define`"
            )
        values = {angle: 0.3 + 0.7 * k for k, angle in enumerate(sorted(definition.parameters, key=_name))}
        bound = _one_gate_circuit(gate).assign_parameters(values)
        if not _agrees(definition.assign_parameters(values), _matrix(bound.data[0].operation), gate.name):
            raise CircuitError(
                f"`{gate.name}` has a matrix that is not its definition, and with open angles only the definition can "
                "run: make them agree, or write the definition into the circuit"
            )
        return self.circuit(definition)


def _is_special(operation: Operation) -> bool:
    """Return whether an operation is replaced: its definition, or one within it, may not be its matrix."""
    if isinstance(operation, (Clifford, PauliEvolutionGate)):
        return True
    if isinstance(operation, AnnotatedOperation):
        return _is_special(operation.base_op)
    if not isinstance(operation, Instruction) or isinstance(operation, (Barrier, UnitaryGate)):
        return False
    if isinstance(operation, (HamiltonianGate, RVGate)):
        return bool(operation.is_parameterized())
    if hasattr(operation, "base_gate"):
        return _is_special(operation.base_gate) or (_has_matrix_method(operation) and not _is_trusted(operation))
    if _is_trusted(operation):
        return False
    return _has_matrix_method(operation) or (_is_composite(operation) and _needs_synthesis(operation.definition))


def _is_composite(operation: Instruction) -> bool:
    """Return whether it is a user's, and nothing but its definition."""
    return not (_is_trusted(operation) or _has_matrix_method(operation) or operation.definition is None)


def _needs_synthesis(circuit: QuantumCircuit) -> bool:
    """Return whether an instruction is replaced; so is a composite instruction around a delay."""
    return any(_is_special(one.operation) or isinstance(one.operation, Delay) for one in circuit.data)


def _is_trusted(operation: Instruction) -> bool:
    """Return whether it is of Qiskit's library, where the other gates agree with their definitions."""
    kind = operation.base_class
    return kind not in (Gate, Instruction) and str(kind.__module__).startswith("qiskit.")


def _has_matrix_method(operation: Operation) -> bool:
    kind = type(operation)
    return isinstance(operation, Gate) and (hasattr(kind, "__array__") or kind.to_matrix is not Gate.to_matrix)


def _apply(gate: PauliEvolutionGate, modifier: Any) -> PauliEvolutionGate:
    """Apply a modifier to an evolution, which gives another evolution."""
    if isinstance(modifier, ControlModifier):
        return gate.control(modifier.num_ctrl_qubits, ctrl_state=modifier.ctrl_state)
    return gate.inverse() if isinstance(modifier, InverseModifier) else gate.power(modifier.power)


def _is_root(modifier: Any) -> bool:
    return isinstance(modifier, PowerModifier) and modifier.power != int(modifier.power)


def _base_gate(operation: ControlledGate) -> Gate:
    """Return the base gate with its angles bound: Qiskit binds them in the definition of the controlled gate only."""
    base = operation.base_gate
    if type(base) is not Gate or not base.definition.parameters:
        return base
    return base.definition.assign_parameters(
        dict(zip(base.definition.parameters, operation.params, strict=True))
    ).to_gate()


def _axis_rotation(gate: RVGate) -> QuantumCircuit:
    """Return a rotation by an open angle about a fixed axis."""
    scale = next(component for component in gate.params if is_unbound(component))
    parameters = {parameter for component in gate.params if is_unbound(component) for parameter in component.parameters}
    draws = np.random.default_rng(0).uniform(0.2, 1, (3, len(parameters))).tolist()
    settings = [dict(zip(parameters, draw, strict=True)) for draw in draws]
    ratios = np.array([[_bind(part, setting) / _bind(scale, setting) for part in gate.params] for setting in settings])
    if np.ptp(ratios, axis=0).max() > _TOLERANCE:
        raise CircuitError(
            f"an RVGate turns about ({', '.join(map(str, gate.params))}), an axis that moves with open parameters: "
            "write the turn as rx, ry and rz, or as u"
        )
    return synthesize_pauli_sum(SparsePauliOp(["X", "Y", "Z"], ratios[0] / 2), scale, 1).circuit


def _bind(value: ParameterExpression | float, setting: dict[Parameter, float]) -> float:
    if not isinstance(value, ParameterExpression):
        return float(value)
    return float(value.bind({parameter: setting[parameter] for parameter in value.parameters}).numeric())


def _agrees(definition: QuantumCircuit, matrix: Matrix, name: str) -> bool:
    if definition.num_qubits > _MAX_COMPARED_QUBITS:
        raise CircuitError(
            f"`{name}` on {definition.num_qubits} qubits has a matrix and a definition, which are compared on up to "
            f"{_MAX_COMPARED_QUBITS}: take one of them out of its class"
        )
    return bool(np.abs(Operator(definition).data - matrix).max() < _TOLERANCE)


def _matrix(gate: Gate) -> Matrix:
    return np.asarray(gate.to_matrix(), dtype=np.complex128)


def _one_gate_circuit(operation: Operation) -> QuantumCircuit:
    circuit = QuantumCircuit(operation.num_qubits)
    circuit.append(operation, circuit.qubits)
    return circuit


def _name(parameter: Parameter) -> str:
    return str(parameter.name)
