"""How far apart two clouds of features are. All of it in float64, and deterministic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from qgen.randomness import derive

Cloud = NDArray[np.float64]

#: Subsets of which the kernel distance is the mean, and their size at most.
SUBSETS = 50
SUBSET_SIZE = 500
#: Neighbours that make the ball around a real image.
NEIGHBOURS = 5
#: Images of each kind that are compared by their neighbours, at most: the memory grows with the square.
MOST_NEIGHBOURS = 2_000


def frechet(real: Cloud, generated: Cloud) -> float:
    """The squared Frechet distance of the Gaussians with the means and covariances of both, at least 0.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), by Heusel et al. 2017, arXiv:1706.08500. With C = R^T R the trace of
    the root is the sum of the singular values of R1 R2^T: exact too where a covariance is singular, as it is with
    fewer images than features.

    It is biased: the fewer images, the larger, even where nothing differs (Binkowski et al. 2018, arXiv:1801.01401).
    Compare values of equally many images only.

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
    """R with R^T R the covariance."""
    centred = (cloud - cloud.mean(axis=0)) / np.sqrt(len(cloud) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r"))


def polynomial_mmd(real: Cloud, generated: Cloud) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy with the kernel (x.y / F + 1)^3; may be below 0.

    Gretton et al. 2012 (JMLR 13, 723), lemma 6; the kernel of Binkowski et al. 2018, arXiv:1801.01401.

    Args:
        real: (N, F), N at least 2.
        generated: (M, F), M at least 2.
    """
    within = [_mean_of_pairs(_kernel(cloud, cloud)) for cloud in (real, generated)]
    return sum(within) - 2 * float(_kernel(real, generated).mean())


def kernel_distance(real: Cloud, generated: Cloud) -> tuple[float, float]:
    """Mean and standard deviation of `polynomial_mmd` over fixed subsets: the kernel distance, free of bias."""
    values = [polynomial_mmd(real[first], generated[second]) for first, second in subsets(len(real), len(generated))]
    return float(np.mean(values)), float(np.std(values))


def subsets(real: int, generated: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places in clouds of so many: half of the smaller one, so that the subsets differ, but at most `SUBSET_SIZE`."""
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
    """How often generated images lie near real ones, and how many of the real ones have a generated one near.

    Near means not farther than the fifth nearest other real image. Naeem et al. 2020, arXiv:2002.09797. Density is
    about 1 where nothing differs, and may be more; coverage is in [0, 1].

    As many of each are compared as there are of the fewer, at most `MOST_NEIGHBOURS`: their first ones. Where nothing
    differs coverage is then about 1 - 2^-5.

    Args:
        real: (N, F) in an order that is random, N at least 2.
        generated: (M, F), M at least 1.
    """
    count = max(2, min(len(real), len(generated), MOST_NEIGHBOURS))
    real, generated = real[:count], generated[:count]
    neighbours = min(NEIGHBOURS, len(real) - 1)
    radii = np.partition(cdist(real, real), neighbours, axis=1)[:, neighbours]  # at place 0 it is itself
    near = cdist(real, generated) <= radii[:, None]
    return float(near.sum() / (neighbours * len(generated))), float(near.any(axis=1).mean())
