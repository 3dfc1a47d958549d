"""Compare evaluations: differences of their values from those of the first, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qgen.evaluation.measure import Measure
from qgen.evaluation.results import Difference, Evaluation, Measurement, Verdict
from qgen.metrics.bootstrap import Interval, interval


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
