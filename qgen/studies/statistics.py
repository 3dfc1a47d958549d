"""Statistics of a few repetitions: means with intervals, paired tests, and Holm's correction for several tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

ANYTHING = (-math.inf, math.inf)
#: Repetitions from which on charts show intervals; those of fewer fill the chart, and each one is shown instead.
ENOUGH = 4
#: Confidence level of intervals.
CONFIDENCE = 0.95
#: Differences with a smaller relative spread are equal up to rounding.
_ROUNDING = 1e-9

Verdict = Literal["better", "worse", "not resolved"]


@dataclass(frozen=True)
class Estimate:
    """A mean over repetitions.

    Attributes:
        values: the value of each repetition; None if it is missing.
        mean: mean of the known values.
        low: lower end of the 95 % interval of the mean, by Student's t; None with fewer than two values.
        high: upper end of the interval.
    """

    values: tuple[float | None, ...]
    mean: float
    low: float | None
    high: float | None


def estimate(values: Sequence[float | None], within: tuple[float, float] = ANYTHING) -> Estimate | None:
    """Estimate the mean of repetitions, with its interval; None without any value.

    Args:
        values: of each repetition; None where it is missing.
        within: what the mean can be, as 0 to 1 of a share: the interval ends there, too.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    mean = float(np.mean(known))
    if len(known) < 2:
        return Estimate(tuple(values), mean, None, None)
    half_width = float(stdtrit(len(known) - 1, (1 + CONFIDENCE) / 2)) * _standard_error(known)
    low, high = max(mean - half_width, min(mean, within[0])), min(mean + half_width, max(mean, within[1]))
    return Estimate(tuple(values), mean, low, high)


def paired_p_value(differences: Sequence[float]) -> float | None:
    """Return the two-sided p-value of a paired t-test.

    None with fewer than two differences, and if all are equal but not 0: their spread is then unknown.
    """
    if len(differences) < 2:
        return None
    mean, error = float(np.mean(differences)), _standard_error(differences)
    if error <= _ROUNDING * max(map(abs, differences)):
        return None if any(differences) else 1.0
    return 2 * float(stdtr(len(differences) - 1, -abs(mean) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple testing (S. Holm 1979, Scand. J. Statist. 6, 65), in the given order.

    Rejecting all hypotheses with an adjusted value below 0.05 is wrong about any of them with probability at most 5 %.
    """
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return adjusted


def verdict(difference: Estimate, adjusted: float | None, lower_is_better: bool) -> Verdict | None:
    """Return what a difference from the baseline supports; None with fewer than two values.

    Args:
        difference: mean of paired differences.
        adjusted: its p-value after `holm`; None if it has none.
        lower_is_better: the direction of improvement.
    """
    if difference.low is None or difference.high is None:
        return None
    excludes_zero = difference.low > 0 or difference.high < 0
    if not excludes_zero or adjusted is None or adjusted >= 1 - CONFIDENCE:
        return "not resolved"
    return "better" if (difference.mean < 0) == lower_is_better else "worse"


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))
