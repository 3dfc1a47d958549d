"""Line charts with bands; they follow the width of the page, and text is never scaled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from qgen.reports.html.charts import round_step
from qgen.reports.html.markup import element

_TOP, _PLOT, _FOOT = 8, 200, 22
_HEIGHT = _TOP + _PLOT + _FOOT
#: Least width of the labels of the vertical axis, largest width of a character, and the gap between labels and plot.
_LEFT, _CHARACTER, _GAP = 52, 7, 8
#: Number of colours; further lines repeat them with other dashes.
_COLOURS = 8
_DASHES = (None, "7 4", "2 3", "9 3 2 3")
#: Ratio of the largest to the smallest value beyond which the axis is logarithmic.
_LOG_RATIO = 30
#: Of marks of an axis that ends beyond.
_UNITS = ((1e6, "\u202fM"), (1e3, "\u202fk"))
#: Decimals beyond which marks are written with three digits where those are exact.
_MAX_DECIMALS = 5
#: Share of values below which their differences are those of rounding.
_ROUNDING = 1e-9
_SCALE = 1000  # width and height of the view box


class LinePoint(NamedTuple):
    """A point of a line, and the ends of its band; None without a band.

    Attributes:
        x: along the horizontal axis.
        y: along the vertical one.
        low: lower end of the band.
        high: upper end.
        values: what `y` is the mean of, shown as dots.
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    values: Sequence[float] = ()


class Line(NamedTuple):
    """A line of a chart; its colour follows from its position among the lines."""

    name: str
    points: Sequence[LinePoint]


def line_chart(
    title: str, lines: Sequence[Line], across: str, percent: bool = False, like: Sequence[Line] | None = None
) -> Markup:
    """Make a chart of lines with their bands and dots.

    Args:
        title: of the vertical axis, above the chart.
        lines: at least one with a point; lines without points take a colour, too.
        across: label of the horizontal axis.
        percent: whether values are shares in [0, 1], shown in percent.
        like: lines that the axes have to hold as well, so that charts side by side share them.
    """
    points = [point for line in (*lines, *(like or ())) for point in line.points]
    down = _Axis.of(list(_heights_of(points)), percent)
    right = _Axis.from_zero(max(point.x for point in points))
    shapes = [_draw_line(line, number, right, down) for number, line in enumerate(lines) if line.points]
    inside = {"viewBox": f"0 0 {_SCALE} {_SCALE}", "preserveAspectRatio": "none", "width": "100%"}
    bands, curves = [band for band, _ in shapes], [path for _, path in shapes]
    paths = element("svg", *bands, *curves, **inside, y=_TOP, height=_PLOT, class_="clip")
    dots = element("svg", *_dots(lines, right, down), **inside, y=_TOP, height=_PLOT)  # those on the border are whole
    left = max(_LEFT, _GAP + _CHARACTER * max(len(down.label(mark)) for mark in down.marks))
    heights = element("svg", *_heights(down, left - _GAP), width=left, height=_HEIGHT, aria_hidden="true")
    plot = element("svg", *_grid(right, down), paths, dots, width="100%", height=_HEIGHT, aria_hidden="true")
    label = f"{title} against {across}. {'; '.join(_describe(line, down) for line in lines if line.points)}"
    drawing = element("div", heights, plot, class_="plot", role="img", aria_label=label)
    return element("figure", element("figcaption", title), drawing, element("p", across), class_="lines")


def _heights_of(points: Sequence[LinePoint]) -> Iterator[float]:
    """Yield all values that the vertical axis has to hold; what is not above 0 keeps no axis from being logarithmic."""
    above = all(point.y > 0 for point in points)
    for point in points:
        yield point.y
        further = (*point.values, *(end for end in (point.low, point.high) if end is not None))
        yield from (value for value in further if value > 0 or not above or not _is_wide(points))


def _is_wide(points: Sequence[LinePoint]) -> bool:
    """Return whether an axis for the lines alone is logarithmic."""
    return max(point.y for point in points) > _LOG_RATIO * min(point.y for point in points)


def _dots(lines: Sequence[Line], right: _Axis, down: _Axis) -> Iterator[Markup]:
    for number, line in enumerate(lines):
        places = [
            f"M{_SCALE * right.position(point.x):.1f},{_SCALE * (1 - down.position(value)):.1f}h0.01"
            for point in line.points
            for value in point.values
            if 0 <= down.position(value) <= 1  # what is not above 0 is not on a logarithmic axis
        ]
        if places:
            yield element("path", d=" ".join(places), class_=f"dots {_colour(number)}")


def legend(names: Sequence[str]) -> Markup:
    """Make a legend of lines, by their positions."""
    items = (
        element("li", element("svg", _sample(number), width=26, height=10, aria_hidden="true"), name)
        for number, name in enumerate(names)
    )
    return element("ul", *items, class_="legend keys")


def _sample(number: int) -> Markup:
    return element("line", x1=0, x2=26, y1=5, y2=5, class_=_colour(number), stroke_dasharray=_dash(number))


def _colour(number: int) -> str:
    return f"line c{number % _COLOURS}"


