"""A circuit's identity: a digest of its content, the same in every process, by which layouts, journals and caches go.

Gates are known by their class and what it holds, never by the name that they bear; what has no class of Qiskit's by its
definition, recursively. Numbers count with all their bits. Names of circuits and gates, labels and metadata do not
count. As in Qiskit's `==`, the order of operations counts on each qubit only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    ControlFlowOp,
    ControlledGate,
    ControlModifier,
    Delay,
    Gate,
    Instruction,
    Measure,
    Operation,
    Parameter,
    PowerModifier,
    Reset,
    Store,
    library,
)
from qiskit.quantum_info import Clifford, SparseObservable, SparsePauliOp
from qiskit.synthesis import QDrift

from qgen.circuits.canonical import encode
from qgen.circuits.library_form import has_own_matrix
from qgen.errors import CircuitError

if TYPE_CHECKING:
    from qgen.circuits.mixture import Mixture

#: Part of every digest: a new number makes all of them new ones.
VERSION = 2


def layer_digest(
    circuit: QuantumCircuit,
    inputs: Sequence[Parameter],
    weights: Sequence[Parameter],
    observables: Sequence[SparsePauliOp],
    mixture: Mixture | None,
) -> str:
    """The identity of a layer, 64 hexadecimal digits: the circuit, which parameter plays which part, what is measured.

    A parameter is known by its role, its place in it and its name: a circuit that is built anew has the same ones.

    Raises:
        CircuitError: an operation has no identity; see `circuit_digest`.
    """
    roles = {"input": inputs, "weight": weights, "mixture": mixture.parameters if mixture else ()}
    known = {one: (role, k, one.name) for role, some in roles.items() for k, one in enumerate(some)}
    measured = [(one.paulis.x, one.paulis.z, one.coeffs) for one in observables]
    writer = _Writer(known)
    content = (writer.circuit(circuit), list(known.values()), measured, mixture and mixture.points)
    return writer.hashed("layer", VERSION, *content).hex()


def circuit_digest(circuit: QuantumCircuit) -> str:
    """The identity of a circuit as it is executed, measurements included, 64 hexadecimal digits.

    Parameters are known by their names.

    Raises:
        CircuitError: control flow, or an operation that has neither a class of Qiskit's nor a definition or matrix.
    """
    writer = _Writer({})
    return writer.hashed("circuit", VERSION, writer.circuit(circuit)).hex()


class _Writer:
    """Hashes content.

    Args:
        known: what stands for each parameter; any other one is known by its name.
    """

    def __init__(self, known: Mapping[Parameter, tuple[Any, ...]]) -> None:
        self._known = known

    def hashed(self, *content: Any) -> bytes:
        return sha256(encode(content, self._key)).digest()

    def circuit(self, circuit: QuantumCircuit) -> bytes:
        """Each qubit and bit is a chain: a link is of an operation and of the links on its qubits that it follows."""
        index = {bit: k for k, bit in enumerate((*circuit.qubits, *circuit.clbits))}
        chains = [self.hashed(k) for k in range(len(index))]
        nowhere = []  # what acts on no qubit is in no order
        for step in circuit.data:
            bits = [index[bit] for bit in (*step.qubits, *step.clbits)]
            link = self.hashed(self.operation(step.operation), [chains[k] for k in bits])
            for place, k in enumerate(bits):
                chains[k] = self.hashed(link, place)
            if not bits:
                nowhere.append(link)
        return self.hashed(circuit.num_qubits, circuit.num_clbits, circuit.global_phase, chains, sorted(nowhere))

    def operation(self, operation: Operation) -> bytes:
        """The identity of an operation."""
        return self.hashed(*self._content(operation))

    def _key(self, parameter: Parameter) -> tuple[Any, ...]:
        return self._known.get(parameter, ("name", parameter.name))

    def _content(self, operation: Operation) -> tuple[Any, ...]:
        size = operation.num_qubits
        if isinstance(operation, AnnotatedOperation):
            return "modified", self.operation(operation.base_op), [_modifier(one) for one in operation.modifiers]
        if isinstance(operation, Clifford):
            return "Clifford", size, operation.tableau
        if not isinstance(operation, Instruction) or isinstance(operation, (ControlFlowOp, Store)):
            raise _nameless(operation)
        kind = operation.base_class
        if kind in _plain_kinds():
            return kind.__name__, size, operation.params, getattr(operation, "ctrl_state", None)
        if kind is Delay:
            return "Delay", operation.duration, operation.unit
        if kind is library.StatePreparation:
            flags = [getattr(operation, name, None) for name in ("_from_label", "_from_int", "_inverse")]
            return "StatePreparation", size, operation.params, flags
        if kind is library.PauliEvolutionGate:
            return "PauliEvolution", *self._evolution(operation)
        return self._written_out(operation)

    def _evolution(self, gate: library.PauliEvolutionGate) -> tuple[Any, ...]:
        parts = gate.operator if isinstance(gate.operator, list) else [gate.operator]
        if isinstance(gate.synthesis, QDrift):
            raise CircuitError(
                "an evolution by QDrift has no identity, by which layouts and journals know a circuit: its formula is "
                "drawn anew each time. Give another synthesis, or append its definition."
            )
        try:
            settings: list[Any] = sorted((name, repr(value)) for name, value in gate.synthesis.settings.items())
        except NotImplementedError:  # it says nothing of itself but what it makes
            settings = [self.circuit(gate.definition)]
        return isinstance(gate.operator, list), [_sum(one) for one in parts], gate.time, _path(gate.synthesis), settings

    def _written_out(self, operation: Instruction) -> tuple[Any, ...]:
        """By what it is made of; a user's class has a matrix of its own beside it, or in its place."""
        content: list[Any] = [operation.num_qubits, operation.num_clbits]
        if isinstance(operation, ControlledGate):
            base = self.operation(operation.base_gate)
            content.append(("controlled", operation.num_ctrl_qubits, operation.ctrl_state, base))
        if operation.definition is not None:
            content.append(self.circuit(operation.definition))
        if has_own_matrix(operation):
            content.append(self._matrix(operation))
        if len(content) == 2:
            raise _nameless(operation)
        return "written out", content

    def _matrix(self, gate: Gate) -> tuple[Any, ...]:
        """The matrix of a gate; where angles are open, their expressions and the matrix at some numbers."""
        alone = QuantumCircuit(gate.num_qubits)
        alone.append(gate, alone.qubits)
        numbers = {angle: 0.3 + 0.7 * k for k, angle in enumerate(alone.parameters)}
        bound = alone.assign_parameters(numbers).data[0].operation
        return _path(gate), gate.params if numbers else [], np.asarray(bound.to_matrix())


