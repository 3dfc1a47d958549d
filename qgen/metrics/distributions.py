"""How far apart samples of two low-dimensional distributions are: no judge is needed for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance
from torch import Tensor

from qgen.errors import DataError
from qgen.randomness import derive

#: What an empty bin holds in the published divergence.
TINY = 1e-100
#: Directions of the sliced distance.
DIRECTIONS = 64

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Divergences:
    """How the samples of a generator differ from real ones. All values are 0 where nothing differs, and in nats.

    Sampling error alone makes each of them larger than 0: compare values of equally many samples and bins only.

    Attributes:
        kl: Kullback-Leibler divergence of the real histogram from the generated one, sum p log(p / q), for each axis.
            Half a sample is added to every bin of both (Krichevsky and Trofimov 1981), so that empty bins count as
            what they are: unlikely, not impossible.
        kl_published: the same with empty bins set to 1e-100 and nothing added, as Bravo-Prieto et al. 2022,
            arXiv:2110.06933, have it: a few real samples where there are no generated ones outweigh all else.
        jensen_shannon: divergence of the histograms as counted, in [0, log 2], for each axis.
        wasserstein: 1-Wasserstein distance of the samples, in their units, for each axis. It takes no bins.
        sliced_wasserstein: the mean of that along fixed random directions: of the joint distribution.
        correlation: the largest difference of a correlation coefficient, in [0, 2]; 0 with one axis.
    """

    kl: tuple[float, ...]
    kl_published: tuple[float, ...]
    jensen_shannon: tuple[float, ...]
    wasserstein: tuple[float, ...]
    sliced_wasserstein: float
    correlation: float

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def divergences(
    real: Tensor | Points,
    generated: Tensor | Points,
    bins: int = 100,
    limits: Sequence[tuple[float, float]] | None = None,
) -> Divergences:
    """How the samples of a generator differ from real ones.

    Args:
        real: (N, D), or (N, D, 1, 1): images of one pixel.
        generated: (M, D) or (M, D, 1, 1).
        bins: of a histogram.
        limits: (D, 2), the least and the largest value of each axis's histogram; what lies outside is counted into the
            outermost bins. None: those of the real samples.

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
        correlation=float(np.abs(_correlations(real) - _correlations(generated)).max()),
    )


def sliced_wasserstein(real: Points, generated: Points) -> float:
    """The mean 1-Wasserstein distance along fixed random directions; of samples (N, D) and (M, D).

    Bonneel et al. 2015 (Journal of Mathematical Imaging and Vision 51, 22).
    """
    rng = np.random.Generator(np.random.PCG64(derive(0, "sliced distance")))
    directions = rng.standard_normal((DIRECTIONS, real.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return float(np.mean([_wasserstein(real @ along, generated @ along) for along in directions]))


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
        return np.stack([low, np.where(high > low, high, low + 1)], axis=1)  # an axis on which nothing varies
    given = np.asarray(limits, dtype=np.float64)
    if given.shape != (real.shape[1], 2) or not (np.isfinite(given).all() and (given[:, 0] < given[:, 1]).all()):
        raise DataError(f"`limits` is one pair (least, largest) for each of {real.shape[1]} axes; given: {limits}.")
    return given


def _counted(values: Points, edges: Points) -> Points:
    return np.histogram(values.clip(edges[0], edges[-1]), edges)[0].astype(np.float64)


def _kl(p: Points, q: Points) -> float:
    """Of weights above 0."""
    p, q = p / p.sum(), q / q.sum()
    return max(0.0, float(np.sum(p * np.log(p / q))))


def _jensen_shannon(p: Points, q: Points) -> float:
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return max(0.0, sum(float(np.sum(s[s > 0] * np.log(s[s > 0] / middle[s > 0]))) for s in (p, q)) / 2)


def _wasserstein(x: Points, y: Points) -> float:
    return float(wasserstein_distance(x, y))


def _correlations(points: Points) -> Points:
    """The correlation coefficients, (D, D); those of an axis on which nothing varies are 0, but for its own."""
    centred = points - points.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    scaled = centred / np.where(norms > 0, norms, 1)
    correlations: Points = scaled.T @ scaled
    np.fill_diagonal(correlations, 1)
    return correlations
