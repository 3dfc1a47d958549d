"""IQP circuits: the circuit and its closed form agree, couplings are what their names say."""

from __future__ import annotations

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit.quantum_info import Statevector

from qgen.circuits.iqp import COUPLINGS, IQP, iqp
from qgen.errors import CircuitError


@st.composite
def iqps(draw: st.DrawFn, most: int = 6) -> IQP:
    """Gates on one to four qubits, each set of qubits once."""
    qubits = draw(st.integers(1, most))
    gate = st.sets(st.integers(0, qubits - 1), min_size=1, max_size=4).map(lambda some: tuple(sorted(some)))
    gates = draw(st.lists(gate, max_size=8, unique=True))
    return IQP(qubits, tuple(gates), draw(st.integers(0, qubits - 1)))


@examples(40)
@given(circuit=iqps(), seed=st.integers(0, 2**31))
def test_probabilities_are_those_of_the_circuit(circuit: IQP, seed: int) -> None:
    theta, layer = np.random.default_rng(seed).uniform(-4, 4, len(circuit.gates)), circuit.circuit()
    bound = layer.circuit.assign_parameters(dict(zip(layer.weights, theta.tolist(), strict=True)))
    np.testing.assert_allclose(circuit.probabilities(theta), Statevector(bound).probabilities(), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(circuit.masks.sum(axis=1), [len(gate) for gate in circuit.gates])


def test_gates_on_one_qubit_are_independent_bits(rng: np.random.Generator) -> None:
    theta, circuit = rng.uniform(-4, 4, 3), iqp(3, "none")
    one = np.sin(theta) ** 2
    wanted = [np.prod([one[q] if state >> q & 1 else 1 - one[q] for q in range(3)]) for state in range(8)]
    np.testing.assert_allclose(circuit.probabilities(theta), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [*COUPLINGS, "local:3"])
@pytest.mark.parametrize("qubits", [1, 2, 5, 9, 20])
def test_couplings_are_different_pairs(name: str, qubits: int) -> None:
    circuit = iqp(qubits, name)
    pairs = [frozenset(gate) for gate in circuit.gates[qubits:]]
    assert len(set(pairs)) == len(pairs)
    assert all(len(pair) == 2 for pair in pairs)
    assert list(circuit.gates[:qubits]) == [(qubit,) for qubit in range(qubits)]
    counts = {"none": 0, "line": qubits - 1, "all": qubits * (qubits - 1) // 2}
    assert len(pairs) == counts.get(name, len(pairs))


def test_a_grid_has_both_directions() -> None:
    pairs = set(iqp(9, "grid").gates[9:])
    assert pairs == {(0, 1), (1, 2), (3, 4), (4, 5), (6, 7), (7, 8), (0, 3), (1, 4), (2, 5), (3, 6), (4, 7), (5, 8)}


def test_what_is_wrong_is_said() -> None:
    for given_coupling, what in (
        ("ring", "there is no coupling 'ring': take none, line"),
        ("local:0", "local:0"),
        ([(0, 9)], r"qubits from 0 to 3, not \(0, 9\)"),
        ([(1, 1)], r"not \(1, 1\)"),
    ):
        with pytest.raises(CircuitError, match=what):
            iqp(4, given_coupling)
    with pytest.raises(CircuitError, match="20 qubits are the most"):
        iqp(21, "line").probabilities(np.zeros(41))