@cache
def _plain_kinds() -> frozenset[type]:
    """Classes whose number of qubits, parameters and controls say all, with the numbers of their arrays."""
    standard = {gate.base_class for gate in library.get_standard_gate_name_mapping().values()}
    others = (
        Barrier,
        Measure,
        Reset,
        library.DiagonalGate,
        library.GraphStateGate,
        library.HamiltonianGate,
        library.LinearFunction,
        library.MCPhaseGate,
        library.MCXGate,
        library.PauliGate,
        library.PermutationGate,
        library.QFTGate,
        library.RVGate,
        library.UCRXGate,
        library.UCRYGate,
        library.UCRZGate,
        library.UnitaryGate,
    )
    return frozenset(standard.union(others) - {Delay})


def _modifier(modifier: Any) -> tuple[Any, ...]:
    if isinstance(modifier, ControlModifier):
        return "control", modifier.num_ctrl_qubits, modifier.ctrl_state
    return ("power", modifier.power) if isinstance(modifier, PowerModifier) else ("inverse",)


def _sum(operator: SparsePauliOp | SparseObservable) -> tuple[Any, ...]:
    """The terms of an evolution's operator, in their order: a product formula depends on it."""
    if isinstance(operator, SparseObservable):
        parts = (operator.coeffs, operator.bit_terms, operator.indices, operator.boundaries)
        return "observable", operator.num_qubits, *map(np.asarray, parts)
    return "sum", operator.paulis.x, operator.paulis.z, operator.paulis.phase, operator.coeffs


def _path(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _nameless(operation: Operation) -> CircuitError:
    return CircuitError(
        f"`{operation.name}` ({type(operation).__name__}) has no identity, by which layouts and journals know "
        "a circuit: give unitary gates that have a class of Qiskit's, a definition or a matrix."
    )
