"""Whether counts follow probabilities: Pearson's chi-square, with rare outcomes put together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

#: Probability of an alarm without a fault; the tail of counts is a little heavier than that of the chi-square.
ALARM = 1e-10
#: Expected counts of a cell at the least: fewer are far from normal at six standard deviations.
LEAST = 50.0
#: Probabilities up to here are rounding: such outcomes never come.
NEVER = 1e-12


def outcomes_of(bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Bits (..., n) as integers (...), qubit 0 the lowest bit."""
    return (bits.astype(np.int64) << np.arange(bits.shape[-1])).sum(axis=-1)


def check_frequencies(bits: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.floating]) -> None:
    """Assert that bits (shots, n) are drawn from the probabilities (2^n,) of their outcomes."""
    assert bits.dtype == np.uint8
    assert bits.max(initial=0) <= 1
    counts = np.bincount(outcomes_of(bits), minlength=len(probabilities))
    assert not counts[probabilities <= NEVER].any()
    expected = len(bits) * np.asarray(probabilities)
    common = expected >= LEAST
    cells = [*zip(counts[common], expected[common], strict=True), (counts[~common].sum(), expected[~common].sum())]
    if cells[-1][1] < LEAST:  # all rare ones together are rare: at most a few dozen of them
        rare, cells = cells[-1], cells[:-1]
        assert rare[0] <= rare[1] + 7 * np.sqrt(rare[1]) + 15
    statistic = sum((count - wanted) ** 2 / wanted for count, wanted in cells)
    assert chi2.sf(statistic, max(1, len(cells) - 1)) > ALARM
