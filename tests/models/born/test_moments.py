"""First and second moments of IQP circuits, and angles that are fitted to them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from qgen.circuits.iqp import IQP, iqp
from qgen.models.born.machine import BornMachine
from qgen.models.born.moments import correlated, fit_moments, moments


def exact(circuit: IQP, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """<Z_i> (n,) and <Z_i Z_j> (n, n), from all probabilities."""
    signs = 1 - 2 * (np.arange(1 << circuit.qubits)[:, None] >> np.arange(circuit.qubits) & 1)
    probabilities = circuit.probabilities(angles)
    return probabilities @ signs, signs.T @ (probabilities[:, None] * signs)


def matrices(circuit: IQP, angles: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    single, double = np.zeros(circuit.qubits), np.zeros((circuit.qubits, circuit.qubits))
    for gate, angle in zip(circuit.gates, angles, strict=True):
        if len(gate) == 1:
            single[gate[0]] = angle
        else:
            double[gate] = double[gate[::-1]] = angle
    return torch.from_numpy(single), torch.from_numpy(double)


@pytest.mark.parametrize("coupling", ["all", "line", "grid"])
def test_moments_are_those_of_all_probabilities(coupling: str, rng: np.random.Generator) -> None:
    circuit = iqp(5, coupling, hidden=1)
    angles = rng.uniform(-2, 2, len(circuit.gates))
    pairs = torch.tensor(list(combinations(range(6), 2)))
    first, second = moments(*matrices(circuit, angles), pairs)
    wanted = exact(circuit, angles)
    np.testing.assert_allclose(first, wanted[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(second, wanted[1][tuple(pairs.T)], rtol=0, atol=1e-12)


def test_pairs_that_no_third_qubit_joins_are_independent(rng: np.random.Generator) -> None:
    circuit = iqp(7, "line")
    angles = rng.uniform(-2, 2, len(circuit.gates))
    first, second = exact(circuit, angles)
    near = {tuple(pair) for pair in correlated(matrices(circuit, angles)[1] != 0).tolist()}
    for i, j in combinations(range(7), 2):
        if (i, j) not in near:
            assert second[i, j] == pytest.approx(first[i] * first[j], abs=1e-12)
    assert near == {(i, j) for i, j in combinations(range(7), 2) if j - i <= 2}


def test_a_start_has_the_moments_of_the_data(rng: np.random.Generator) -> None:
    """Of balanced bits that agree, too: where the marginals say nothing, and an angle of 0 has no gradient."""
    hidden = rng.integers(0, 2, (4000, 2))
    flips = rng.random((4000, 6)) < 0.2
    bits = torch.from_numpy(hidden[:, [0, 0, 0, 1, 1, 1]] ^ flips).float()
    machine = BornMachine(iqp(6, "all"))
    machine.start(bits.mean(0), bits.T @ bits / len(bits))
    found = exact(machine.iqp, machine.weight.detach().numpy())
    signs = 1 - 2 * bits.numpy()
    np.testing.assert_allclose(found[0], signs.mean(0), rtol=0, atol=0.05)
    np.testing.assert_allclose(found[1], signs.T @ signs / len(signs), rtol=0, atol=0.1)


def test_gates_on_three_qubits_start_at_zero() -> None:
    gates = ((0,), (1,), (2,), (0, 1, 2))
    angles = fit_moments(gates, 3, torch.tensor([0.5, 0.0, -0.5]), torch.eye(3), torch.Generator().manual_seed(0))
    np.testing.assert_allclose((2 * angles[:3]).cos(), [0.5, 0, -0.5], rtol=0, atol=1e-3)
    assert float(angles[3]) == 0
