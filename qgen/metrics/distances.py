"""Frechet and kernel distance of two sets of features, in float64, hundreds of times over.

torchmetrics has the same distances (`torchmetrics_scores.py`), and tests compare. Intervals take hundreds of values of
resampled images, and training one at each grid of samples: here a Frechet distance needs no eigenvalues of the product
of two covariances, and a kernel distance no kernel of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from qgen.randomness import derive

Cloud = NDArray[np.float64]
#: How often each real and each generated image is drawn, (B, N) and (B, M).
Draws = tuple[NDArray[np.int64], NDArray[np.int64]]

#: Number of subsets that the kernel distance averages over, and their largest size.
SUBSETS = 50
SUBSET_SIZE = 500
_ROWS = 1_000  # of a kernel at a time


def frechet(real: Cloud, generated: Cloud) -> float:
    """Compute the squared Frechet distance of Gaussians fitted to both sets, at least 0.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), by Heusel et al. 2017, arXiv:1706.08500. With C = R^T R the trace of
    the root is the sum of the singular values of R1 R2^T: exact for singular covariances too, as those of
    fewer images than features.

    It is biased: larger for fewer images, even for equal distributions (Binkowski et al. 2018, arXiv:1801.01401).
    Compare values of equal numbers of images only.

    Args:
        real: (N, F), N at least 2.
        generated: (M, F), M at least 2.
    """
    roots = [_root(real), _root(generated)]
    shift = float(np.sum((real.mean(axis=0) - generated.mean(axis=0)) ** 2))
    spread = sum(float(np.sum(root**2)) for root in roots)
    common = float(np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum())
    return max(0.0, shift + spread - 2 * common)


def _root(cloud: Cloud) -> Cloud:
    """Return R with R^T R the covariance."""
    centred = (cloud - cloud.mean(axis=0)) / np.sqrt(len(cloud) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r"))


def polynomial_mmd(real: Cloud, generated: Cloud) -> float:
    """Compute the unbiased estimate of the squared MMD with the kernel (x.y / F + 1)^3; it may be negative.

    Gretton et al. 2012 (JMLR 13, 723), lemma 6; the kernel of Binkowski et al. 2018, arXiv:1801.01401.

    Args:
        real: (N, F), N at least 2.
        generated: (M, F), M at least 2.
    """
    within = [_mean_of_pairs(_kernel(cloud, cloud)) for cloud in (real, generated)]
    return sum(within) - 2 * float(_kernel(real, generated).mean())


def kernel_distance(real: Cloud, generated: Cloud) -> tuple[float, float]:
    """Compute the kernel distance: mean and standard deviation of `polynomial_mmd` over fixed subsets, unbiased."""
    values = [polynomial_mmd(real[first], generated[second]) for first, second in subsets(len(real), len(generated))]
    return float(np.mean(values)), float(np.std(values))


def subsets(real: int, generated: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield indices of random subsets of both sets, as large as half of the smaller set but at most `SUBSET_SIZE`."""
    rng = np.random.Generator(np.random.PCG64(derive(0, "kernel distance")))
    size = min(SUBSET_SIZE, max(2, min(real, generated) // 2))
    for _ in range(SUBSETS):
        yield rng.permutation(real)[:size], rng.permutation(generated)[:size]


def _kernel(x: Cloud, y: Cloud) -> Cloud:
    power: Cloud = (x @ y.T / x.shape[1] + 1) ** 3
    return power


def _mean_of_pairs(kernel: Cloud) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def resampled_mmd(real: Cloud, generated: Cloud, draws: Draws) -> Cloud:
    """Compute `polynomial_mmd` of resampled images, (B,); pairs of an image with itself are left out.

    Args:
        real: (N, F).
        generated: (M, F).
        draws: how often each image is drawn, (B, N) and (B, M).
    """
    weights = [counts.T.astype(np.float64) for counts in draws]
    within = [_paired(cloud, own) for cloud, own in zip((real, generated), weights, strict=True)]
    across = np.zeros(weights[0].shape[1])
    for rows in _rows(len(real)):
        across += np.sum(weights[0][rows] * (_kernel(real[rows], generated) @ weights[1]), axis=0)
    return within[0] + within[1] - 2 * across / (len(real) * len(generated))


def _paired(cloud: Cloud, weights: Cloud) -> Cloud:
    """Return the mean kernel of pairs of different images, (B,), for weights (N, B)."""
    total = np.zeros(weights.shape[1])
    for rows in _rows(len(cloud)):
        kernel = _kernel(cloud[rows], cloud)
        kernel[np.arange(len(kernel)), np.arange(rows.start, rows.start + len(kernel))] = 0
        total += np.sum(weights[rows] * (kernel @ weights), axis=0)
    pairs = weights.sum(axis=0) ** 2 - np.sum(weights**2, axis=0)
    mean: Cloud = total / np.maximum(pairs, 1)
    return mean


def _rows(count: int) -> Iterator[slice]:
    yield from (slice(first, first + _ROWS) for first in range(0, count, _ROWS))
