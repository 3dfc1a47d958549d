"""Values from bits: as from integers where these have room, and of more qubits by the definition."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp

from qgen.backends.measurement import Measurement, as_outcomes, permute_columns, read_by_qubits
from qgen.backends.measurement import outcomes as module

EXACT = 1e-12
numbers = st.integers(0, 2**32)


def drawn_observables(qubits: int, rng: np.random.Generator) -> list[SparsePauliOp]:
    labels = ["".join(rng.choice(list("IIXYZ"), qubits)) for _ in range(5)]
    return [SparsePauliOp(labels[:3], rng.normal(size=3)), SparsePauliOp(labels[2:], rng.normal(size=3))]


@examples(30)
@given(qubits=st.integers(1, 62), rows=st.integers(1, 3), weighted=st.booleans(), seed=numbers)
def test_bits_count_what_integers_count(qubits: int, rows: int, weighted: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    measurement = Measurement(drawn_observables(qubits, rng))
    bits = [rng.integers(0, 2, (rows, 20, qubits), dtype=np.uint8) for _ in measurement.bases]
    weights = rng.normal(size=(rows, qubits, 2)) if weighted else None
    integers = [as_outcomes(of_basis) for of_basis in bits]
    assert all(of_basis.shape == (rows, 20) for of_basis in integers)
    wanted = measurement.from_outcomes(integers, weights)
    np.testing.assert_allclose(measurement.from_outcomes(bits, weights), wanted, rtol=1e-9, atol=EXACT)


@examples(20)
@given(qubits=st.integers(63, 200), chunk=st.sampled_from([7, 1 << 20]), weighted=st.booleans(), seed=numbers)
def test_more_than_62_qubits_are_read_by_the_definition(qubits: int, chunk: int, weighted: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = [int(place) for place in rng.choice(qubits, 3, replace=False)]
    terms = [("ZZ", places[:2], 0.7), ("Z", places[2:], -1.5), ("", [], 0.25)]
    measurement = Measurement([SparsePauliOp.from_sparse_list(terms, num_qubits=qubits)])
    bits = rng.integers(0, 2, (3, 11, qubits), dtype=np.uint8)
    weights = rng.normal(size=(3, qubits, 2)) if weighted else np.tile([1.0, -1.0], (3, qubits, 1))
    wanted = []
    for row, counted in zip(bits, weights, strict=True):
        shots = [[counted[place, shot[place]] for place in places] for shot in row]
        wanted.append([np.mean([0.7 * prod(shot[:2]) - 1.5 * shot[2] + 0.25 for shot in shots])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        found = measurement.from_outcomes([bits], weights if weighted else None)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=EXACT)


@examples(30)
@given(wires=st.lists(st.integers(-1, 9), min_size=1, max_size=90), seed=numbers)
def test_columns_are_permuted_as_bits_of_integers_are(wires: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    readings = rng.integers(0, 2**10, size=(2, 5))
    bits = (readings[..., None] >> np.arange(10) & 1).astype(np.uint8)
    wanted = np.array(
        [[[int(one) >> wire & 1 if wire >= 0 else 0 for wire in wires] for one in row] for row in readings]
    )
    np.testing.assert_array_equal(permute_columns(bits, wires), wanted)
    found = read_by_qubits(readings, wires)
    np.testing.assert_array_equal(found, as_outcomes(wanted.astype(np.uint8)))
    assert found.ndim == (3 if len(wires) > 62 else 2)
