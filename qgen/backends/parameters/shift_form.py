"""A circuit whose every angle is an input of its own, and how often a value oscillates as that angle turns once.

An expectation value is a finite Fourier series in the angle of one gate; its frequencies are the differences of the
eigenvalues of the gate's generator. They say which shifted values give the derivative, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from qiskit import QuantumCircuit, transpile
from qiskit.circuit import (
    Barrier,
    ControlledGate,
    Gate,
    Instruction,
    Operation,
    Parameter,
    ParameterExpression,
    library,
)

from qgen.backends.parameters.parameter_map import ParameterMap
from qgen.circuits import LayerCircuit
from qgen.circuits.custom_gates import gate_definition, unroll_custom_gates
from qgen.errors import BackendError

Frequencies: TypeAlias = tuple[float, ...]
# Of each parameter of a gate: the frequencies of the gate by itself, and under controls, where a part of the state
# keeps its phase: the generator of a rotation has eigenvalues -1/2 and 1/2, and under a control 0 as well.
_ROTATION: tuple[Frequencies, Frequencies] = ((1.0,), (0.5, 1.0))
_PHASE: tuple[Frequencies, Frequencies] = ((1.0,), (1.0,))
_HOPPING: tuple[Frequencies, Frequencies] = ((0.5, 1.0), (0.5, 1.0))
_AXIS: tuple[Frequencies, Frequencies] = ((1.0, 2.0), (1.0, 2.0))  # turned there and back: V(b) ... V(-b)

_FREQUENCIES: dict[type, tuple[tuple[Frequencies, Frequencies], ...]] = {
    **dict.fromkeys([library.RXGate, library.RYGate, library.RZGate], (_ROTATION,)),
    **dict.fromkeys([library.RXXGate, library.RYYGate, library.RZZGate, library.RZXGate], (_ROTATION,)),
    **dict.fromkeys([library.PhaseGate, library.U1Gate], (_PHASE,)),
    **dict.fromkeys([library.UGate, library.U3Gate], (_ROTATION, _PHASE, _PHASE)),
    **dict.fromkeys([library.XXPlusYYGate, library.XXMinusYYGate], (_HOPPING, _AXIS)),
    library.U2Gate: (_PHASE, _PHASE),
    library.RGate: (_ROTATION, _AXIS),
}


@dataclass(frozen=True)
class ParametrizedGates:
    """A circuit with A angles, each a plain parameter that occurs once.

    Attributes:
        circuit: the circuit in these parameters; global phase aside.
        parameters: the A angles.
        expressions: what each angle is in the parameters of the original circuit.
        frequencies: for each angle those of any expectation value as a function of it alone; () if none depends on it.
    """

    circuit: QuantumCircuit
    parameters: tuple[Parameter, ...]
    expressions: tuple[ParameterExpression, ...]
    frequencies: tuple[Frequencies, ...]

    def layer(self, observables: Sequence[Any]) -> LayerCircuit:
        """The circuit with its angles as inputs."""
        return LayerCircuit(self.circuit, self.parameters, (), observables)

    def parameter_map(self, parameters: Sequence[Parameter]) -> ParameterMap:
        """The map from parameters (rows, P) of the original circuit to angles (rows, A)."""
        return ParameterMap(self.expressions, parameters)


def parametrize_gates(circuit: QuantumCircuit, measured: Sequence[int] | None = None) -> ParametrizedGates:
    """Give every angle of a circuit a parameter of its own.

    Gates without known frequencies are unfolded by Qiskit's definitions into gates that have them. Neighbouring
    rotations of one kind on the same qubits turn by the sum of their angles, and so share one.

    Args:
        circuit: a unitary circuit.
        measured: the qubits that observables look at; None: all.
    """
    builder = _Builder(circuit)
    builder.expand(circuit, list(range(circuit.num_qubits)))
    return builder.form(set(range(circuit.num_qubits)) if measured is None else set(measured))


def known_frequencies(operation: Operation) -> tuple[Frequencies, ...] | None:
    """Of each parameter of a gate; None if they are not known."""
    if not isinstance(operation, Instruction):
        return None
    controlled = isinstance(operation, ControlledGate)
    pairs = _FREQUENCIES.get(operation.base_gate.base_class if controlled else operation.base_class)
    if pairs is None:
        return None
    # A controlled U gate has one parameter more: the phase of all of U.
    pairs = (*pairs, _PHASE)[: len(operation.params)]
    return tuple(pair[controlled] for pair in pairs) if len(pairs) == len(operation.params) else None


@dataclass
class _Step:
    """An operation on qubits; where it is parameterised, with its angles."""

    operation: Operation
    qubits: list[int]
    angles: list[ParameterExpression | float]

    def adds_to(self, other: _Step) -> bool:
        """Whether this and the other one are one turn by the sum of two angles."""
        if len(self.angles) != 1 or len(other.angles) != 1 or self.qubits != other.qubits:
            return False
        return _kind(self.operation) == _kind(other.operation)


def _kind(operation: Instruction) -> tuple[object, ...]:
    """What two gates have in common that differ in their angles alone."""
    if isinstance(operation, ControlledGate):
        return operation.base_gate.base_class, operation.num_ctrl_qubits, operation.ctrl_state
    return operation.base_class, operation.num_qubits


class _Builder:
    def __init__(self, circuit: QuantumCircuit) -> None:
        self._qubits = circuit.num_qubits
        self._steps: list[_Step] = []
        self._latest: dict[int, _Step] = {}

    def expand(self, inner: QuantumCircuit, qubits: list[int]) -> None:
        for instruction in inner.data:
            on = [qubits[inner.find_bit(bit).index] for bit in instruction.qubits]
            operation = instruction.operation
            if isinstance(operation, (Barrier, library.GlobalPhaseGate)):
                continue
            parameterised = any(map(_depends, getattr(operation, "params", ())))
            if parameterised and known_frequencies(operation) is None:
                self.expand(unfold(operation), on)
            else:
                self._add(_Step(operation, on, list(operation.params) if parameterised else []))

    def _add(self, step: _Step) -> None:
        before = {id(self._latest.get(qubit)) for qubit in step.qubits}
        last = self._latest.get(step.qubits[0]) if step.qubits else None
        if last is not None and len(before) == 1 and step.adds_to(last):
            last.angles = [last.angles[0] + step.angles[0]]
            return
        self._steps.append(step)
        self._latest.update(dict.fromkeys(step.qubits, step))

    def form(self, measured: set[int]) -> ParametrizedGates:
        circuit = QuantumCircuit(self._qubits)
        parameters: list[Parameter] = []
        expressions: list[ParameterExpression] = []
        for step in self._steps:
            arguments: list[Any] = []
            for angle in step.angles:
                if _depends(angle):
                    arguments.append(Parameter(f"angle{len(parameters):06d}"))
                    parameters.append(arguments[-1])
                    expressions.append(angle)
                else:
                    arguments.append(float(angle))
            circuit.append(with_parameters(step.operation, arguments) if arguments else step.operation, step.qubits)
        frequencies = angle_frequencies(circuit, parameters, measured)
        return ParametrizedGates(circuit, tuple(parameters), tuple(expressions), frequencies)


def angle_frequencies(
    circuit: QuantumCircuit, parameters: Sequence[Parameter], measured: Iterable[int]
) -> tuple[Frequencies, ...]:
    """The frequencies of angles that are plain parameters, each in one place of a gate that has known ones.

    Those of an angle that no measured qubit can depend on are ().

    Raises:
        BackendError: a device has a gate of its own whose frequencies nobody knows.
    """
    frequencies: dict[Parameter, Frequencies] = {}
    alive = set(measured)
    for instruction in reversed(circuit.data):
        on = {circuit.find_bit(bit).index for bit in instruction.qubits}
        if not alive & on:
            continue
        alive |= on
        operation = instruction.operation
        angles = getattr(operation, "params", ())
        if any(map(_depends, angles)):
            known = known_frequencies(operation) or _frequencies_by_name(operation)
            frequencies |= {angle: pair for angle, pair in zip(angles, known, strict=True) if _depends(angle)}
    return tuple(frequencies.get(parameter, ()) for parameter in parameters)


def _frequencies_by_name(operation: Operation) -> tuple[Frequencies, ...]:
    """Of a plain `Gate` that stands for a standard one, as Aer needs controlled rotations to be written."""
    standard = library.get_standard_gate_name_mapping().get(operation.name) if type(operation) is Gate else None
    known = None if standard is None else known_frequencies(standard)
    if known is None:
        raise BackendError(
            f"no shift rule is known for the device's own gate `{operation.name}`: choose the gradient method `spsa`"
        )
    return known


def with_parameters(operation: Operation, parameters: list[Any]) -> Operation:
    """The same gate with other parameters."""
    if not isinstance(operation, ControlledGate):
        copy = operation.to_mutable()
        copy.params = parameters
        copy.definition = None  # the old one may be there already, and does not follow
        return copy
    # Built anew, for the same reason.
    inner, controls = with_parameters(operation.base_gate, parameters), operation.num_ctrl_qubits
    if len(parameters) == 4:  # of a U gate and its phase
        inner, controls = library.CUGate(*parameters), controls - 1
    gate = inner.control(controls, annotated=False) if controls else inner
    gate.ctrl_state = operation.ctrl_state
    return gate


def _depends(angle: Any) -> bool:
    return isinstance(angle, ParameterExpression) and bool(angle.parameters)


def unfold(operation: Operation) -> QuantumCircuit:
    """The operation written in simpler ones; raises where Qiskit has nothing simpler."""
    definition = gate_definition(operation)
    if definition is not None:
        return definition
    if getattr(operation, "to_matrix", None) is not None and not operation.params:
        unfolded: QuantumCircuit | None = library.UnitaryGate(operation.to_matrix()).definition
        if unfolded is not None:
            return unfolded
    alone = QuantumCircuit(operation.num_qubits)
    alone.append(operation, alone.qubits)
    return transpile(unroll_custom_gates(alone), basis_gates=["u", "cx"], optimization_level=0)
