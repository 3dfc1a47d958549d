"""Readout inversion: beside its definition, the values without readout errors, and its mean over shots."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from dense_noise import AER_ACCURACY
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen import LayerCircuit
from qgen.backends import Backend, open_backend
from qgen.backends.mitigation.readout import LEAST, Calibration, reading_weights
from qgen.circuits import ansatz
from qgen.errors import BackendError
from qgen.randomness import Streams

NOISE = """
basis: [rz, sx, x, cx]
depolarizing: {one_qubit: 0.005, two_qubit: 0.02}
relaxation: {t1_us: 40, t2_us: 60, one_qubit_ns: 100, two_qubit_ns: 900}
readout: [[0.93, 0.07], [0.12, 0.88]]
"""
A, B = 0.07, 0.12
FAR = 5.0  # standard errors


@pytest.fixture(scope="module", autouse=True)
def _noise_files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "noise.yaml").write_text(NOISE)
    (folder / "chance.yaml").write_text("readout: [[0.55, 0.45], [0.53, 0.47]]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


@lru_cache
def opened(name: str, **options: Any) -> Backend:
    return open_backend(name, **options)


def numbers(circuit: LayerCircuit, rng: np.random.Generator, lead: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    sizes = (lead, circuit.num_inputs), (circuit.num_weights,)
    inputs, weights = (torch.from_numpy(rng.uniform(-3, 3, size)) for size in sizes)
    return inputs, weights


@pytest.mark.parametrize("name", ["noisy:fake_fez", "noisy:noise.yaml", "aer:noise.yaml"])
@examples(3)
@given(circuit=layer_circuits(most_qubits=4, most_gates=8), seed=st.integers(0, 2**32 - 1))
def test_without_shots_values_are_those_without_readout_errors(name: str, circuit: LayerCircuit, seed: int) -> None:
    inputs, weights = numbers(circuit, np.random.default_rng(seed))
    norm = max(1.0, *(float(np.abs(observable.coeffs).sum()) for observable in circuit.observables))
    found = opened(name, mitigation="readout").compile(circuit).expectations(inputs, weights)
    wanted = opened(name, noise=("gates", "relaxation")).compile(circuit).expectations(inputs, weights)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10 * norm)


def test_it_is_the_inverse_of_what_is_read(rng: np.random.Generator) -> None:
    """By its definition: the product of (Z - (b - a)) / (1 - a - b), from values that were read with errors."""
    circuit = ansatz("hardware-efficient", qubits=3, layers=1)
    inputs, weights = numbers(circuit, rng)
    body, roles = circuit.circuit, (circuit.inputs, circuit.weights)
    parts = list(product((0, 1), repeat=3))  # XZY on three qubits, multiplied out
    labels = ["".join(axis if is_in else "I" for axis, is_in in zip("XZY", part, strict=True)) for part in parts]
    shares = torch.tensor([(A - B) ** (3 - sum(part)) for part in parts]).double()
    for simulator in ("noisy", "aer"):
        values = opened(f"{simulator}:noise.yaml").compile(LayerCircuit(body, *roles, labels))
        read = (shares * values.expectations(inputs, weights)).sum(dim=1, keepdim=True)
        executable = opened(f"{simulator}:noise.yaml", mitigation="readout").compile(
            LayerCircuit(body, *roles, ["XZY"])
        )
        found = executable.expectations(inputs, weights)
        worse = (1 + abs(A - B)) ** 3 / (1 - A - B) ** 3  # than Aer's values, which both sides combine
        torch.testing.assert_close(found, read / (1 - A - B) ** 3, rtol=0, atol=2 * worse * AER_ACCURACY)


@pytest.mark.parametrize("simulator", ["noisy", "aer"])
def test_shots_are_unbiased(simulator: str, rng: np.random.Generator) -> None:
    """Several bases, strings on one to three qubits: the mean of many rows is the value without readout errors."""
    rows, shots = {"noisy": 4000, "aer": 1000}[simulator], 200
    source = ansatz("hardware-efficient", qubits=3, layers=1)
    circuit = LayerCircuit(source.circuit, source.inputs, source.weights, ["ZZZ", "IIZ", "XIX", "IYI"])
    one, weights = numbers(circuit, rng, lead=1)
    wanted = opened(f"{simulator}:noise.yaml", mitigation="readout").compile(circuit).expectations(one, weights)
    options = {"mitigation": "readout", "shots": shots}
    executable = opened(f"{simulator}:noise.yaml", **options).compile(circuit)
    found = executable.expectations(one.expand(rows, -1), weights, rng.integers(0, 2**62, rows))
    errors = (found.mean(dim=0) - wanted[0]) / (found.std(dim=0) / rows**0.5)
    # Beside chance, a calibration's own error squared: a ratio of estimates is off by about 1 / shots.
    slack = 3 * (A * (1 - A) + B * (1 - B)) / shots / (1 - A - B) ** 2 / (found.std(dim=0) / rows**0.5)
    assert (errors.abs() < FAR + slack).all()
    plain = opened(f"{simulator}:noise.yaml", shots=shots).compile(circuit)
    biased = plain.expectations(one.expand(rows, -1), weights, rng.integers(0, 2**62, rows))
    assert ((biased.mean(dim=0) - wanted[0]).abs() > 3 * (found.mean(dim=0) - wanted[0]).abs()).any()


def test_weights_undo_the_errors_that_they_are_of(rng: np.random.Generator) -> None:
    errors = rng.uniform(0, 0.45, (5, 2))
    weights = reading_weights(errors)
    a, b = errors.T
    np.testing.assert_allclose((1 - a) * weights[:, 0] + a * weights[:, 1], 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(b * weights[:, 0] + (1 - b) * weights[:, 1], -1, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(reading_weights(np.zeros((1, 2))), [[1, -1]])
    assert np.isfinite(reading_weights(np.array([[1.0, 1.0], [0.5, 0.5]]))).all()  # found in a few shots


def test_a_calibration_is_that_of_each_row(rng: np.random.Generator) -> None:
    """Counts of two circuits, all prepared 0 and all prepared 1, from the row's own stream."""
    confusion = np.array([[[0.9, 0.1], [0.2, 0.8]], [[1.0, 0.0], [0.0, 1.0]]])
    seeds = tuple(rng.integers(0, 2**62, 3000).tolist())
    found = Calibration(confusion, 50).weights(Streams(seeds, 1))
    assert found.shape == (3000, 2, 2)
    np.testing.assert_array_equal(found[:, 1], np.tile([1.0, -1.0], (3000, 1)))
    np.testing.assert_array_equal(Calibration(confusion, 50).weights(Streams(seeds[7:8], 1)), found[7:8])
    left = 2 / (found[:, 0, 0] - found[:, 0, 1])  # 1 - a - b, as it was found
    difference = left * (found[:, 0, 0] + found[:, 0, 1]) / -2  # b - a
    a, b = (1 - left - difference) / 2, (1 - left + difference) / 2
    for rates, rate in ((a, 0.1), (b, 0.2)):
        deviation = np.sqrt(rate * (1 - rate) / 50)
        assert abs(rates.mean() - rate) < FAR * deviation / np.sqrt(3000)
        assert abs(rates.std() / deviation - 1) < 0.1
    assert abs(np.corrcoef(a, b)[0, 1]) < FAR / np.sqrt(3000)


def test_readings_that_say_nothing_are_refused() -> None:
    circuit = ansatz("basic", qubits=2, layers=1)
    for options in ({}, {"shots": 100}):
        backend = open_backend("noisy:chance.yaml", mitigation="readout", **options)
        with pytest.raises(BackendError, match=r"qubit \d is read wrongly with probabilities 0.45 \(of 0\) and 0.53"):
            backend.compile(circuit)
    assert LEAST > 1 - 0.45 - 0.53
