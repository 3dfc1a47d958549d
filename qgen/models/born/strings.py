"""Expectation values of Z strings of IQP circuits by sampled phases, and the distance of distributions made of them.

An IQP circuit has <Z_a> = E_z cos(2 sum over gates j with g_j.a odd of theta_j (-1)^(g_j.z)), z uniform bits: two
products of matrices for a batch of z and a, at any number of qubits. Source: Recio-Armengol, Ahmed and Bowles, 2025,
arXiv:2503.02934, after den Nest, "Simulating quantum computers with probabilistic methods", 2010, arXiv:0911.1624.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qgen.errors import InputError


def phases(theta: Tensor, masks: Tensor, strings: Tensor, samples: Tensor) -> Tensor:
    """Return the phases (M, A) whose cosines have the values of Z strings for their means.

    Args:
        theta: (J,), the angles.
        masks: (J, n), float: 1 where a gate acts.
        strings: (A, n), float: 1 where a string has a Z.
        samples: (M, n), float: uniform bits.
    """
    signs = 1 - 2 * (samples @ masks.T).remainder(2)  # (M, J)
    odd = (strings @ masks.T).remainder(2)  # (A, J)
    return 2 * (signs * theta) @ odd.T


def z_values(theta: Tensor, masks: Tensor, strings: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Return unbiased estimates (A,) of <Z_a>, and their standard errors (A,), at most 1 / sqrt(M); see `phases`."""
    cosines = phases(theta, masks, strings, samples).cos()
    return cosines.mean(0), cosines.std(0) / len(samples) ** 0.5


def string_rates(scales: Sequence[float]) -> Tensor:
    """Return the probabilities with which a string has a Z on a qubit, one for each scale of the kernel.

    The kernel exp(-d / (2 s^2)) of the Hamming distance d is the mean of (-1)^(a.(x + y)) over strings a whose bits are
    1 with probability (1 - exp(-1 / (2 s^2))) / 2.

    Raises:
        InputError: a scale that is not above zero.
    """
    if not scales or not all(scale > 0 for scale in scales):
        raise InputError(f"scales of an MMD's kernel are numbers above 0, not {list(scales)}: give one at least")
    return torch.tensor([(1 - torch.exp(torch.tensor(-0.5 / scale**2, dtype=torch.float64))) / 2 for scale in scales])


def draw_strings(count: int, qubits: int, scales: Sequence[float], source: torch.Generator) -> Tensor:
    """Draw strings (count, n), float32, each by one of the scales."""
    rates = string_rates(scales).float()[torch.randint(len(scales), (count,), generator=source)]
    return (torch.rand(count, qubits, generator=source) < rates[:, None]).float()


def data_values(bits: Tensor, strings: Tensor) -> Tensor:
    """Return the means (A,) of (-1)^(a.x) over bits x (B, n)."""
    return 1 - 2 * (bits @ strings.T).remainder(2).mean(0)


def squared_mean(cosines: Tensor) -> Tensor:
    """Return unbiased estimates (A,) of the squares of means, from M numbers (M, A) each; M is 2 or more."""
    many, mean = len(cosines), cosines.mean(0)
    return (many * mean.square() - cosines.square().mean(0)) / (many - 1)


def mmd(cosines: Tensor, data: Tensor, data_squares: Tensor | None = None) -> Tensor:
    """Return an unbiased estimate of the squared maximum mean discrepancy, averaged over scales.

    MMD^2 is the mean of (<Z_a> - d_a)^2 over strings a; may be negative, where it is zero within its error.

    Args:
        cosines: (M, A), see `phases`.
        data: (A,), d: unbiased, or exact.
        data_squares: (A,), unbiased estimates of the squares of d; None: d is exact.
    """
    squares = data.square() if data_squares is None else data_squares
    return (squared_mean(cosines) - 2 * cosines.mean(0) * data + squares).mean()


def exact_mmd(model: Tensor, data: Tensor, scales: Sequence[float]) -> Tensor:
    """Return the squared MMD of two distributions (2^n,), averaged over scales: all 2^n strings, weighted."""
    qubits = (len(model) - 1).bit_length()
    difference = (model - data).double()
    for qubit in range(qubits):
        pairs = difference.reshape(-1, 2, 1 << qubit)
        difference = torch.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1).reshape(-1)
    ones = torch.zeros(1, dtype=torch.float64, device=model.device)
    for _ in range(qubits):
        ones = torch.cat([ones, ones + 1])
    weights = sum(rate**ones * (1 - rate) ** (qubits - ones) for rate in string_rates(scales)) / len(scales)
    total: Tensor = (weights * difference.square()).sum()
    return total
