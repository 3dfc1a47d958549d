"""Low-dimensional distributions as training data: a sample is an image of one pixel with a channel per dimension.

C. Bravo-Prieto, J. Baglio, M. Cè, A. Francis, D. M. Grabowska, S. Carrazza 2022 (arXiv:2110.06933) learn them with a
style-based quantum generator. Here they are cut to [-1, 1]: samples outside are drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qgen.data.sets import Split
from qgen.randomness import derive

if TYPE_CHECKING:
    from numpy.random import PCG64

#: The source of the samples, for people.
SOURCE = "drawn by qgen, the same on every machine"

_REFERENCE = (
    "C. Bravo-Prieto, J. Baglio, M. Cè, A. Francis, D. M. Grabowska, S. Carrazza: Style-based quantum generative "
    "adversarial networks for Monte Carlo events. Quantum 6, 777 (2022), arXiv:2110.06933"
)
# As the paper prints it, and as the published samples have it. The published training script hands NumPy the rows
# (0.5, 0.1, 0.25), (0.5, 0.25, 0.1), (0.5, 0.5, 0.1), which are not symmetric and so no covariance.
_COVARIANCE = ((0.5, 0.1, 0.25), (0.1, 0.5, 0.1), (0.25, 0.1, 0.5))


@dataclass(frozen=True)
class Distribution:
    """A distribution with a fixed set of samples.

    Attributes:
        name: its name in settings.
        about: one line on what it is.
        channels: D, the dimension of a sample.
        draw: makes (count, D) float64 samples from the raw output of a bit generator; some may lie outside [-1, 1].
        reference: authors, title, year.
        train: number of training samples, as published.
        test: number of test samples: as many as the paper generates to compare with them.
    """

    name: str
    about: str
    channels: int
    draw: Callable[[PCG64, int], NDArray[np.float64]]
    reference: str
    train: int = 10_000
    test: int = 100_000

    def count(self, split: Split) -> int:
        """Return the number of samples of a split."""
        return self.train if split == "train" else self.test


def draw_samples(distribution: Distribution, split: Split) -> NDArray[np.float64]:
    """Draw all samples of a split, (count, D) in [-1, 1]: equal on every machine once rounded to float32."""
    numbers, count = np.random.PCG64(derive(0, "distribution", distribution.name, split)), distribution.count(split)
    kept = np.empty((0, distribution.channels))
    while len(kept) < count:
        drawn = distribution.draw(numbers, count - len(kept))
        kept = np.concatenate([kept, drawn[(np.abs(drawn) <= 1).all(axis=1)]])
    return kept


def _uniform(numbers: PCG64, *shape: int) -> NDArray[np.float64]:
    """Draw uniform numbers in (0, 1], of 53 bits each."""
    # NumPy guarantees the raw output for good, but not what its Generator makes of it.
    raw = numbers.random_raw(int(np.prod(shape))).reshape(shape)
    return ((raw >> np.uint64(11)).astype(np.float64) + 1) * 2.0**-53


def _normal(numbers: PCG64, *shape: int) -> NDArray[np.float64]:
    """Draw standard normal numbers (Box and Muller 1958, Ann. Math. Statist. 29, 610)."""
    radius = np.sqrt(-2 * np.log(_uniform(numbers, *shape)))
    return np.asarray(radius * np.cos(2 * np.pi * _uniform(numbers, *shape)))


def _draw_gamma(numbers: PCG64, count: int) -> NDArray[np.float64]:
    return -np.log(_uniform(numbers, count, 1)) / 4 - 1  # of shape 1, a gamma distribution is an exponential one


def _draw_gaussian(numbers: PCG64, count: int) -> NDArray[np.float64]:
    return np.asarray(_normal(numbers, count, 3) @ np.linalg.cholesky(np.array(_COVARIANCE)).T / 4)


GAMMA = Distribution(
    name="gamma",
    # exp(-8) = 0.034 % of it lie above 1. The published samples, which are not cut, have this shift and scale: their
    # least is -1.000, their mean -0.750 and their standard deviation 0.251.
    about="a gamma distribution of shape 1 and scale 1, divided by 4, less 1",
    channels=1,
    draw=_draw_gamma,
    reference=_REFERENCE,
)

GAUSSIAN_3D = Distribution(
    name="gaussian-3d",
    about="a correlated normal distribution in 3 dimensions, divided by 4",
    channels=3,
    draw=_draw_gaussian,  # 5e-8 of it lie outside: 4 are 5.7 standard deviations
    reference=_REFERENCE,
)

DISTRIBUTIONS = MappingProxyType({each.name: each for each in (GAMMA, GAUSSIAN_3D)})
