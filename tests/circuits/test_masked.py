"""The masked ansatz: its two forms are one map."""

from typing import Any

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.circuits import ansatz
from qgen.errors import CircuitError


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("qubits", [1, 3, 4])
def test_the_two_forms_agree(qubits: int, mirrored: bool, rng: np.random.Generator, expectations) -> None:
    ancilla = ansatz("masked", qubits=qubits, form="ancilla", mirrored=mirrored)
    mixture = ansatz("masked", qubits=qubits, mirrored=mirrored)
    assert (ancilla.qubits, mixture.qubits) == (2 * qubits, qubits)
    assert ancilla.num_inputs == mixture.num_inputs == qubits
    assert ancilla.num_observables == mixture.num_observables == qubits
    assert ancilla.num_weights == mixture.num_weights == 2 * 3 * qubits
    x, w = rng.normal(size=qubits), rng.uniform(0, 2 * np.pi, 6 * qubits)
    assert np.allclose(expectations(ancilla, x, w), expectations(mixture, x, w), rtol=0, atol=1e-10)


def test_a_full_mask_is_the_plain_circuit(rng: np.random.Generator, expectations) -> None:
    x, w = rng.normal(size=4), rng.uniform(0, 2 * np.pi, 12)
    masked = ansatz("masked", layers=1).conditional
    plain = ansatz("strongly-entangling", layers=1)
    values = expectations(masked, np.concatenate([x, np.ones(4)]), w)
    assert np.allclose(values, expectations(plain, np.arctan(x), w), rtol=0, atol=1e-12)


@examples(30)
@given(st.integers(1, 7), st.data())
def test_drawn_masks_are_distinct_bits(qubits: int, data: st.DataObject) -> None:
    masks, seed = data.draw(st.integers(1, 2**qubits)), data.draw(st.integers(0, 10**9))
    points = ansatz("masked", qubits=qubits, masks=masks, seed=seed).mixture.points
    assert points.shape == (masks, qubits)
    assert set(np.unique(points)) <= {0.0, 1.0}
    assert len(np.unique(points, axis=0)) == masks
    again = ansatz("masked", qubits=qubits, masks=masks, seed=seed).mixture.points
    assert np.array_equal(points, again)


def test_drawing_every_mask_is_having_every_mask() -> None:
    drawn, every = (ansatz("masked", **options).mixture.points for options in ({"masks": 16, "seed": 3}, {}))
    assert {tuple(point) for point in drawn} == {tuple(point) for point in every}


def test_each_mask_is_as_likely_as_any_other(rng: np.random.Generator) -> None:
    draws, seeds = 3, 400
    counts = np.zeros(16)
    for seed in rng.integers(2**32, size=seeds):
        points = ansatz("masked", layers=1, masks=draws, seed=seed).mixture.points
        counts[(points @ [1, 2, 4, 8]).astype(int)] += 1
    expected = seeds * draws / 16
    # Chi-squared with 15 degrees of freedom exceeds 60 once in about 4 million tests.
    assert ((counts - expected) ** 2 / expected).sum() < 60


def test_the_wide_circuit_needs_few_masks() -> None:
    wide = ansatz("masked", qubits=40, masks=8, seed=1)
    assert wide.mixture.points.shape == (8, 40)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "mixed"}, r"form of the ansatz 'masked' 'mixed' does not exist\. Allowed: mixture, ancilla\. Did"),
        ({"qubits": 13}, r"2\^13 masks, too many to evaluate all .*set the option masks, for example masks=64"),
        ({"qubits": 63, "masks": 4}, "at most 62 qubits"),
        ({"masks": 17}, "4 qubits have 16 masks; 17 cannot be drawn; leave masks out"),
        ({"qubits": 40, "masks": 10**10}, "masks=10,000,000,000 circuits .* 65,536 at most"),
        ({"masks": 0}, "masks must be at least 1, not 0"),
        ({"masks": 2.5}, "masks must be a whole number of at least 1, not 2.5"),
        ({"masks": 4, "seed": -1}, "seed must be at least 0, not -1"),
        ({"seed": 1}, "set the option masks, for example masks=64, or leave seed out"),
        ({"form": "ancilla", "masks": 4}, "masks and seed belong to form='mixture'"),
        ({"form": "ancilla", "seed": 4}, "masks and seed belong to form='mixture'"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        ansatz("masked", **options)
