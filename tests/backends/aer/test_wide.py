"""Matrix product states: the values and bits of state vectors, on as many qubits as their bonds allow."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from chi_square import check_frequencies
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import Statevector

from qgen.backends import open_backend
from qgen.backends.aer.wide import Chain, WideExecutable
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError

#: Aer leaves out the smallest weights of a bond.
TRUNCATED = 1e-7


@examples(8)
@given(circuit=layer_circuits(most_qubits=5), seed=st.integers(0, 2**31))
def test_values_and_bits_are_those_of_state_vectors(circuit: LayerCircuit, seed: int) -> None:
    rng, shots = np.random.default_rng(seed), 3000
    numbers = rng.normal(size=(2, circuit.num_inputs)), rng.normal(size=circuit.num_weights)
    executable = WideExecutable(circuit, open_backend("aer"))
    wanted = open_backend("reference").compile(circuit).expectations(*numbers)
    np.testing.assert_allclose(executable.expectations(*numbers), wanted, rtol=0, atol=10 * TRUNCATED)
    bits = executable.draw(*numbers, shots, seed)
    np.testing.assert_array_equal(executable.draw(*numbers, shots, seed), bits)
    for row, inputs in zip(bits, numbers[0], strict=True):
        names, values = circuit.inputs + circuit.weights, [*inputs.tolist(), *numbers[1].tolist()]
        state = Statevector(circuit.circuit.assign_parameters(dict(zip(names, values, strict=True))))
        check_frequencies(row, np.where(state.probabilities() < TRUNCATED, 0, state.probabilities()))


def chained(qubits: int, pairs: list[tuple[int, int]]) -> LayerCircuit:
    """A GHZ-like circuit: rotated qubits, then CX along the pairs."""
    circuit, w = QuantumCircuit(qubits), ParameterVector("w", qubits)
    for qubit in range(qubits):
        circuit.ry(w[qubit], qubit)
    for a, b in pairs:
        circuit.cx(a, b)
    return LayerCircuit(circuit, [], w)


def test_a_hundred_qubits_fit_where_few_gates_cross(rng: np.random.Generator) -> None:
    """Parities along a line, with qubits numbered in any order: known by hand."""
    qubits, shots = 100, 4000
    path = rng.permutation(qubits).tolist()
    executable = open_backend("aer").compile(chained(qubits, list(pairwise(path))))
    assert executable.method == "matrix product state, bond dimension up to 2^1"
    angles = rng.uniform(0, np.pi, qubits)
    bits = executable.draw(np.zeros(0), angles, shots, 1)
    assert bits.shape == (shots, qubits)
    wanted = np.cumprod(np.cos(angles[path]))
    off = np.abs(1 - 2.0 * bits[:, path].mean(axis=0) - wanted)
    assert (off <= 7 * np.sqrt(np.maximum(1 - wanted**2, 0) / shots) + 20 / shots).all()
    np.testing.assert_allclose(executable.expectations(np.zeros(0), angles)[path], wanted, rtol=0, atol=1e-6)


def test_too_large_a_bond_is_refused_before_anything_runs() -> None:
    pairs = list(combinations(range(64), 2))
    with pytest.raises(
        BackendError, match=r"64 qubits do not fit .* bond dimension of up to 2\^32: up to 2\^\d+ bytes"
    ):
        open_backend("aer").compile(chained(64, pairs))
    executable = open_backend("aer", shots=10).compile(chained(64, [(0, 1)]))
    with pytest.raises(BackendError, match="leave shots out"):
        executable.expectations(np.zeros(0), np.zeros(64))


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (3, 20), (20, 3)])
def test_a_grid_is_cut_along_its_shorter_side(rows: int, columns: int) -> None:
    pairs = [(r * columns + c, r * columns + c + 1) for r in range(rows) for c in range(columns - 1)]
    pairs += [(r * columns + c, (r + 1) * columns + c) for r in range(rows - 1) for c in range(columns)]
    assert Chain.of(chained(rows * columns, pairs).circuit).bond <= 2 * min(rows, columns) + 1
