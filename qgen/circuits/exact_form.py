"""One meaning for every gate: its matrix, where Qiskit's class has one, and its definition where it has none.

Some gates have both, and they differ. A `PauliEvolutionGate` is exp(-i t H), its definition is a product formula. What
Qiskit calls `Operator(circuit)` follows the matrices, its transpiler the definitions. Here such gates are written out
in gates for which the two agree, so that one circuit means the same wherever it runs: see
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

from qgen.circuits.evolution import evolve, evolve_matrix, evolve_terms
from qgen.circuits.library_form import library_form
from qgen.errors import CircuitError, ProductFormulaWarning

Matrix = npt.NDArray[np.complex128]

#: Entries of two matrices that are the same.
_SAME = 1e-9
#: Qubits of the largest gate of a user's own whose matrix is compared with its definition.
_MOST_COMPARED = 10


#: On how many qubits a simulator takes a matrix for terms that do not commute: some 4,000 gates for an open time.
MOST_SIMULATED = 6


def exact_form(circuit: QuantumCircuit, most_qubits: int) -> QuantumCircuit:
    """The circuit without gates whose definition is not what they mean; the same object where there are none.

    Global phase included. Cliffords are written out too.

    Args:
        circuit: unitary, angles bound or open.
        most_qubits: on how many qubits a matrix may stand for terms of an evolution that do not commute. Beyond it the
            gate's product formula runs, with a `ProductFormulaWarning` that names it.

    Raises:
        CircuitError: an open angle of a gate whose matrix and definition differ, or that has no exact form.
    """
    written, formulas = written_out(circuit, most_qubits)
    for formula in formulas:
        warnings.warn(
            f"a product formula runs in place of an exact evolution ({formula}): exactly it runs on up to "
            f"{most_qubits} qubits here, or where all terms commute or all anticommute",
            ProductFormulaWarning,
            stacklevel=3,
        )
    return written


def ideal_form(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit of `exact_form` for a simulator without noise, where a delay does nothing."""
    return without_delays(exact_form(circuit, MOST_SIMULATED))