def _dash(number: int) -> str | None:
    return _DASHES[(number + number // _COLOURS) % len(_DASHES)]


class _Axis:
    """An axis between round numbers, with positions from 0 to 1; logarithmic for values that differ by much."""

    def __init__(self, marks: Sequence[float], ends: tuple[float, float], logarithmic: bool, percent: bool) -> None:
        self.marks, self._ends, self.logarithmic, self._percent = marks, ends, logarithmic, percent

    @classmethod
    def from_zero(cls, high: float) -> _Axis:
        """Make an axis from 0 to this value, which need not be round."""
        step = round_step(high or 1.0)
        return cls([k * step for k in range(math.floor(high / step + 1e-9) + 1)], (0.0, high or 1.0), False, False)

    @classmethod
    def of(cls, values: Sequence[float], percent: bool) -> _Axis:
        """Make an axis for these values."""
        low, high = min(values), max(values)
        if not percent and low > 0 and high > _LOG_RATIO * low:
            first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
            marks = [digit * 10.0**power for power in range(first, last) for digit in (1, 2, 5)] + [10.0**last]
            below = max(mark for mark in marks if mark <= low * (1 + 1e-9))
            above = min(mark for mark in marks if mark >= high * (1 - 1e-9))
            return cls([mark for mark in marks if below <= mark <= above], (below, above), True, percent)
        largest = max(abs(low), abs(high))
        step = round_step(high - low if high - low > _ROUNDING * largest else largest or 1.0)
        start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        stop = max(stop, start + 1)
        return cls([k * step for k in range(start, stop + 1)], (start * step, stop * step), False, percent)

    def position(self, value: float) -> float:
        """Return 0 at the lower end to 1 at the upper; values outside are clipped at one and two axes away."""
        low, high = self._ends
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low * 1e-3))
        return min(2.0, max(-1.0, (value - low) / (high - low)))

    def label(self, mark: float) -> str:
        """Format a mark with the decimals of the step between marks, or with three digits where those are exact."""
        step = self.marks[1] - self.marks[0] if len(self.marks) > 1 else self._ends[1]
        largest = max(abs(self.marks[0]), abs(self.marks[-1]))
        unit, sign = next(((unit, sign) for unit, sign in _UNITS if largest >= unit), (1.0, ""))
        unit, sign = (0.01, "\u202f%") if self._percent else (unit, sign)
        decimals = max(0, -math.floor(math.log10(step / unit) + 1e-9))
        short = decimals > _MAX_DECIMALS and all(abs(float(f"{each:.3g}") - each) < step / 10 for each in self.marks)
        if self.logarithmic or short:
            return self.text(mark)
        return f"{mark / unit:z.{decimals}f}{sign if mark or self._percent else ''}".replace("-", "\u2212")

    def text(self, value: float) -> str:
        """Format any value with three digits."""
        if self._percent:
            return f"{100 * value:.3g}\u202f%".replace("-", "\u2212")
        if value >= 1000:
            return f"{value / 1e6:.3g}\u202fM" if value >= 1e6 else f"{value / 1e3:.3g}\u202fk"
        return f"{value:.3g}".replace("-", "\u2212")


def _y(axis: _Axis, value: float) -> float:
    return round(_TOP + _PLOT * (1 - axis.position(value)), 1)


def _heights(down: _Axis, end: float) -> Iterator[Markup]:
    for mark in down.marks:
        yield element("text", down.label(mark), x=end, y=_y(down, mark) + 4, text_anchor="end", class_="tick")


def _grid(right: _Axis, down: _Axis) -> Iterator[Markup]:
    for mark in down.marks:
        yield element("line", x1="0%", x2="100%", y1=_y(down, mark), y2=_y(down, mark), class_="grid")
    for mark in right.marks:
        x, share = f"{100 * right.position(mark):.2f}%", right.position(mark)
        anchor = "start" if share < 0.04 else "end" if share > 0.96 else "middle"
        yield element("text", right.label(mark), x=x, y=_HEIGHT - 4, text_anchor=anchor, class_="tick")


def _draw_line(line: Line, number: int, right: _Axis, down: _Axis) -> tuple[Markup, Markup]:
    """Make the band and the line."""

    def at(x: float, y: float) -> str:
        return f"{_SCALE * right.position(x):.1f},{_SCALE * (1 - down.position(y)):.1f}"

    upper = [at(point.x, point.high) for point in line.points if point.high is not None]
    lower = [at(point.x, point.low) for point in line.points if point.low is not None]
    band = element("polygon", points=" ".join((*upper, *reversed(lower))), class_=f"band {_colour(number)}")
    places = " ".join(at(point.x, point.y) for point in line.points)
    title = element("title", line.name)
    path = element("polyline", title, points=places, class_=_colour(number), stroke_dasharray=_dash(number))
    return band if upper else Markup(), path


def _describe(line: Line, axis: _Axis) -> str:
    first, last = line.points[0], line.points[-1]
    return f"{line.name}: from {axis.text(first.y)} to {axis.text(last.y)}"
