"""Divergences between samples of two low-dimensional distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qgen.errors import DataError
from qgen.randomness import derive

#: Value of an empty bin in the published divergence.
TINY = 1e-100
#: Random directions of the sliced Wasserstein distance.
DIRECTIONS = 64

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Divergences:
    """Divergences of generated samples from real ones, in nats; all are 0 for equal distributions.

    Sampling error alone makes each larger than 0: compare values of equal numbers of samples and bins only.

    Attributes:
        kl: Kullback-Leibler divergence of the real histogram from the generated one, sum p log(p / q), by axis.
            Half a sample is added to every bin of both (Krichevsky and Trofimov 1981): empty bins are unlikely, not
            impossible.
        kl_published: the same with empty bins set to 1e-100 and nothing added, as Bravo-Prieto et al. 2022,
            arXiv:2110.06933: dominated by a few real samples in bins without generated ones.
        jensen_shannon: divergence of the raw histograms, in [0, log 2], by axis.
        wasserstein: 1-Wasserstein distance of the samples, in their units, by axis. No bins are involved.
        sliced_wasserstein: mean 1-Wasserstein distance along fixed random directions, of the joint distribution.
        correlation: largest difference of a correlation coefficient, in [0, 2]; 0 for one axis.
    """

    kl: tuple[float, ...]
    kl_published: tuple[float, ...]
    jensen_shannon: tuple[float, ...]
    wasserstein: tuple[float, ...]
    sliced_wasserstein: float
    correlation: float

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def divergences(
    real: Tensor | Points,
    generated: Tensor | Points,
    bins: int = 100,
    limits: Sequence[tuple[float, float]] | None = None,
) -> Divergences:
    """Compute the divergences of generated samples from real ones.

    Args:
        real: (N, D), or images of one pixel, (N, D, 1, 1).
        generated: (M, D) or (M, D, 1, 1).
        bins: number of bins of a histogram.
        limits: (D, 2), range of the histogram of each axis; values outside count in the outermost bins. None: the
            range of the real samples.

    Raises:
        DataError: the shapes do not fit, there is no sample, a value is not finite, there are fewer than two bins, or
            the limits are not one ascending pair for each axis.
    """
    real, generated = _points(real), _points(generated)
    if real.shape[1] != generated.shape[1]:
        raise DataError(f"Samples of {real.shape[1]} and of {generated.shape[1]} dimensions cannot be compared.")
    if bins < 2:
        raise DataError(f"A histogram to compare has at least two bins, not {bins}.")
    edges = [np.linspace(low, high, bins + 1) for low, high in _limits(limits, real)]
    counts = [tuple(_counted(cloud[:, k], edge) for cloud in (real, generated)) for k, edge in enumerate(edges)]
    return Divergences(
        kl=tuple(_kl(p + 0.5, q + 0.5) for p, q in counts),
        kl_published=tuple(_kl(np.where(p, p, TINY * p.sum()), np.where(q, q, TINY * q.sum())) for p, q in counts),
        jensen_shannon=tuple(_jensen_shannon(p, q) for p, q in counts),
        wasserstein=tuple(_wasserstein(p, q) for p, q in zip(real.T, generated.T, strict=True)),
        sliced_wasserstein=sliced_wasserstein(real, generated),
        correlation=correlation_error(real, generated),
    )


def sliced_wasserstein(real: Points, generated: Points) -> float:
    """Compute the mean 1-Wasserstein distance of samples (N, D) and (M, D) along fixed random directions.

    Bonneel et al. 2015 (Journal of Mathematical Imaging and Vision 51, 22).
    """
    rng = np.random.Generator(np.random.PCG64(derive(0, "sliced distance")))
    directions = rng.standard_normal((DIRECTIONS, real.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return float(np.mean([_wasserstein(real @ along, generated @ along) for along in directions]))


def jensen_shannon(real: Points, generated: Points, bins: int = 100) -> float:
    """Compute the mean over the axes of `Divergences.jensen_shannon`, of samples (N, D) and (M, D)."""
    edges = [np.linspace(low, high, bins + 1) for low, high in _limits(None, real)]
    pairs = [(_counted(real[:, k], edge), _counted(generated[:, k], edge)) for k, edge in enumerate(edges)]
    return float(np.mean([_jensen_shannon(p, q) for p, q in pairs]))


def correlation_error(real: Points, generated: Points) -> float:
    """Compute the largest difference of a correlation coefficient of samples (N, D) and (M, D), in [0, 2]."""
    return float(np.abs(_correlations(real) - _correlations(generated)).max())


def _points(samples: Tensor | Points) -> Points:
    array = np.asarray(samples.detach().cpu() if isinstance(samples, Tensor) else samples, dtype=np.float64)
    if array.ndim == 4 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    if array.ndim != 2 or not array.size:
        raise DataError(f"Samples of a distribution are (N, D) or (N, D, 1, 1), N and D at least 1, not {array.shape}.")
    if not np.isfinite(array).all():
        raise DataError("Samples of a distribution hold values that are not finite: there is nothing to compare.")
    return array


def _limits(limits: Sequence[tuple[float, float]] | None, real: Points) -> Points:
    if limits is None:
        low, high = real.min(axis=0), real.max(axis=0)
        return np.stack([low, np.where(high > low, high, low + 1)], axis=1)  # an axis without variation
    given = np.asarray(limits, dtype=np.float64)
    if given.shape != (real.shape[1], 2) or not (np.isfinite(given).all() and (given[:, 0] < given[:, 1]).all()):
        raise DataError(f"`limits` is one pair (least, largest) for each of {real.shape[1]} axes; given: {limits}.")
    return given


def _counted(values: Points, edges: Points) -> Points:
    return np.histogram(values.clip(edges[0], edges[-1]), edges)[0].astype(np.float64)


def _kl(p: Points, q: Points) -> float:
    """Compute the divergence of positive weights."""
    p, q = p / p.sum(), q / q.sum()
    return max(0.0, float(np.sum(p * np.log(p / q))))


def _jensen_shannon(p: Points, q: Points) -> float:
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return max(0.0, sum(float(np.sum(s[s > 0] * np.log(s[s > 0] / middle[s > 0]))) for s in (p, q)) / 2)


def _wasserstein(x: Points, y: Points) -> float:
    from scipy.stats import wasserstein_distance  # it takes most of a second to import

    return float(wasserstein_distance(x, y))


def _correlations(points: Points) -> Points:
    """Return the correlation coefficients, (D, D); 0 for an axis without variation, but 1 on the diagonal."""
    centred = points - points.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    scaled = centred / np.where(norms > 0, norms, 1)
    correlations: Points = scaled.T @ scaled
    np.fill_diagonal(correlations, 1)
    return correlations