def without_delays(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit without its delays; the same object where it has none."""
    if not any(isinstance(step.operation, Delay) for step in circuit.data):
        return circuit
    written = circuit.copy_empty_like()
    for step in circuit.data:
        if not isinstance(step.operation, Delay):
            written.append(step)
    return written


def written_out(circuit: QuantumCircuit, most_qubits: int) -> tuple[QuantumCircuit, tuple[str, ...]]:
    """The circuit of `exact_form`, and the product formulas that are in it, in words."""
    writer = _Writer(most_qubits)
    try:
        return writer.write(circuit), tuple(dict.fromkeys(writer.formulas))
    except CircuitError:
        raise
    # Qiskit raises many kinds where a gate has no definition after all.
    except Exception as error:
        raise CircuitError(f"this circuit cannot be written in gates: {error}") from error


def with_modifiers(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit with controlled gates that `exact_form` writes out as modifiers of what they control.

    Qiskit's `control()` writes out the definition of what it controls, and `Operator` takes that for the matrix; of a
    modifier it takes the matrix of what is modified.
    """
    if not _holds_special(circuit):
        return circuit
    written = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if type(operation) is ControlledGate and _is_special(operation):
            base = with_modifiers(_alone(_base(operation))).to_gate()
            operation = AnnotatedOperation(base, [ControlModifier(operation.num_ctrl_qubits, operation.ctrl_state)])
        elif isinstance(operation, Instruction) and _is_composite(operation):
            written.compose(with_modifiers(operation.definition), instruction.qubits, inplace=True)
            continue
        written.append(operation, instruction.qubits)
    return written


class _Writer:
    """Writes circuits out, and keeps the product formulas that were used."""

    def __init__(self, most_qubits: int) -> None:
        self._most = most_qubits
        self.formulas: list[str] = []

    def write(self, circuit: QuantumCircuit) -> QuantumCircuit:
        if not _holds_special(circuit):
            return circuit
        written = circuit.copy_empty_like()
        for instruction in circuit.data:
            if _is_special(instruction.operation):
                written.compose(self._written(instruction.operation), instruction.qubits, inplace=True)
            else:
                written.append(instruction)
        return written

    def _written(self, operation: Operation) -> QuantumCircuit:
        if isinstance(operation, Clifford):
            return operation.to_circuit()
        if isinstance(operation, PauliEvolutionGate):
            return self._evolution(operation)
        if isinstance(operation, HamiltonianGate):
            return self._hamiltonian(operation)
        if isinstance(operation, RVGate):
            return _rotation(operation)
        if isinstance(operation, AnnotatedOperation):
            return self._modified(operation)
        if type(operation) is ControlledGate:
            control = ControlModifier(operation.num_ctrl_qubits, operation.ctrl_state)
            return self._modified(AnnotatedOperation(_base(operation), [control]))
        if _has_own_matrix(operation):
            return self._own(operation)
        return self.write(operation.definition)

    def _evolution(self, gate: PauliEvolutionGate) -> QuantumCircuit:
        found = evolve(gate, self._most)
        if found.formula:
            self.formulas.append(found.formula)
        return found.circuit

    def _hamiltonian(self, gate: HamiltonianGate) -> QuantumCircuit:
        if gate.num_qubits > self._most:
            raise CircuitError(
                f"a HamiltonianGate on {gate.num_qubits} qubits is a matrix, which can be written in gates here on up "
                f"to {self._most}: give the operator as a PauliEvolutionGate of SparsePauliOp.from_operator(...)"
            )
        return evolve_matrix(*gate.params)

    def _modified(self, operation: AnnotatedOperation) -> QuantumCircuit:
        """Controls, inverses and powers act on what the base means."""
        gate, modifiers = operation.base_op, operation.modifiers
        if isinstance(gate, PauliEvolutionGate) and not any(map(_is_root, modifiers)):
            for modifier in modifiers:
                gate = _apply(gate, modifier)
            return self._evolution(gate)
        base = library_form(self.write(_alone(gate)))  # a modifier is applied to names
        if not base.parameters and operation.num_qubits <= self._most:
            return _alone(UnitaryGate(Operator(AnnotatedOperation(UnitaryGate(Operator(base)), modifiers))))
        if any(map(_is_root, modifiers)):
            raise CircuitError(
                f"a root of `{gate.name}` cannot be had with open angles or on more than {self._most} qubits: "
                "give its powers as whole numbers"
            )
        return _alone(AnnotatedOperation(base.to_gate(), modifiers))

    def _own(self, gate: Any) -> QuantumCircuit:
        """A gate of the user's own class that has a matrix."""
        definition = gate.definition
        if not gate.is_parameterized():
            matrix = _matrix(gate)
            if definition is not None and _agrees(definition, matrix, gate.name):
                return self.write(definition)
            return _alone(UnitaryGate(matrix))
        if definition is None:
            raise CircuitError(
                f"`{gate.name}` has open angles and a matrix, but no definition: give its class a `_define`"
            )
        values = {angle: 0.3 + 0.7 * k for k, angle in enumerate(sorted(definition.parameters, key=_name))}
        bound = _alone(gate).assign_parameters(values)
        if not _agrees(definition.assign_parameters(values), _matrix(bound.data[0].operation), gate.name):
            raise CircuitError(
                f"`{gate.name}` has a matrix that is not its definition, and with open angles only the definition can "
                "run: make them agree, or write the definition into the circuit"
            )
        return self.write(definition)


def _is_special(operation: Operation) -> bool:
    """Whether an operation is written out: its definition, or what it is made of, may not be what it means."""
    if isinstance(operation, (Clifford, PauliEvolutionGate)):
        return True
    if isinstance(operation, AnnotatedOperation):
        return _is_special(operation.base_op)
    if not isinstance(operation, Instruction) or isinstance(operation, (Barrier, UnitaryGate)):
        return False
    if isinstance(operation, (HamiltonianGate, RVGate)):
        return bool(operation.is_parameterized())
    if hasattr(operation, "base_gate"):
        return _is_special(operation.base_gate) or (_has_own_matrix(operation) and not _is_trusted(operation))
    if _is_trusted(operation):
        return False
    return _has_own_matrix(operation) or (_is_composite(operation) and _holds_special(operation.definition))


def _is_composite(operation: Instruction) -> bool:
    """Whether it is nothing but its definition, which others than Qiskit's library wrote."""
    return not (_is_trusted(operation) or _has_own_matrix(operation) or operation.definition is None)


def _holds_special(circuit: QuantumCircuit) -> bool:
    """Whether it holds what is written out; so is a composite instruction around a delay."""
    return any(_is_special(step.operation) or isinstance(step.operation, Delay) for step in circuit.data)


def _is_trusted(operation: Instruction) -> bool:
    """Whether it is of Qiskit's library, whose other matrices are their definitions."""
    kind = operation.base_class
    return kind not in (Gate, Instruction) and str(kind.__module__).startswith("qiskit.")


def _has_own_matrix(operation: Operation) -> bool:
    kind = type(operation)
    return isinstance(operation, Gate) and (hasattr(kind, "__array__") or kind.to_matrix is not Gate.to_matrix)


def _apply(gate: PauliEvolutionGate, modifier: Any) -> PauliEvolutionGate:
    """An evolution under a modifier: again an evolution."""
    if isinstance(modifier, ControlModifier):
        return gate.control(modifier.num_ctrl_qubits, ctrl_state=modifier.ctrl_state)
    return gate.inverse() if isinstance(modifier, InverseModifier) else gate.power(modifier.power)


def _is_root(modifier: Any) -> bool:
    return isinstance(modifier, PowerModifier) and modifier.power != int(modifier.power)


def _base(operation: ControlledGate) -> Gate:
    """What a gate controls, with its angles: Qiskit binds them in the definition of the whole, not of the base."""
    base = operation.base_gate
    if type(base) is not Gate or not base.definition.parameters:
        return base
    return base.definition.assign_parameters(
        dict(zip(base.definition.parameters, operation.params, strict=True))
    ).to_gate()


def _rotation(gate: RVGate) -> QuantumCircuit:
    """A turn about an axis that stays where it is, though its angle is open."""
    scale = next(component for component in gate.params if _is_open(component))
    parameters = {parameter for component in gate.params if _is_open(component) for parameter in component.parameters}
    draws = np.random.default_rng(0).uniform(0.2, 1, (3, len(parameters))).tolist()
    settings = [dict(zip(parameters, draw, strict=True)) for draw in draws]
    ratios = np.array([[_at(each, setting) / _at(scale, setting) for each in gate.params] for setting in settings])
    if np.ptp(ratios, axis=0).max() > _SAME:
        raise CircuitError(
            f"an RVGate turns about ({', '.join(map(str, gate.params))}), an axis that moves with open parameters: "
            "write the turn as rx, ry and rz, or as u"
        )
    return evolve_terms(SparsePauliOp(["X", "Y", "Z"], ratios[0] / 2), scale, 1).circuit


def _at(value: ParameterExpression | float, setting: dict[Parameter, float]) -> float:
    if not isinstance(value, ParameterExpression):
        return float(value)
    return float(value.bind({parameter: setting[parameter] for parameter in value.parameters}).numeric())


def _is_open(value: Any) -> bool:
    return isinstance(value, ParameterExpression) and bool(value.parameters)


def _agrees(definition: QuantumCircuit, matrix: Matrix, name: str) -> bool:
    if definition.num_qubits > _MOST_COMPARED:
        raise CircuitError(
            f"`{name}` on {definition.num_qubits} qubits has a matrix and a definition, which are compared on up to "
            f"{_MOST_COMPARED}: take one of them out of its class"
        )
    return bool(np.abs(Operator(definition).data - matrix).max() < _SAME)


def _matrix(gate: Gate) -> Matrix:
    return np.asarray(gate.to_matrix(), dtype=np.complex128)


def _alone(operation: Operation) -> QuantumCircuit:
    circuit = QuantumCircuit(operation.num_qubits)
    circuit.append(operation, circuit.qubits)
    return circuit


def _name(parameter: Parameter) -> str:
    return str(parameter.name)
