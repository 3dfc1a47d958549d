"""Classes that a user derived from Qiskit's standard gates: for those Qiskit takes them when it copies a circuit."""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ControlledGate, Gate, ParameterExpression
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator

from qgen.errors import CircuitError

#: Entries of two matrices that are the same.
_SAME = 1e-9


def keep_own_classes(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit with each gate of such a class as a plain gate of its definition, where it is not Qiskit's gate.

    The same object where there are none.

    Raises:
        CircuitError: matrix and definition of such a gate contradict one another.
    """
    derived = {k for k, step in enumerate(circuit.data) if step.is_standard_gate() and _is_derived(step.operation)}
    if not derived:
        return circuit
    kept = circuit.copy_empty_like()
    for k, step in enumerate(circuit.data):
        kept.append(_kept(step.operation) if k in derived else step.operation, step.qubits, step.clbits)
    return kept


def _is_derived(gate: Gate) -> bool:
    return not str(gate.base_class.__module__).startswith("qiskit.")


def _kept(gate: Gate) -> Gate:
    numbers = [0.3 + 0.7 * k if _is_open(angle) else angle for k, angle in enumerate(gate.params)]
    standard, probe = _standard(gate), gate.to_mutable()
    probe.params, probe.definition = numbers, None  # made anew, with these angles, once it is asked for
    try:
        matrix, defined = np.asarray(probe.to_matrix()), Operator(probe.definition).data
        if np.abs(matrix - defined).max() < _SAME:
            if np.abs(matrix - _controlled_as(gate, standard(*numbers)).to_matrix()).max() < _SAME:
                return gate
            plain = Gate("own", gate.num_qubits, gate.params)
            plain.definition = gate.definition
            return plain
    except (QiskitError, AttributeError) as error:
        raise _contradiction(gate, standard) from error
    raise _contradiction(gate, standard)


def _standard(gate: Gate) -> type[Gate]:
    """The class of Qiskit's that Qiskit takes a gate for."""
    kinds: list[type[Gate]] = [kind for kind in gate.base_class.__mro__ if kind.__module__.startswith("qiskit.")]
    return kinds[0]


def _controlled_as(gate: Gate, standard: Gate) -> Gate:
    """The standard gate, with the control state of the other one, if it is controlled."""
    if isinstance(gate, ControlledGate):
        standard = standard.to_mutable()
        standard.ctrl_state = gate.ctrl_state
    return standard


def _is_open(angle: Any) -> bool:
    return isinstance(angle, ParameterExpression) and bool(angle.parameters)


def _contradiction(gate: Gate, standard: type[Gate]) -> CircuitError:
    return CircuitError(
        f"{gate.base_class.__name__} is derived from {standard.__name__}, for which Qiskit takes it, and its matrix "
        "and its definition are not the same gate: derive it from Gate, or write both"
    )
