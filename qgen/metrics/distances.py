"""Distances between two sets of features: Frechet, kernel, density and coverage. Deterministic, in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from qgen.randomness import derive

Cloud = NDArray[np.float64]

#: Number of subsets that the kernel distance averages over, and their largest size.
SUBSETS = 50
SUBSET_SIZE = 500
#: The ball around a real image reaches to this nearest neighbour.
NEIGHBOURS = 5
#: Largest number of images of each kind in density and coverage: memory grows with its square.
MAX_NEIGHBOURS = 2_000


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


def density_and_coverage(real: Cloud, generated: Cloud) -> tuple[float, float]:
    """Compute density and coverage of generated images (Naeem et al. 2020, arXiv:2002.09797).

    A generated image is near a real one if it is no farther than the fifth nearest other real image. Density counts
    the near pairs: about 1 for equal distributions, possibly more. Coverage is the fraction of real images with a
    generated one near, in [0, 1]: about 1 - 2^-5 for equal distributions.

    The first images of both sets are compared, equally many, at most `MAX_NEIGHBOURS`.

    Args:
        real: (N, F) in random order, N at least 2.
        generated: (M, F), M at least 1.
    """
    count = max(2, min(len(real), len(generated), MAX_NEIGHBOURS))
    real, generated = real[:count], generated[:count]
    neighbours = min(NEIGHBOURS, len(real) - 1)
    radii = np.partition(cdist(real, real), neighbours, axis=1)[:, neighbours]  # index 0 is the image itself
    near = cdist(real, generated) <= radii[:, None]
    return float(near.sum() / (neighbours * len(generated))), float(near.any(axis=1).mean())
