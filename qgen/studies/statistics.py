"""What a few repetitions support: means with intervals, paired differences, and several of them at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

#: How sure an interval is to hold the mean.
CONFIDENCE = 0.95
#: Differences whose spread is a smaller part of them are equal but for rounding.
_ROUNDING = 1e-9

Verdict = Literal["better", "worse", "not resolved"]


@dataclass(frozen=True)
class Estimate:
    """A mean over repetitions.

    Attributes:
        values: of each repetition; None where there is none.
        mean: of those that there are.
        low: the lower end of the 95 % interval of the mean, by Student's t; None with fewer than two values.
        high: its upper end.
    """

    values: tuple[float | None, ...]
    mean: float
    low: float | None
    high: float | None


def estimate(values: Sequence[float | None]) -> Estimate | None:
    """The mean of repetitions with its interval; None where there is no value at all."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    mean = float(np.mean(known))
    if len(known) < 2:
        return Estimate(tuple(values), mean, None, None)
    reach = float(stdtrit(len(known) - 1, (1 + CONFIDENCE) / 2)) * _standard_error(known)
    return Estimate(tuple(values), mean, mean - reach, mean + reach)


def chance(differences: Sequence[float]) -> float | None:
    """How likely a mean at least so far from 0 is where there is no difference: the p-value of a paired t-test.

    None with fewer than two, and where all are alike but are not 0: a spread that was not seen cannot be judged by.
    """
    if len(differences) < 2:
        return None
    mean, error = float(np.mean(differences)), _standard_error(differences)
    if error <= _ROUNDING * max(map(abs, differences)):
        return None if any(differences) else 1.0
    return 2 * float(stdtr(len(differences) - 1, -abs(mean) / error))


def holm(chances: Sequence[float]) -> list[float]:
    """p-values that may be looked at together (S. Holm 1979, Scand. J. Statist. 6, 65), in the order given.

    Whoever believes all that are below 0.05 is wrong about any of them with a chance of at most 5 %.
    """
    adjusted, floor = [0.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        floor = max(floor, min(1.0, (len(chances) - rank) * chances[place]))
        adjusted[place] = floor
    return adjusted


def verdict(difference: Estimate, adjusted: float | None, lower_is_better: bool) -> Verdict | None:
    """What may be said of a difference from the baseline; None where there are too few values to say anything.

    Args:
        difference: the mean of paired differences.
        adjusted: its p-value after `holm`; None where it has none.
        lower_is_better: whether less is more.
    """
    if difference.low is None or difference.high is None:
        return None
    excluded = difference.low > 0 or difference.high < 0
    if not excluded or adjusted is None or adjusted >= 1 - CONFIDENCE:
        return "not resolved"
    return "better" if (difference.mean < 0) == lower_is_better else "worse"


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))
