"""Frechet and kernel distance of two sets of features, in float64, hundreds of times over.

torchmetrics has the same distances (`torchmetrics_scores.py`), and tests compare. Intervals take hundreds of values of
resampled images, and training one at each grid of samples: here a Frechet distance needs no eigenvalues of the product
of two covariances, and a kernel distance no kernel of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from qgen.randomness import derive

Cloud = NDArray[np.float64]
#: How often each real and each generated image is drawn, (B, N) and (B, M).
Draws = tuple[NDArray[np.int64], NDArray[np.int64]]
#: From (N, F) and (M, F) to (N, M).
Kernel = Callable[[Cloud, Cloud], Cloud]

#: Bandwidth of CMMD's kernel, and what its values are multiplied by.
CMMD_SIGMA, CMMD_SCALE = 10.0, 1000.0
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


def cmmd(real: Cloud, generated: Cloud) -> tuple[float, float]:
    """Compute CMMD: 1000 times the squared MMD with a Gaussian kernel of bandwidth 10.

    Jayasumana et al. 2024, arXiv:2401.09603, on CLIP's embeddings of unit length.

    Args:
        real: (N, F), N at least 2.
        generated: (M, F), M at least 2.

    Returns:
        The value as the authors' code computes it, which counts each image as a pair with itself and is at least 0 up
        to rounding; and the unbiased one of the paper's text, which may be negative.
    """
    totals = [_total(cloud, cloud) for cloud in (real, generated)]
    across = _total(real, generated) / (len(real) * len(generated))
    counts = len(real), len(generated)
    biased = sum(total / count**2 for total, count in zip(totals, counts, strict=True)) - 2 * across
    pairs = sum((total - count) / (count * (count - 1)) for total, count in zip(totals, counts, strict=True))
    return CMMD_SCALE * biased, CMMD_SCALE * (pairs - 2 * across)


def _total(x: Cloud, y: Cloud) -> float:
    return sum(float(gaussian_kernel(x[rows], y).sum()) for rows in _rows(len(x)))


def gaussian_kernel(x: Cloud, y: Cloud) -> Cloud:
    """Return CMMD's kernel (N, M) of (N, F) and (M, F)."""
    squared = np.sum(x**2, axis=1)[:, None] + np.sum(y**2, axis=1)[None, :] - 2 * x @ y.T
    kernel: Cloud = np.exp(-np.maximum(squared, 0) / (2 * CMMD_SIGMA**2))
    return kernel


def resampled_mmd(real: Cloud, generated: Cloud, draws: Draws, kernel: Kernel = _kernel) -> Cloud:
    """Compute the unbiased squared MMD of resampled images, (B,); pairs of an image with itself are left out.

    Args:
        real: (N, F).
        generated: (M, F).
        draws: how often each image is drawn, (B, N) and (B, M).
        kernel: by default that of `polynomial_mmd`.
    """
    weights = [counts.T.astype(np.float64) for counts in draws]
    within = [_paired(cloud, own, kernel) for cloud, own in zip((real, generated), weights, strict=True)]
    across = np.zeros(weights[0].shape[1])
    for rows in _rows(len(real)):
        across += np.sum(weights[0][rows] * (kernel(real[rows], generated) @ weights[1]), axis=0)
    return within[0] + within[1] - 2 * across / (len(real) * len(generated))


def _paired(cloud: Cloud, weights: Cloud, kernel: Kernel) -> Cloud:
    """Return the mean kernel of pairs of different images, (B,), for weights (N, B)."""
    total = np.zeros(weights.shape[1])
    for rows in _rows(len(cloud)):
        values = kernel(cloud[rows], cloud)
        values[np.arange(len(values)), np.arange(rows.start, rows.start + len(values))] = 0
        total += np.sum(weights[rows] * (values @ weights), axis=0)
    pairs = weights.sum(axis=0) ** 2 - np.sum(weights**2, axis=0)
    mean: Cloud = total / np.maximum(pairs, 1)
    return mean


def _rows(count: int) -> Iterator[slice]:
    yield from (slice(first, first + _ROWS) for first in range(0, count, _ROWS))
