"""Digests of circuits: identity by content, the same in every process; layouts, journals and caches use them as keys.

A gate is identified by its class and parameters, never by its name; one that is not of Qiskit's by its definition,
recursively. Numbers keep all their bits. Names of circuits and gates, labels and metadata are left out. As in Qiskit's
`==`, only the order of operations on each qubit matters.
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

from qgen.circuits.canonical_bytes import canonical_bytes
from qgen.circuits.custom_gates import has_custom_matrix
from qgen.errors import CircuitError

if TYPE_CHECKING:
    from qgen.circuits.mixture import Mixture

#: Part of every digest: a new version changes all of them.
VERSION = 2


def layer_digest(
    circuit: QuantumCircuit,
    inputs: Sequence[Parameter],
    weights: Sequence[Parameter],
    observables: Sequence[SparsePauliOp],
    mixture: Mixture | None,
) -> str:
    """Return the digest of a layer, 64 hexadecimal digits: its circuit, the roles of its parameters, its observables.

    A parameter is identified by its role, its position in it and its name, so that a circuit built again has the same.

    Raises:
        CircuitError: an operation has no identity; see `circuit_digest`.
    """
    roles = {"input": inputs, "weight": weights, "mixture": mixture.parameters if mixture else ()}
    keys = {p: (role, k, p.name) for role, parameters in roles.items() for k, p in enumerate(parameters)}
    measured = [(observable.paulis.x, observable.paulis.z, observable.coeffs) for observable in observables]
    hasher = _Hasher(keys)
    content = (hasher.circuit(circuit), list(keys.values()), measured, mixture and mixture.points)
    return hasher.hashed("layer", VERSION, *content).hex()


def circuit_digest(circuit: QuantumCircuit) -> str:
    """Return the digest of a circuit as it is executed, measurements included: 64 hexadecimal digits.

    Parameters are identified by their names.

    Raises:
        CircuitError: control flow, or an operation that has neither a class of Qiskit's nor a definition or matrix.
    """
    hasher = _Hasher({})
    return hasher.hashed("circuit", VERSION, hasher.circuit(circuit)).hex()


class _Hasher:
    """Hash content.

    Args:
        keys: the identity of each parameter; others are identified by their names.
    """

    def __init__(self, keys: Mapping[Parameter, tuple[Any, ...]]) -> None:
        self._keys = keys

    def hashed(self, *content: Any) -> bytes:
        return sha256(canonical_bytes(content, self._key)).digest()

    def circuit(self, circuit: QuantumCircuit) -> bytes:
        """Hash a circuit: each bit is a hash chain, with a link of each operation and of the links before it."""
        index = {bit: k for k, bit in enumerate((*circuit.qubits, *circuit.clbits))}
        chains = [self.hashed(k) for k in range(len(index))]
        unordered = []  # links of operations on no qubit
        for instruction in circuit.data:
            bits = [index[bit] for bit in (*instruction.qubits, *instruction.clbits)]
            link = self.hashed(self.operation(instruction.operation), [chains[k] for k in bits])
            for position, k in enumerate(bits):
                chains[k] = self.hashed(link, position)
            if not bits:
                unordered.append(link)
        return self.hashed(circuit.num_qubits, circuit.num_clbits, circuit.global_phase, chains, sorted(unordered))

    def operation(self, operation: Operation) -> bytes:
        """Hash an operation."""
        return self.hashed(*self._content(operation))

    def _key(self, parameter: Parameter) -> tuple[Any, ...]:
        return self._keys.get(parameter, ("name", parameter.name))

    def _content(self, operation: Operation) -> tuple[Any, ...]:
        size = operation.num_qubits
        if isinstance(operation, AnnotatedOperation):
            return (
                "modified",
                self.operation(operation.base_op),
                [_modifier(modifier) for modifier in operation.modifiers],
            )
        if isinstance(operation, Clifford):
            return "Clifford", size, operation.tableau
        if not isinstance(operation, Instruction) or isinstance(operation, (ControlFlowOp, Store)):
            raise _no_identity(operation)
        kind = operation.base_class
        if kind in _parametric_classes():
            return kind.__name__, size, operation.params, getattr(operation, "ctrl_state", None)
        if kind is Delay:
            return "Delay", operation.duration, operation.unit
        if kind is library.StatePreparation:
            flags = [getattr(operation, name, None) for name in ("_from_label", "_from_int", "_inverse")]
            return "StatePreparation", size, operation.params, flags
        if kind is library.PauliEvolutionGate:
            return "PauliEvolution", *self._evolution(operation)
        return self._composite(operation)

    def _evolution(self, gate: library.PauliEvolutionGate) -> tuple[Any, ...]:
        parts = gate.operator if isinstance(gate.operator, list) else [gate.operator]
        if isinstance(gate.synthesis, QDrift):
            raise CircuitError(
                "an evolution by QDrift has no identity, by which layouts and journals know a circuit: its formula is "
                "drawn anew each time. Give another synthesis, or append its definition."
            )
        try:
            settings: list[Any] = sorted((name, repr(value)) for name, value in gate.synthesis.settings.items())
        except NotImplementedError:  # it has no settings but its definition
            settings = [self.circuit(gate.definition)]
        return (
            isinstance(gate.operator, list),
            [_operator(part) for part in parts],
            gate.time,
            _path(gate.synthesis),
            settings,
        )

    def _composite(self, operation: Instruction) -> tuple[Any, ...]:
        """By the definition; a user's class may give a matrix in addition, or instead."""
        content: list[Any] = [operation.num_qubits, operation.num_clbits]
        if isinstance(operation, ControlledGate):
            base = self.operation(operation.base_gate)
            content.append(("controlled", operation.num_ctrl_qubits, operation.ctrl_state, base))
        if operation.definition is not None:
            content.append(self.circuit(operation.definition))
        if has_custom_matrix(operation):
            content.append(self._matrix(operation))
        if len(content) == 2:
            raise _no_identity(operation)
        return "written out", content

    def _matrix(self, gate: Gate) -> tuple[Any, ...]:
        """Return the matrix of a gate; with open angles, their expressions and the matrix at fixed numbers."""
        circuit = QuantumCircuit(gate.num_qubits)
        circuit.append(gate, circuit.qubits)
        numbers = {angle: 0.3 + 0.7 * k for k, angle in enumerate(circuit.parameters)}
        bound = circuit.assign_parameters(numbers).data[0].operation
        return _path(gate), gate.params if numbers else [], np.asarray(bound.to_matrix())


@cache
def _parametric_classes() -> frozenset[type]:
    """Classes that are determined by their number of qubits, parameters and controls."""
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


def _operator(operator: SparsePauliOp | SparseObservable) -> tuple[Any, ...]:
    """Return the terms of an evolution's operator, in their order, on which a product formula depends."""
    if isinstance(operator, SparseObservable):
        parts = (operator.coeffs, operator.bit_terms, operator.indices, operator.boundaries)
        return "observable", operator.num_qubits, *map(np.asarray, parts)
    return "sum", operator.paulis.x, operator.paulis.z, operator.paulis.phase, operator.coeffs


def _path(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _no_identity(operation: Operation) -> CircuitError:
    return CircuitError(
        f"`{operation.name}` ({type(operation).__name__}) has no identity, by which layouts and journals know "
        "a circuit: give unitary gates that have a class of Qiskit's, a definition or a matrix."
    )
