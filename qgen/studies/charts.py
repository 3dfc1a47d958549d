"""Points of charts of studies: with an interval, or with the seeds themselves where they are few."""

from __future__ import annotations

from qgen.reports.html.line_chart import LinePoint
from qgen.studies.statistics import ENOUGH, Estimate


def seeds_shown(mean: Estimate) -> tuple[float, ...]:
    """Return the values that a chart shows in place of the interval of so few; none where it shows the interval."""
    known = tuple(value for value in mean.values if value is not None)
    return known if len(known) < ENOUGH else ()


def line_point(x: float, mean: Estimate) -> LinePoint:
    """Return the point of a mean in a line chart."""
    values = seeds_shown(mean)
    low, high = (None, None) if values else (mean.low, mean.high)
    return LinePoint(x, mean.mean, low, high, values)
