"""Expectation values of Z strings of IQP circuits by sampled phases, and the distance of distributions made of them.

An IQP circuit has <Z_a> = E_z cos(2 sum over gates j with g_j.a odd of theta_j (-1)^(g_j.z)), z uniform bits: two
products of matrices for a batch of z and a, at any number of qubits. Source: Recio-Armengol, Ahmed and Bowles, 2025,
arXiv:2503.02934, after den Nest, "Simulating quantum computers with probabilistic methods", 2010, arXiv:0911.1624.
"""

from __future__ import annotations

import torch
from torch import Tensor


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


def data_values(bits: Tensor, strings: Tensor) -> Tensor:
    """Return the means (A,) of (-1)^(a.x) over bits x (B, n)."""
    return 1 - 2 * (bits @ strings.T).remainder(2).mean(0)


def squared_mean(cosines: Tensor) -> Tensor:
    """Return unbiased estimates (A,) of the squares of means, from M numbers (M, A) each; M is 2 or more."""
    many, mean = len(cosines), cosines.mean(0)
    return (many * mean.square() - cosines.square().mean(0)) / (many - 1)


def squared_differences(cosines: Tensor, data: Tensor, count: int | None = None) -> Tensor:
    """Return unbiased estimates (A,) of (<Z_a> - d_a)^2; may be negative, where it is zero within its error.

    Args:
        cosines: (M, A), see `phases`.
        data: (A,), d: exact, or means of samples.
        count: of the samples; None: d is exact.
    """
    return squared_mean(cosines) - 2 * cosines.mean(0) * data + data.square() - _variance(data, count)


def exact_squared_differences(model: Tensor, data: Tensor, count: int | None = None) -> Tensor:
    """Return (<Z_a> - d_a)^2 of all 2^n strings of two distributions (2^n,); bit q of a string's number is Z on q.

    Args:
        model: its probabilities.
        data: those of the data: exact, or frequencies in samples.
        count: of the samples, whose variance is taken off; None: the data are exact.
    """
    both = torch.stack([model.double(), data.double()])
    for qubit in range((len(model) - 1).bit_length()):
        pairs = both.reshape(2, -1, 2, 1 << qubit)
        both = torch.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], 2).reshape(2, -1)
    return (both[0] - both[1]).square() - _variance(both[1], count)


def _variance(values: Tensor, count: int | None) -> Tensor | float:
    """Unbiased estimates of the variances of means of numbers of 1 or -1; zero of exact ones, and of single ones."""
    return 0.0 if count is None else (1 - values.square()) / max(count - 1, 1)
