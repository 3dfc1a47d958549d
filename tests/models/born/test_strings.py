"""Z strings of IQP circuits: sampled values and gradients are the exact ones, the loss has no bias."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from qiskit.quantum_info import Pauli, Statevector

from qgen.circuits.iqp import IQP, iqp
from qgen.models.born.kernels import GaussianKernels
from qgen.models.born.strings import (
    data_values,
    exact_squared_differences,
    phases,
    squared_differences,
    squared_mean,
    z_values,
)

SCALES = (0.7, 1.5, 4.0)


def numbers(circuit: IQP, rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.uniform(-1.5, 1.5, len(circuit.gates)))


def masks_of(circuit: IQP) -> torch.Tensor:
    return torch.from_numpy(circuit.masks).double()


def all_bits(qubits: int) -> torch.Tensor:
    """(2^n, n), qubit 0 the lowest bit of the row's number."""
    return torch.tensor(list(product((0.0, 1.0), repeat=qubits))).double().flip(1)


def test_values_are_those_of_statevector(rng: np.random.Generator) -> None:
    """To five standard errors, which are themselves right; with all samples, to rounding."""
    circuit = IQP(5, ((0,), (1, 3), (0, 2), (2, 3, 4), (1,), (3,)))
    theta, layer, strings = numbers(circuit, rng), circuit.circuit(), all_bits(5)
    state = Statevector(layer.circuit.assign_parameters(dict(zip(layer.weights, theta.tolist(), strict=True))))
    labels = ["".join("IZ"[int(bit)] for bit in reversed(row)) for row in strings.tolist()]
    wanted = torch.tensor([float(state.expectation_value(Pauli(label)).real) for label in labels], dtype=torch.float64)
    whole, _ = z_values(theta, masks_of(circuit), strings, all_bits(5))
    torch.testing.assert_close(whole, wanted, rtol=0, atol=1e-12)
    samples = torch.from_numpy(rng.integers(0, 2, (4000, 5))).double()
    found, errors = z_values(theta, masks_of(circuit), strings, samples)
    assert (errors <= 1.01 / 4000**0.5).all()
    # 32 values: one is off by 5.5 of its errors once in a million runs.
    assert ((found - wanted).abs() <= 5.5 * errors + 1e-9).all()


def test_gradients_are_differences_of_the_exact_values(rng: np.random.Generator) -> None:
    circuit = iqp(5, "all")
    theta, string = numbers(circuit, rng), torch.from_numpy(rng.integers(0, 2, (1, 5))).double()
    signs = 1 - 2 * (all_bits(5) @ string[0]).remainder(2).numpy()

    def exact(angles: np.ndarray) -> float:
        return float(circuit.probabilities(angles) @ signs)

    leaf = theta.clone().requires_grad_()
    phases(leaf, masks_of(circuit), string, all_bits(5)).cos().mean().backward()
    moves = 1e-5 * np.eye(len(theta))
    wanted = [(exact(theta.numpy() + move) - exact(theta.numpy() - move)) / 2e-5 for move in moves]
    np.testing.assert_allclose(leaf.grad.numpy(), wanted, rtol=0, atol=1e-8)
    # Sampled ones scatter around it.
    samples = torch.from_numpy(rng.integers(0, 2, (200, 100, 5))).double()
    each = []
    for some in samples:
        leaf.grad = None
        phases(leaf, masks_of(circuit), string, some).cos().mean().backward()
        each.append(leaf.grad.numpy().copy())
    off = np.abs(np.mean(each, axis=0) - wanted)
    assert (off <= 6 * np.std(each, axis=0) / len(each) ** 0.5 + 1e-9).all()


def kernel_mmd(model: np.ndarray, data: np.ndarray) -> float:
    """By the definition: means of Gaussian kernels of all pairs, averaged over scales."""
    numbers = np.arange(len(model))
    distance = np.bitwise_count(numbers[:, None] ^ numbers).astype(np.float64)
    difference = model - data
    kernels = [np.exp(-distance / (2 * scale**2)) for scale in SCALES]
    return float(np.mean([difference @ kernel @ difference for kernel in kernels]))


def test_the_estimate_of_the_loss_has_no_bias(rng: np.random.Generator) -> None:
    """Against enumeration at ten bits, with few samples, where the square of a mean would be off by its variance."""
    circuit, source = iqp(10, "line"), torch.Generator().manual_seed(int(rng.integers(2**31)))
    theta, bits = numbers(circuit, rng), torch.from_numpy(rng.integers(0, 2, (50, 10))).double()
    data = np.bincount((bits.numpy() @ (1 << np.arange(10))).astype(int), minlength=1024) / len(bits)
    wanted = kernel_mmd(circuit.probabilities(theta), data)
    kernels = GaussianKernels(10, SCALES)
    squares = exact_squared_differences(torch.from_numpy(circuit.probabilities(theta)), torch.from_numpy(data))
    assert float(kernels.exact_mmd(squares)) == pytest.approx(wanted, rel=1e-9)
    found = []
    for _ in range(800):
        strings = kernels.draw(20, source).double()
        samples = torch.rand(6, 10, generator=source).round().double()
        cosines = phases(theta, masks_of(circuit), strings, samples).cos()
        found.append(float(squared_differences(cosines, data_values(bits, strings)).mean()))
    assert abs(np.mean(found) - wanted) <= 6 * np.std(found) / len(found) ** 0.5
    assert 20 * np.std(found) / len(found) ** 0.5 < 1 / 6  # a biased one would be seen


def test_squares_of_means_have_no_bias() -> None:
    """All pairs of two numbers, each as likely: the mean of estimates is the square of the mean."""
    values = torch.tensor([-1.0, 0.25, 2.0]).double()
    estimates = [squared_mean(torch.stack([a, b])[:, None]) for a in values for b in values]
    torch.testing.assert_close(torch.stack(estimates).mean(), values.mean().square())


def test_the_variance_of_samples_is_taken_off() -> None:
    """Three samples of two bits, all 64 cases by their probabilities: the mean is that of the exact distribution."""
    truth, model = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.35, 0.15]], dtype=torch.float64)
    strings, mean, mean_of_all = all_bits(2), torch.zeros(4).double(), torch.zeros(4).double()
    values = model @ (1 - 2 * (all_bits(2) @ strings.T).remainder(2))
    for codes in product(range(4), repeat=3):
        chance = truth[list(codes)].prod()
        data = data_values(all_bits(2)[list(codes)], strings)
        mean += chance * squared_differences(values.expand(2, 4), data, 3)
        frequencies = torch.bincount(torch.tensor(codes), minlength=4).double() / 3
        mean_of_all += chance * exact_squared_differences(model, frequencies, 3)
    wanted = exact_squared_differences(model, truth)
    torch.testing.assert_close(mean, wanted, rtol=0, atol=1e-14)
    torch.testing.assert_close(mean_of_all, wanted, rtol=0, atol=1e-14)
