"""Readout error mitigation of shots: against dense inversion, without bias where all strings are read, and refusals."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import torch

from qgen.backends import open_backend
from qgen.backends.mitigation import shots as module
from qgen.backends.mitigation.readout import reading_weights
from qgen.backends.mitigation.shots import Confusion, Readings, mitigate_shots, nearest_probabilities
from qgen.circuits import ansatz
from qgen.errors import BackendError

Floats = np.ndarray


def random_errors(rng: np.random.Generator, bits: int) -> Floats:
    return rng.uniform(0, 0.15, size=(bits, 2))


def dense(errors: Floats) -> Floats:
    """The matrix [read, prepared] (2^n, 2^n), bit 0 lowest: a Kronecker product."""
    return reduce(np.kron, [np.array([[1 - a, b], [a, 1 - b]]) for a, b in errors[::-1]])


def all_strings(bits: int) -> Floats:
    return (np.arange(1 << bits)[:, None] >> np.arange(bits) & 1).astype(np.uint8)


@pytest.mark.parametrize("iterated", [False, True])
def test_it_is_dense_inversion_among_what_was_read(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, iterated: bool
) -> None:
    if iterated:
        monkeypatch.setattr(module, "MOST_DENSE", 0)
        monkeypatch.setattr(module, "BLOCK", 100)
    bits = int(rng.integers(1, 9))
    errors, whole = random_errors(rng, bits), rng.dirichlet(np.ones(1 << bits))
    found = Confusion(all_strings(bits), errors).invert(whole)
    condition = np.prod(1 / (1 - errors.sum(axis=1)))  # of the inverse, in the norm of sums of absolute values
    np.testing.assert_allclose(found, np.linalg.solve(dense(errors), whole), rtol=0, atol=1e-6 * condition)
    assert found.sum() == pytest.approx(1, abs=1e-6 * condition)
    some = np.sort(rng.choice(1 << bits, size=1 + int(rng.integers(1 << bits)), replace=False))
    shares = rng.dirichlet(np.ones(len(some)))
    part = dense(errors)[np.ix_(some, some)]
    wanted = np.linalg.solve(part / part.sum(axis=0), shares)
    found = Confusion(all_strings(bits)[some], errors).invert(shares)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * np.linalg.cond(part))


def test_an_iteration_that_does_not_converge_ends_soon(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 9 bits that are read wrongly nearly half of the time the condition is 10^9 and more."""
    products, times = [], Confusion._times

    def counted(self: Confusion, values: Floats) -> Floats:
        products.append(len(values))
        return times(self, values)

    monkeypatch.setattr(module, "MOST_DENSE", 0)
    monkeypatch.setattr(Confusion, "_times", counted)
    confusion = Confusion(all_strings(9), rng.uniform(0.45, 0.47, size=(9, 2)))
    with pytest.raises(BackendError, match=r"512 strings could not be inverted in 500 steps\. Take other qubits"):
        confusion.invert(rng.dirichlet(np.ones(512)))
    assert 500 <= len(products) <= 500 + 2 * 25  # restarts have a product or two each, beside their steps


def test_the_nearest_probabilities(rng: np.random.Generator) -> None:
    quasi = rng.normal(size=50)
    quasi += (1 - quasi.sum()) / 50
    found = nearest_probabilities(quasi)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    others = rng.dirichlet(np.ones(50), size=200)
    assert (np.sum((found - quasi) ** 2) <= np.sum((others - quasi) ** 2, axis=1)).all()
    # Of a convex set, the nearest point has all others on its far side.
    assert ((others - found) @ (quasi - found) <= 1e-12).all()


def test_means_over_mitigated_shots_are_without_bias_where_all_strings_are_read(rng: np.random.Generator) -> None:
    """Of 3 bits in 2,000 shots none is negative; over 400 batches the mean of each string is the true one."""
    errors, true = rng.uniform(0.02, 0.15, size=(3, 2)), rng.dirichlet(np.full(8, 30.0))
    read = dense(errors) @ true
    means = []
    for _ in range(400):
        bits = all_strings(3)[rng.choice(8, size=2000, p=read)]
        mitigated = mitigate_shots(bits, errors, rng)
        assert mitigated.shape == bits.shape
        means.append(np.bincount(mitigated @ [1, 2, 4], minlength=8) / 2000)
    error = np.std(means, axis=0, ddof=1) / 20
    assert (np.abs(np.mean(means, axis=0) - true) < 5 * error).all()
    assert (np.abs(read - true) > 5 * error).any()  # what was read is not
    readings = Readings.of(bits)
    wanted = 2000 * nearest_probabilities(Confusion(readings.strings, errors).invert(readings.shares))
    places = readings.strings @ [1, 2, 4]
    assert (np.abs(2000 * means[-1][places] - wanted) < 1 + 1e-9).all()  # each to the next whole number


