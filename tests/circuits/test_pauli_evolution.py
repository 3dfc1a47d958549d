"""Evolutions in gates are exp(-i t H), worked out by SciPy, for any sum of Pauli strings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.quantum_info import Operator, SparsePauliOp
from scipy.linalg import expm

from qgen.circuits.exact_synthesis import synthesize_exactly
from qgen.circuits.pauli_evolution import synthesize_evolution
from qgen.errors import ProductFormulaWarning

TIME = Parameter("time")


@st.composite
def sums(draw: st.DrawFn) -> SparsePauliOp:
    """Up to 6 terms, some of them equal, on up to 4 qubits; coefficients of any size, zero among them."""
    qubits = draw(st.integers(1, 4))
    label = st.text("IXYZ", min_size=qubits, max_size=qubits)
    coefficient = st.floats(-3, 3) | st.sampled_from([0.0, 1.0, -1.0, 1e-7])
    return SparsePauliOp.from_list(draw(st.lists(st.tuples(label, coefficient), min_size=1, max_size=6)))


@given(operator=sums(), time=st.floats(-5, 5))
def test_it_is_the_exponential_bound_and_open(operator: SparsePauliOp, time: float) -> None:
    wanted = expm(-1j * time * operator.to_matrix())
    for given_time in (time, TIME, 2 * TIME - 0.3):
        evolution = synthesize_evolution(PauliEvolutionGate(operator, given_time), 4)
        assert not evolution.formula
        value = {TIME: time if given_time is TIME else (time + 0.3) / 2} if evolution.circuit.parameters else {}
        matrix = Operator(evolution.circuit.assign_parameters(value)).data
        # What is left of a coefficient after others cancelled may be lost, relative to the largest one.
        assert np.abs(matrix - wanted).max() < 1e-11


@given(operator=sums(), time=st.floats(-5, 5), state=st.integers(0, 3))
def test_so_it_is_under_controls(operator: SparsePauliOp, time: float, state: int) -> None:
    inner = QuantumCircuit(operator.num_qubits, global_phase=0.7)
    inner.append(PauliEvolutionGate(operator, TIME), inner.qubits)
    gate: Gate = inner.to_gate().control(2, ctrl_state=state, annotated=False)
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, circuit.qubits)
    size = len(operator.to_matrix())
    wanted = np.eye(4 * size, dtype=complex)
    wanted[state::4, state::4] = np.exp(0.7j) * expm(-1j * time * operator.to_matrix())
    for one in (circuit, circuit.assign_parameters({TIME: time})):
        written = synthesize_exactly(one, 6)
        assert set(written.parameters) <= set(one.parameters)
        matrix = Operator(written.assign_parameters({TIME: time} if written.parameters else {})).data
        assert np.abs(matrix - wanted).max() < 1e-11


def test_a_circuit_without_such_gates_is_left_as_it_is() -> None:
    circuit = QuantumCircuit(3)
    circuit.rx(TIME, 0)
    circuit.crz(TIME, 0, 1)
    inner = QuantumCircuit(2)
    inner.rzz(TIME, 0, 1)
    circuit.append(inner.to_gate(), [1, 2])
    circuit.append(inner.to_gate().control(1, annotated=False), [0, 1, 2])
    assert synthesize_exactly(circuit, 6) is circuit


def test_what_is_told_is_what_runs() -> None:
    """On too many qubits the gate's own formula runs, for the terms that need one alone."""
    operator = SparsePauliOp(["IIXX", "IIZI", "IIYZ", "IIIX", "ZZII"], [1, 0.5, 0.2, 0.7, 0.3])
    circuit = QuantumCircuit(4)
    circuit.append(PauliEvolutionGate(operator, TIME), range(4))
    with pytest.warns(ProductFormulaWarning, match="LieTrotter, order 1, 1 step, for 4 terms .* on 2 qubits"):
        written = synthesize_exactly(circuit, 1)
    step = circuit.decompose("PauliEvolution").assign_parameters({TIME: 0.8})
    assert Operator(written.assign_parameters({TIME: 0.8})).equiv(Operator(step))
