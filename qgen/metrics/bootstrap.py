"""Bootstrap: how much a value would vary with other images of the same number, by drawing the images anew."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from qgen.randomness import derive

#: Confidence level of intervals.
CONFIDENCE = 0.95
#: Sets that are drawn for an interval.
RESAMPLES = 200
Who = Literal["samples", "reference"]


class Interval(NamedTuple):
    """Ends of an interval."""

    low: float
    high: float


class Resampling:
    """Draws images with replacement (Efron 1979, Annals of Statistics 7, 1).

    The draws depend on the number of images alone. Two sets of samples of the same size are so resampled alike: where
    sample k of both has the same seed, differences of their values are paired.

    Args:
        repeats: B, how often a set is drawn, at least 2.
    """

    def __init__(self, repeats: int) -> None:
        self.repeats = repeats

    def indices(self, who: Who, count: int) -> NDArray[np.int64]:
        """Return indices of drawn images, (B, count), in [0, count)."""
        rng = np.random.Generator(np.random.PCG64(derive(0, "bootstrap", who)))
        return rng.integers(count, size=(self.repeats, count))

    def counts(self, who: Who, count: int) -> NDArray[np.int64]:
        """Return how often each image is drawn, (B, count); rows sum to `count`."""
        rows = [np.bincount(drawn, minlength=count) for drawn in self.indices(who, count)]
        return np.stack(rows).astype(np.int64)

    def fewer(self, repeats: int) -> Resampling:
        """Return a resampling of at most so many repeats: the first of these."""
        return Resampling(min(repeats, self.repeats))


def wilson(share: float, count: int) -> Interval:
    """Return the 95 % interval of a share of images (E. B. Wilson 1927, JASA 22, 209): not empty at 0 or 1.

    Args:
        share: in [0, 1].
        count: images that it is a share of, at least 1.
    """
    z = float(ndtri((1 + CONFIDENCE) / 2))
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Interval(float(max(0.0, min(share, middle - half))), float(min(1.0, max(share, middle + half))))


def interval(
    value: float, resampled: NDArray[np.float64], least: float | None = None, most: float | None = None
) -> Interval:
    """Return the 95 % interval of a value: quantiles of how far its resampled values are from their mean.

    Not their own quantiles: drawn with replacement, images repeat, and a value that is biased for few images is larger
    in every resampled set than in the set itself.

    Args:
        value: of the set itself.
        resampled: of the resampled sets, (B,).
        least: the smallest value that there can be; the interval ends there.
        most: the largest one.
    """
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(resampled - resampled.mean(), [tail, 100 - tail])
    lowest = -np.inf if least is None else min(least, value)
    highest = np.inf if most is None else max(most, value)
    return Interval(float(max(lowest, value + low)), float(min(highest, value + high)))