def test_values_and_bits_take_the_same_errors_where_these_leave_next_to_nothing(rng: np.random.Generator) -> None:
    """Of one qubit a + b is found to be nearly 1 or more, of the other one not; all strings are read."""
    shots, errors = 200_000, np.stack([rng.uniform(0.5, 0.9, 2), rng.uniform(0.05, 0.2, 2)])
    counted = errors.copy()
    counted[0] *= 0.95 / errors[0].sum()  # what `LEAST` leaves
    if rng.random() < 0.5:
        errors, counted = errors[::-1], counted[::-1]
    true = np.full(4, 0.15) + 0.4 * rng.dirichlet(np.ones(4))
    counts = np.floor(shots * dense(counted) @ true).astype(int)
    bits = np.repeat(all_strings(2), counts, axis=0)
    weights = reading_weights(errors)
    values = np.stack([weights[qubit][bits[:, qubit]] for qubit in range(2)])  # (qubit, shot)
    mitigated = 1 - 2.0 * mitigate_shots(bits, errors, rng).T
    for own in ([0], [1], [0, 1]):
        # Each of the four strings is kept to the next whole number.
        assert values[own].prod(axis=0).mean() == pytest.approx(mitigated[own].prod(axis=0).mean(), abs=4 / len(bits))


@pytest.mark.parametrize("count", [16, 156])
def test_what_cannot_be_corrected_is_said(rng: np.random.Generator, count: int) -> None:
    errors = np.full((count, 2), 0.01)
    bits = rng.integers(2, size=(1000, count), dtype=np.uint8)
    with pytest.raises(BackendError, match=rf"1,000 shots of {count} bits read \S+, too far .* leave it out"):
        mitigate_shots(bits, errors, rng)
    assert (mitigate_shots(bits[:1], errors, rng) == bits[:1]).all()
    np.testing.assert_array_equal(np.sort(mitigate_shots(bits, 0 * errors, rng), axis=0), np.sort(bits, axis=0))
    useless = mitigate_shots(np.array([[0], [1]], dtype=np.uint8), np.array([[0.5, 0.5]]), rng)
    assert useless.shape == (2, 1)


@pytest.mark.parametrize("name", ["noisy", "aer"])
def test_drawn_bits_lose_their_errors_of_reading(
    name: str, rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "read.yaml").write_text("readout: [[0.9, 0.1], [0.15, 0.85]]\n")
    circuit = ansatz("hardware-efficient", qubits=3, layers=1)
    inputs = torch.from_numpy(rng.uniform(-1, 1, size=(2, circuit.num_inputs)))
    weights = torch.from_numpy(rng.uniform(-3, 3, size=circuit.num_weights))
    drawn = {
        mitigation: open_backend(f"{name}:read.yaml", mitigation=mitigation)
        .compile(circuit)
        .draw(inputs, weights, 20_000, 3)
        for mitigation in ("readout", None)
    }
    assert drawn["readout"].shape == (2, 20_000, 3)
    ideal = open_backend("statevector").compile(circuit).draw(inputs, weights, 200_000, 4)
    for row in range(2):
        wanted, mitigated, read = (
            np.bincount(bits[row].numpy() @ [1, 2, 4], minlength=8) / bits.shape[1]
            for bits in (ideal, drawn["readout"], drawn[None])
        )
        # Each mean of a bit has the errors of 20,000 shots and of their calibrations, over 1 - a - b = 0.75.
        assert np.abs(mitigated - wanted).max() < 5 * 2 * 0.5 / 0.75**3 / 20_000**0.5
        # One state in a hundred is nearly uniform, and loses hardly anything by reading.
        assert np.abs(mitigated - wanted).sum() < max(np.abs(read - wanted).sum(), 0.06)
