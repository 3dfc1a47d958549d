"""Readout errors: products over qubits, and probabilities as they scale."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgen.noise import apply_readout_error
from qgen.noise.readout import confusion_matrices

EXACT = 1e-12


@pytest.mark.parametrize("qubits", [1, 2, 5, 6, 7, 11])
def test_confusion_is_a_product_over_qubits(qubits: int, rng: np.random.Generator) -> None:
    there = rng.dirichlet(np.ones(2**qubits), size=3)
    confusion = rng.dirichlet([1, 1], size=(qubits, 2))
    whole = reduce(np.kron, confusion[::-1])
    np.testing.assert_allclose(apply_readout_error(there, confusion), there @ whole, rtol=0, atol=EXACT)


def test_a_row_is_rounded_alike_whatever_rows_are_beside_it(rng: np.random.Generator) -> None:
    qubits = int(rng.integers(1, 9))
    there, confusion = rng.dirichlet(np.ones(2**qubits), size=9), rng.dirichlet([1, 1], size=(qubits, 2))
    alone = [apply_readout_error(row[None], confusion)[0] for row in there]
    np.testing.assert_array_equal(apply_readout_error(there, confusion), alone)


def test_confusion_reads_what_was_prepared() -> None:
    """Qubit 0 is prepared as 1 and read as 0 in three cases of ten; qubit 1 as it is."""
    confusion = np.array([[[1, 0], [0.3, 0.7]], [[1, 0], [0, 1]]])
    np.testing.assert_allclose(
        apply_readout_error(np.array([[0, 0, 0, 1.0]]), confusion), [[0, 0, 0.3, 0.7]], rtol=0, atol=EXACT
    )


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4), st.floats(0, 10))
def test_errors_scale_up_to_those_of_a_random_bit(errors: list[tuple[float, float]], scale: float) -> None:
    matrices = confusion_matrices(errors, scale)
    assert matrices.shape == (len(errors), 2, 2)
    np.testing.assert_allclose(matrices.sum(axis=2), 1, atol=EXACT)
    for (zero, one), matrix in zip(errors, matrices, strict=True):
        for error, read in ((zero, matrix[0, 1]), (one, matrix[1, 0])):
            assert read == pytest.approx(min(scale * error, 0.5) if error <= 0.5 else min(scale, 1) * error)
