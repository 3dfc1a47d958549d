"""Parameter-shift rules: where to evaluate a Fourier series of few frequencies for its derivative."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from qgen.backends.angle_form import Frequencies
from qgen.backends.angles import Doubles


class ShiftRule(NamedTuple):
    """f'(a) = sum of coefficients (2 R,) * f(a + shifts (2 R,)) for every f with R given frequencies; radians."""

    shifts: Doubles
    coefficients: Doubles


@lru_cache
def shift_rule(frequencies: Frequencies) -> ShiftRule:
    """The rule with equidistant shifts, for frequencies that are the multiples 1 to R of the lowest one.

    It takes two evaluations a frequency, as few as any rule that holds for all such functions. Source: Wierichs, Izaac,
    Wang and Lin, "General parameter-shift rules for quantum gradients", 2022, arXiv:2107.12390, equation (20).
    """
    count, lowest = 2 * len(frequencies), min(frequencies)
    numbers = np.arange(1, count + 1)
    at = (2 * numbers - 1) * np.pi / count
    coefficients = (-1.0) ** (numbers - 1) / (2 * count * np.sin(at / 2) ** 2)
    return ShiftRule(np.where(at < np.pi, at, at - 2 * np.pi) / lowest, lowest * coefficients)
