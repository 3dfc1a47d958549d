"""Matrices as turns of two levels each: their product is the matrix, to the last bits."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import random_unitary
from scipy.linalg import expm

from qgen.backends.statevector.unitary import two_level_turns


def product(turns: list, size: int) -> np.ndarray:
    """What the turns multiply to."""
    whole = np.eye(size, dtype=complex)
    for turn in turns:
        rows = [turn.row & ~(1 << turn.target), turn.row | 1 << turn.target]
        whole[rows] = turn.matrix @ whole[rows]
    return whole


def same_but_for_phase(found: np.ndarray, wanted: np.ndarray) -> bool:
    phase = np.vdot(found, wanted)
    return bool(np.abs(found * phase / abs(phase) - wanted).max() < 1e-13)


@pytest.mark.parametrize("qubits", [1, 2, 3, 4, 5])
def test_random_matrices(qubits: int, rng: np.random.Generator) -> None:
    matrix = random_unitary(1 << qubits, seed=int(rng.integers(2**31))).data
    turns = two_level_turns(matrix)
    assert len(turns) == (1 << qubits) * ((1 << qubits) - 1) // 2
    assert same_but_for_phase(product(turns, 1 << qubits), matrix)


@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
def test_special_matrices(qubits: int, rng: np.random.Generator) -> None:
    size = 1 << qubits
    diagonal = np.diag(np.exp(1j * rng.uniform(-3, 3, size)))
    permutation = np.eye(size)[rng.permutation(size)]
    near = expm(1e-6j * np.fliplr(np.eye(size)))
    for matrix in (np.eye(size), diagonal, permutation, near, permutation @ diagonal, near @ permutation):
        assert same_but_for_phase(product(two_level_turns(matrix.astype(complex)), size), matrix)
