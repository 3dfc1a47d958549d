"""Numbers of studies for people: means with intervals, differences, p-values, headings and Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from qgen.number_text import fixed
from qgen.studies.results import Metric
from qgen.studies.statistics import Estimate
from qgen.studies.study import Row

#: Stands for a missing value.
UNKNOWN = "\u2013"
_MAX_DECIMALS = 6


def format_mean(mean: Estimate | None, share: bool = False, signed: bool = False) -> str:
    """Format a mean and its interval; shares in percent.

    "12.3 ± 4.5" is its half-width; where an end was moved to what the mean can be, "98 [91, 100]" are both ends.
    """
    if mean is None:
        return UNKNOWN
    decimals = _decimals(mean, share)
    text = _number(mean.mean, share, decimals, signed)
    if mean.low is None or mean.high is None:
        return text
    above, below = mean.high - mean.mean, mean.mean - mean.low
    if not math.isclose(above, below, rel_tol=1e-6, abs_tol=1e-12):
        return f"{text} [{', '.join(_number(end, share, decimals, signed) for end in (mean.low, mean.high))}]"
    return f"{text} ± {_number(above, share, decimals)}"


def format_difference(mean: Estimate, share: bool = False) -> str:
    """Format a difference and its interval, as in "+1.20 [-0.30, +2.70]"; shares in percentage points."""
    decimals = _decimals(mean, share)
    text = _number(mean.mean, share, decimals, signed=True)
    if mean.low is None or mean.high is None:
        return text
    ends = (_number(end, share, decimals, signed=True) for end in (mean.low, mean.high))
    return f"{text} [{', '.join(ends)}]"


def format_values(mean: Estimate, share: bool = False) -> str:
    """Format the value of each seed."""
    decimals = _decimals(mean, share)
    return ", ".join(UNKNOWN if value is None else _number(value, share, decimals) for value in mean.values)


def heading(metric: Metric) -> str:
    """Return the name of a metric, its unit and the direction of improvement."""
    return f"{metric.name}{', %' * metric.share}\u00a0{'↓' if metric.lower_is_better else '↑'}"


def format_p_value(p_value: float | None) -> str:
    """Format a p-value."""
    if p_value is None:
        return UNKNOWN
    return "< 0.0001" if p_value < 1e-4 else f"{p_value:.{3 if p_value < 0.1 else 2}g}"


def equals(p_value: float | None) -> str:
    """Format a p-value after its name, as in "= 0.03" and "< 0.0001"."""
    text = format_p_value(p_value)
    return text if text.startswith("<") else f"= {text}"


def thousands(number: int) -> str:
    """Format a whole number in groups of three digits."""
    return f"{number:,}".replace(",", "\u202f")


def markdown_list(lines: Iterable[str]) -> str:
    """Return a list in Markdown."""
    return "\n".join(f"- {line}" for line in lines)


def markdown_table(head: Row, rows: Iterable[Sequence[str]], text_columns: int) -> str:
    """Return a table in Markdown whose first columns are text, aligned left."""
    rule = [":--" if column < text_columns else "--:" for column in range(len(head))]
    cells = ([cell.replace("|", "\\|") for cell in row] for row in (head, rule, *rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _number(value: float, share: bool, decimals: int, signed: bool = False) -> str:
    return fixed(100 * value if share else value, decimals, signed).replace(",", "\u202f")  # as `thousands`


def _decimals(mean: Estimate, share: bool) -> int:
    """Return the decimals that show the larger of a mean and its half-width with three digits."""
    half_width = 0.0 if mean.high is None or mean.low is None else max(mean.high - mean.mean, mean.mean - mean.low)
    size = max(abs(mean.mean), half_width) * (100 if share else 1)
    if not size:
        return 1
    return min(_MAX_DECIMALS, max(0, 2 - math.floor(math.log10(size))))
