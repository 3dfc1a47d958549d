"""Charts that follow the width of the page and its colours: no picture is scaled, so that text stays readable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median, quantiles

from qgen.reports.markup import Markup, element, join, percent, plural, table
from qgen.reports.result import DeviceReport
from qgen.transpilation.result import Candidate, Success

PARTS = ("gates", "readout", "idle")

_ROW, _HEAD, _FOOT = 66, 22, 22
#: Heights in a row of the strip chart: its heading, and the middle of its box.
_TITLE, _MIDDLE, _BOX = 13, 38, 30
#: Multiples of it, cut to their fraction, never come close to one another: points that do not hide each other.
_GOLDEN = 0.618034


def losses(success: Success) -> dict[str, float]:
    """How the probability that something goes wrong, 1 - total, is shared among its parts.

    Each part p has a share in proportion to -ln p, since logarithms of factors add up as losses do.
    """
    weights = {part: math.log(1 / max(getattr(success, part), 1e-300)) for part in PARTS}
    whole = sum(weights.values())
    return {part: (1 - success.total) * weight / whole if whole else 0.0 for part, weight in weights.items()}


def success_chart(devices: Sequence[tuple[str, Success]]) -> Markup:
    """A bar for each device: what succeeds, then what is lost to gates, readout and idling."""
    label = "; ".join(f"{name}: {_in_words(success)}" for name, success in devices)
    rows = (join((element("b", name), _stack(s), element("span", percent(s.total)))) for name, s in devices)
    bars = element("div", *(element("div", row, class_="row") for row in rows), role="img", aria_label=label)
    keys = ("success", *(f"lost to {part}" for part in PARTS))
    legend = (element("li", key, class_=kind) for key, kind in zip(keys, ("success", *PARTS), strict=True))
    return element("figure", bars, element("ul", *legend, class_="legend"), class_="stacks")


def _in_words(success: Success) -> str:
    lost = ", ".join(f"{percent(share)} lost to {part}" for part, share in losses(success).items())
    return f"{percent(success.total)} success, {lost}"


def _stack(success: Success) -> Markup:
    shares = {"success": success.total} | losses(success)
    return element("span", *(_segment(kind, share) for kind, share in shares.items()), class_="stack")


def _segment(kind: str, share: float) -> Markup:
    words = "success" if kind == "success" else f"lost to {kind}"
    return element("i", class_=kind, style=f"width:{100 * share:.3f}%", title=f"{words}: {percent(share)}")


def bars(caption: str, head: tuple[str, str], rows: Iterable[tuple[str, float, str]]) -> Markup:
    """A table with a bar beside each value.

    Args:
        caption: what it shows.
        head: what the rows are, and what the values are.
        rows: name, value and the value as it is written.
    """
    known = list(rows)
    most = max((value for _, value, _ in known), default=0) or 1
    cells = ((name, _bar(value / most, text)) for name, value, text in known)
    return element("div", table(caption, head, cells, wide=False), class_="bars")


def _bar(share: float, text: str) -> Markup:
    line = element("span", element("i", style=f"width:{100 * share:.1f}%"), aria_hidden="true")
    return element("div", line, text, class_="bar")


def strip_chart(device: DeviceReport) -> Markup:
    """Every candidate as a point at its success probability, in a row for its level, over the level's quartiles."""
    levels = sorted({candidate.level for candidate in device.candidates})
    groups = {level: [one for one in device.candidates if one.level == level] for level in levels}
    axis = _Axis([one.figures.success.total for one in (*device.candidates, device.default)])
    height = _HEAD + _ROW * len(levels) + _FOOT
    rows = (_strip(axis, groups[level], level, _HEAD + _ROW * k, device.best) for k, level in enumerate(levels))
    reached = device.default.figures.success.total
    default = join(
        (_upright(axis, reached, 14, height - _FOOT, "default"), _words(axis, reached, 10, "level 3 default"))
    )
    label = "; ".join(f"level {level}: {_spread(groups[level])}" for level in levels)
    content = (*axis.grid(_HEAD, height - _FOOT), default, *rows)
    return element("svg", *content, class_="strips", width="100%", height=height, role="img", aria_label=label)


class _Axis:
    """Places of values on a line from left to right, in percent of its length, between round numbers."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min(values), max(values)
        self._step = round_step((high - low) or 0.1 * high or 0.1)
        self._low = math.floor(low / self._step + 1e-9) * self._step
        self._high = max(math.ceil(high / self._step - 1e-9) * self._step, self._low + self._step)

    def place(self, value: float) -> float:
        return 1.5 + 97 * (value - self._low) / (self._high - self._low)

    def grid(self, top: float, bottom: float) -> Iterable[Markup]:
        """Upright lines at round numbers, and these numbers."""
        for k in range(round((self._high - self._low) / self._step) + 1):
            value = self._low + k * self._step
            yield _upright(self, value, top, bottom, "grid")
            yield _words(self, value, bottom + 16, f"{100 * value:.3g}\u202f%")


def round_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, at least a sixth of the span."""
    power = 10.0 ** math.floor(math.log10(span / 6))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= 0.99 * span / 6), 10 * power)


def _strip(axis: _Axis, group: Sequence[Candidate], level: int, top: float, best: Candidate) -> Markup:
    values = [one.figures.success.total for one in group]
    title = element("text", f"level {level}: {_spread(group)}", x=0, y=top + _TITLE)
    points = (_point(axis, one, k, top + _MIDDLE, one is best) for k, one in enumerate(group))
    return join((title, _box(axis, values, top + _MIDDLE), *points))


def _spread(group: Sequence[Candidate]) -> str:
    values = [one.figures.success.total for one in group]
    return f"{len(group)} tried, median {percent(median(values))}"


def _box(axis: _Axis, values: Sequence[float], middle: float) -> Markup:
    if len(values) < 2:
        return Markup()
    low, centre, high = (axis.place(value) for value in quantiles(values, n=4, method="inclusive"))
    line = element("line", x1=f"{centre:.2f}%", x2=f"{centre:.2f}%", y1=middle - _BOX / 2, y2=middle + _BOX / 2)
    width, top = f"{high - low:.2f}%", middle - _BOX / 2
    return element("g", element("rect", x=f"{low:.2f}%", y=top, width=width, height=_BOX, rx=2), line, class_="box")


def _point(axis: _Axis, one: Candidate, index: int, middle: float, is_best: bool) -> Markup:
    shift = ((index * _GOLDEN) % 1 - 0.5) * (_BOX - 8)
    kind = " ".join(("replaced",) * one.replaced + ("best",) * is_best)
    total = percent(one.figures.success.total)
    gates = plural(one.figures.two_qubit_gates, "two-qubit gate")
    words = f"{'best, ' * is_best}level {one.level}, seed {one.seed}: {total}, {gates}"
    x, y = f"{axis.place(one.figures.success.total):.2f}%", round(middle + shift, 1)
    return element("circle", element("title", words), cx=x, cy=y, r=6 if is_best else 3, class_=kind or None)


def _upright(axis: _Axis, value: float, top: float, bottom: float, kind: str) -> Markup:
    place = f"{axis.place(value):.2f}%"
    return element("line", x1=place, x2=place, y1=top, y2=bottom, class_=kind)


def _words(axis: _Axis, value: float, y: float, text: str) -> Markup:
    place = axis.place(value)
    anchor = "start" if place < 12 else "end" if place > 88 else "middle"
    return element("text", text, x=f"{place:.2f}%", y=y, text_anchor=anchor, class_="tick")
