"""Affine angles from parameters to half turns and back, and what is said of numbers that are not finite."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qgen.backends import open_backend
from qgen.backends.statevector import angles
from qgen.backends.statevector.affine import affine_map, few_half_turns, pull_back
from qgen.circuits import ansatz
from qgen.errors import InputError


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (4, 6), (1, 1)])
def test_half_turns_are_those_of_the_matrix_and_the_way_back_is_its_transpose(
    shape: tuple[int, int], rng: np.random.Generator
) -> None:
    slopes = rng.normal(size=shape) * (rng.random(size=shape) < 0.5)
    offset, rows = rng.normal(size=shape[1]), rng.normal(size=(5, shape[0]))
    affine = affine_map(offset, slopes)
    turns = [np.empty((5, shape[1]), dtype=np.complex128) for _ in range(2)]
    assert few_half_turns(rows, rows, affine, affine, *turns)
    for found in turns:
        np.testing.assert_allclose(found, np.exp(0.5j * (offset + rows @ slopes)), rtol=0, atol=1e-14)
    upstream = rng.normal(size=(5, shape[1]))
    found, none = np.empty((5, shape[0])), np.empty((0, shape[0]))
    pull_back(upstream, upstream, affine, affine, found, none)
    np.testing.assert_allclose(found, upstream @ slopes.T, rtol=0, atol=1e-14)


@pytest.mark.parametrize("few", [0, 1 << 30])
@pytest.mark.parametrize("place", ["inputs", "weights"])
def test_numbers_that_are_not_finite_are_named_by_their_place(
    place: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(angles, "FEW", few)
    circuit = ansatz("hqconv", qubits=4, layers=1)
    numbers = {"inputs": torch.zeros(2, 3, 4), "weights": torch.zeros(2, 1, circuit.num_weights)}
    numbers[place][1, 0, 2] = float("nan")
    executable = open_backend("statevector").compile(circuit)
    for call in (executable.expectations, lambda *two: executable.expectations_with_vjp(*two, (True, True))):
        with pytest.raises(InputError, match=rf"{place}\[1, 0, 2\] is nan"):
            call(numbers["inputs"], numbers["weights"])
