"""Charts of a transpilation report: parts of success, and the success of all candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median, quantiles

from markupsafe import Markup

from qgen.reports.html.charts import PercentAxis, axis_label, vertical_line
from qgen.reports.html.markup import element, join, percent, plural
from qgen.reports.html.templates import fragment
from qgen.reports.transpilation.result import DeviceReport
from qgen.transpilation import Success, TranspileResult

PARTS = ("gates", "readout", "idle")

#: Heights of the strip chart: of a row, and above and below all rows.
_ROW, _HEAD, _FOOT = 66, 22, 22
#: Heights within a row: of its title, the middle of its box, and the height of its box.
_TITLE, _MIDDLE, _BOX = 13, 38, 30
#: The fractional parts of its multiples are spread evenly, so that points do not hide one another.
_GOLDEN = 0.618034


def losses(success: Success) -> dict[str, float]:
    """Split the probability of a failure, 1 - total, among its parts.

    The share of a part p is proportional to -ln p, since logarithms of factors add up.
    """
    weights = {part: math.log(1 / max(getattr(success, part), 1e-300)) for part in PARTS}
    whole = sum(weights.values())
    return {part: (1 - success.total) * weight / whole if whole else 0.0 for part, weight in weights.items()}


def success_chart(devices: Sequence[tuple[str, Success]]) -> Markup:
    """Make a bar for each device: the success, then the losses to gates, readout and idling."""
    titles = {"success": "success"} | {part: f"lost to {part}" for part in PARTS}
    rows = []
    for name, success in devices:
        shares = {"success": success.total} | losses(success)
        segments = [
            {"kind": kind, "percent": 100 * share, "title": f"{titles[kind]}: {percent(share)}"}
            for kind, share in shares.items()
        ]
        rows.append({"name": name, "segments": segments, "total": percent(success.total)})
    label = "; ".join(f"{name}: {_describe(success)}" for name, success in devices)
    return fragment("qgen.reports.transpilation/stacks.html", devices=rows, keys=list(titles.items()), label=label)


def _describe(success: Success) -> str:
    lost = ", ".join(f"{percent(share)} lost to {part}" for part, share in losses(success).items())
    return f"{percent(success.total)} success, {lost}"


def strip_chart(device: DeviceReport) -> Markup:
    """Make a row for each level, with a point for each candidate at its success, over a box of the quartiles."""
    groups = device.by_level
    levels = sorted(groups)
    axis = PercentAxis([result.metrics.success.total for result in (*device.candidates, device.default)])
    height = _HEAD + _ROW * len(levels) + _FOOT
    rows = (_strip(axis, groups[level], level, _HEAD + _ROW * k, device.best) for k, level in enumerate(levels))
    reached = device.default.metrics.success.total
    default = join(
        (vertical_line(axis, reached, 14, height - _FOOT, "default"), axis_label(axis, reached, 10, "level 3 default"))
    )
    label = "; ".join(f"level {level}: {_spread(groups[level])}" for level in levels)
    content = (*axis.grid(_HEAD, height - _FOOT), default, *rows)
    return element("svg", *content, class_="strips", width="100%", height=height, role="img", aria_label=label)


def _strip(
    axis: PercentAxis, group: Sequence[TranspileResult], level: int, top: float, best: TranspileResult
) -> Markup:
    values = [result.metrics.success.total for result in group]
    title = element("text", f"level {level}: {_spread(group)}", x=0, y=top + _TITLE)
    points = (_point(axis, result, k, top + _MIDDLE, result is best) for k, result in enumerate(group))
    return join((title, _box(axis, values, top + _MIDDLE), *points))


def _spread(group: Sequence[TranspileResult]) -> str:
    values = [result.metrics.success.total for result in group]
    return f"{len(group)} tried, median {percent(median(values))}"


def _box(axis: PercentAxis, values: Sequence[float], middle: float) -> Markup:
    if len(values) < 2:
        return Markup()
    low, centre, high = (axis.position(value) for value in quantiles(values, n=4, method="inclusive"))
    line = element("line", x1=f"{centre:.2f}%", x2=f"{centre:.2f}%", y1=middle - _BOX / 2, y2=middle + _BOX / 2)
    width, top = f"{high - low:.2f}%", middle - _BOX / 2
    return element("g", element("rect", x=f"{low:.2f}%", y=top, width=width, height=_BOX, rx=2), line, class_="box")


def _point(axis: PercentAxis, result: TranspileResult, index: int, middle: float, is_best: bool) -> Markup:
    shift = ((index * _GOLDEN) % 1 - 0.5) * (_BOX - 8)
    kind = " ".join(("replaced",) * result.moved + ("best",) * is_best)
    total = percent(result.metrics.success.total)
    gates = plural(result.metrics.two_qubit_gates, "two-qubit gate")
    title = f"{'best, ' * is_best}level {result.options.level}, seed {result.options.seed}: {total}, {gates}"
    x, y = f"{axis.position(result.metrics.success.total):.2f}%", round(middle + shift, 1)
    return element("circle", element("title", title), cx=x, cy=y, r=6 if is_best else 3, class_=kind or None)
