"""Compare evaluations: differences of their values from those of the first, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from qgen.evaluation.evaluate import Evaluation, Measurement
from qgen.evaluation.measure import Measure
from qgen.metrics.bootstrap import Interval, interval

Verdict = Literal["better", "worse", "not resolved"]


@dataclass(frozen=True)
class Difference:
    """How much a value differs from that of the first evaluation.

    Attributes:
        value: the difference.
        interval: its 95 % interval, for itself alone.
        paired: whether sample k of both had the same seed.
        verdict: what the interval supports; None for a measure without a better direction.
    """

    value: float
    interval: Interval
    paired: bool
    verdict: Verdict | None

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        low, high = self.interval
        return {"value": self.value, "low": low, "high": high, "paired": self.paired, "verdict": self.verdict}


def differences(first: Evaluation, other: Evaluation) -> Mapping[str, Difference]:
    """Return the differences of an evaluation from the first, by the name of the measure.

    Both are resampled alike: the same real images are drawn, and, where they have equally many, samples of the same
    number. So what two values have in common drops out of their difference.
    """
    paired = share_seeds(first, other)
    common = [name for name in first.results if name in other.results]
    return {
        name: _difference(first.results[name].measure, first.results[name].samples, other.results[name].samples, paired)
        for name in common
    }


def share_seeds(first: Evaluation, other: Evaluation) -> bool:
    """Return whether sample k of both evaluations has the same seed."""
    seeds = [evaluation.facts.get("seed") for evaluation in (first, other)]
    return seeds[0] is not None and seeds[0] == seeds[1] and len(first.images) == len(other.images)


def plain(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Return plain values for JSON: those of the first, and under `compare` those of the others."""
    first, *others = evaluations
    compared = [
        other.plain() | {"differences": {name: each.plain() for name, each in differences(first, other).items()}}
        for other in others
    ]
    return first.plain() | ({"compare": compared} if compared else {})


def _difference(measure: Measure, first: Measurement, other: Measurement, paired: bool) -> Difference:
    count = min(len(first.resampled), len(other.resampled))
    value = other.value - first.value
    low, high = interval(value, other.resampled[:count] - first.resampled[:count])
    return Difference(value, Interval(low, high), paired, _verdict(measure, low, high))


def _verdict(measure: Measure, low: float, high: float) -> Verdict | None:
    if measure.better is None:
        return None
    if low <= 0 <= high:
        return "not resolved"
    return "better" if (high < 0) == (measure.better == "lower") else "worse"
