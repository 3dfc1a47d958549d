"""Phases of Clifford circuits by sums over paths, against matrices."""

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from qgen.transpilation.clifford_phase import phase_between

ONE = ("id", "h", "s", "sdg", "z", "x", "y", "sx", "sxdg")
TWO = ("cx", "cy", "cz", "swap")
#: One-qubit gates that come to a phase: -1, exp(i pi / 4), i, i, -i.
PHASES = (
    ("x", "z", "x", "z"),
    ("s", "h") * 3,
    ("y", "x", "z"),
    ("sx", "sx", "h", "sdg", "sdg", "h", "s", "x", "s", "x"),
)


@st.composite
def circuits(draw: st.DrawFn, qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    for name in draw(st.lists(st.sampled_from(ONE + (TWO if qubits > 1 else ())), max_size=40)):
        getattr(circuit, name)(*draw(st.permutations(range(qubits)))[: 2 if name in TWO else 1])
    return circuit


@examples(60)
@given(data=st.data(), qubits=st.integers(1, 5))
def test_phases_are_those_of_matrices(data: st.DataObject, qubits: int) -> None:
    circuit = data.draw(circuits(qubits))
    other = QuantumCircuit(qubits)
    for names, qubit in data.draw(st.lists(st.tuples(st.sampled_from(PHASES), st.integers(0, qubits - 1)), max_size=4)):
        for name in names:
            getattr(other, name)(qubit)
    between = data.draw(circuits(qubits))
    other = other.compose(between).compose(between.inverse()).compose(circuit)
    overlap = np.vdot(Operator(circuit).data, Operator(other).data) / 2**qubits
    assert abs(np.exp(1j * phase_between(circuit, other)) - overlap) < 1e-9


@pytest.mark.parametrize("name", ["h", "x", "sx", "y"])
def test_circuits_that_differ_are_refused(name: str) -> None:
    circuit, other = QuantumCircuit(3), QuantumCircuit(3)
    circuit.cx(0, 1)
    other.cx(0, 1)
    getattr(other, name)(2)
    with pytest.raises(ValueError, match="differ"):
        phase_between(circuit, other)


def test_many_qubits_take_no_state_vector() -> None:
    circuit = QuantumCircuit(60)
    for layer in range(6):
        for qubit in range(60):
            circuit.h(qubit)
            circuit.s(qubit)
        for qubit in range(layer % 2, 59, 2):
            circuit.cx(qubit, qubit + 1)
    other = circuit.copy()
    for name in ("s", "h") * 3:
        getattr(other, name)(30)
    assert phase_between(circuit, other) == pytest.approx(np.pi / 4)
