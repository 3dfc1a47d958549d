"""Curves: a measure of a source's images against the scale of the noise, and where half of the quality is lost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from qgen.studies.noise.cell_results import CHANGES, Cells, Values, differences, known
from qgen.studies.noise.conditions import Condition
from qgen.studies.results import Metric
from qgen.studies.statistics import Estimate, Verdict, estimate, holm, paired_p_value, verdict

#: What a loss of quality can be: more than all of it is not lost.
LOSSES = (-math.inf, 1.0)


@dataclass(frozen=True)
class Difference:
    """A mean of differences that are paired by seed, and what it supports.

    Attributes:
        estimate: with its own interval; None without any pair.
        p_value: by a paired t-test; None if it is undefined.
        adjusted: after `holm` over all differences of its family, or `in_sequence`.
        verdict: None with fewer than two pairs.
    """

    estimate: Estimate | None
    p_value: float | None = None
    adjusted: float | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Point:
    """A point of a curve.

    Attributes:
        condition: at which.
        estimate: mean over the seeds; None without any value.
        change: from the ideal cell, paired by seed.
        lost: part of the ideal quality that is lost; see `quality_lost`.
    """

    condition: Condition
    estimate: Estimate | None
    change: Difference
    lost: Estimate | None


@dataclass(frozen=True)
class HalfScale:
    """The scale of the noise at which half of the quality is lost.

    Attributes:
        values: of each seed, by linear interpolation of the metric between scales; None where it was not reached.
        known: seeds that have all their cells.
        estimate: mean; only if every seed reached it.
        largest: the largest scale that was tried.
    """

    values: tuple[float | None, ...]
    known: int
    estimate: Estimate | None
    largest: float

    @property
    def reached(self) -> int:
        """Seeds that reached it."""
        return sum(value is not None for value in self.values)


@dataclass(frozen=True)
class Curve:
    """A measure against the scale of the noise.

    Attributes:
        source: whose images.
        metric: what is measured.
        like: the condition of its points, but for the scale.
        points: by scale, ascending; the first is ideal where values are exact.
        half: where half of the quality is lost; None for changes from the ideal cell, and without an ideal quality.
    """

    source: str
    metric: Metric
    like: Condition
    points: tuple[Point, ...]
    half: HalfScale | None


def quality_lost(value: float | None, ideal: float | None, lower_is_better: bool) -> float | None:
    """Return which part of the ideal quality is lost, at most 1; negative where quality is gained.

    Quality is the metric, or its inverse where lower values are better: half of it is lost where a distance has
    doubled. None where the metric is not above 0.
    """
    if value is None or ideal is None or ideal <= 0 or (lower_is_better and value <= 0):
        return None
    return 1 - (ideal / value if lower_is_better else value / ideal)


def losses(values: Values, ideal: Values, lower_is_better: bool) -> Values:
    """Return `quality_lost` of each seed."""
    return [quality_lost(a, b, lower_is_better) for a, b in zip(values, ideal, strict=True)]


def crossing(scales: Sequence[float], values: Sequence[float], target: float) -> float | None:
    """Return the smallest scale at which values, interpolated linearly, pass from their first one to the target.

    None if they don't reach it.
    """
    upwards = target > values[0]
    for (low, before), (high, after) in zip(
        zip(scales, values, strict=True), zip(scales[1:], values[1:], strict=True), strict=False
    ):
        if (after >= target) if upwards else (after <= target):
            return low + (high - low) * (target - before) / (after - before)
    return None


def half_scale(scales: Sequence[float], rows: Sequence[Values], lower_is_better: bool) -> HalfScale | None:
    """Return where half of the quality is lost.

    Args:
        scales: ascending, from 0 on.
        rows: the metric at each scale, by seed.
        lower_is_better: whether half of the quality is a metric twice as large, or half as large.
    """
    found, complete = list[float | None](), 0
    for column in zip(*rows, strict=True):
        values = [value for value in column if value is not None]
        if len(values) < len(rows) or values[0] <= 0:
            found.append(None)
            continue
        complete += 1
        found.append(crossing(scales, values, values[0] * (2 if lower_is_better else 0.5)))
    if not complete:
        return None
    all_reached = sum(value is not None for value in found) == complete
    return HalfScale(tuple(found), complete, estimate(found) if all_reached else None, scales[-1])


def curves(cells: Cells) -> tuple[Curve, ...]:
    """Return the curves of all sources, trained as they say, with verdicts on each change from the ideal cell."""
    found = [curve for source in cells.study.sources for curve in _curves(cells, source.name)]
    return tuple(_with_verdicts(found))


def make_difference(values: Values) -> Difference:
    """Return a difference without a verdict."""
    return Difference(estimate(values), paired_p_value(list(known(values))))


def judged(family: Sequence[Difference], lower_is_better: Sequence[bool]) -> list[Difference]:
    """Return the differences of a family with p-values adjusted for all of them, and verdicts."""
    tested = [k for k, each in enumerate(family) if each.estimate is not None and each.estimate.low is not None]
    # A difference without a p-value still counts as one of the tests.
    corrected = dict(zip(tested, holm([_chance(family[k]) for k in tested]), strict=True))
    found = []
    for k, each in enumerate(family):
        adjusted = None if each.p_value is None else corrected.get(k)
        said = None if each.estimate is None else verdict(each.estimate, adjusted, lower_is_better[k])
        found.append(replace(each, adjusted=adjusted, verdict=said))
    return found


def _chance(difference: Difference) -> float:
    return 1.0 if difference.p_value is None else difference.p_value


def _curves(cells: Cells, source: str) -> Iterator[Curve]:
    noisy = [condition for condition in cells.study.conditions if condition.scale > 0]
    for like in dict.fromkeys(replace(condition, scale=1.0) for condition in noisy):
        for metric in (*cells.metrics, *CHANGES):
            points = [_point(cells, source, condition, metric) for condition in along_scales(cells.study.scales, like)]
            if any(point.estimate is not None for point in points):
                yield Curve(source, metric, like, tuple(points), _half(cells, source, metric, points))


def along_scales(scales: Sequence[float], like: Condition) -> Iterator[Condition]:
    """Yield the conditions of a curve, by scale."""
    for scale in scales:
        if scale:
            yield replace(like, scale=scale)
        else:
            yield Condition() if like.shots is None else Condition(like.backend, 0.0, shots=like.shots)


def _point(cells: Cells, source: str, condition: Condition, metric: Metric) -> Point:
    values, ideal = (cells.values(source, each, metric.key) for each in (condition, Condition()))
    lost = None if metric in CHANGES else estimate(losses(values, ideal, metric.lower_is_better), LOSSES)
    return Point(condition, estimate(values, metric.within), make_difference(differences(values, ideal)), lost)


def _half(cells: Cells, source: str, metric: Metric, points: Sequence[Point]) -> HalfScale | None:
    if metric in CHANGES or points[0].condition.scale > 0:
        return None
    rows = [cells.values(source, point.condition, metric.key) for point in points]
    return half_scale([point.condition.scale for point in points], rows, metric.lower_is_better)


def _with_verdicts(found: Sequence[Curve]) -> Iterator[Curve]:
    """Yield the curves with verdicts on changes in metrics of images; what is 0 in the ideal cell has none.

    The curves of one metric with the same kinds of errors, shots and mitigation are a family; see `in_sequence`.
    """
    families = Counter(_family(curve) for curve in found)
    for curve in found:
        if curve.metric in CHANGES:
            yield curve
            continue
        noisy = [point for point in curve.points if not point.condition.ideal]
        adjusted = in_sequence([point.change.p_value for point in noisy], families[_family(curve)])
        said = {id(point): value for point, value in zip(noisy, adjusted, strict=True)}
        points = (
            _with_verdict(point, said[id(point)], curve.metric) if id(point) in said else point
            for point in curve.points
        )
        yield replace(curve, points=tuple(points))


def in_sequence(p_values: Sequence[float | None], family: int) -> list[float | None]:
    """Adjust the p-values of one curve, by ascending scale, in a family of so many curves.

    A change is tested only where all at larger scales are resolved (a fixed sequence: W. Maurer, L. A. Hothorn and W.
    Lehmacher 1995, Biometrie in der chemisch-pharmazeutischen Industrie 6, 3), at the level of the family divided by
    its curves (Bonferroni): any claim of the family is wrong with probability at most 5 %. None stays None, and ends
    the sequence.
    """
    adjusted, floor = list[float | None](), 0.0
    for p_value in reversed(p_values):
        floor = max(floor, 1.0 if p_value is None else min(1.0, family * p_value))
        adjusted.append(None if p_value is None else floor)
    return adjusted[::-1]


def _family(curve: Curve) -> tuple[object, ...]:
    return curve.metric.key, curve.like.kinds, curve.like.shots, curve.like.mitigation


def _with_verdict(point: Point, adjusted: float | None, metric: Metric) -> Point:
    mean = point.change.estimate
    said = None if mean is None else verdict(mean, adjusted, metric.lower_is_better)
    return replace(point, change=replace(point.change, adjusted=adjusted, verdict=said))
