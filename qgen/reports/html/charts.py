"""Charts that follow the width of the page and its colours: no picture is scaled, so that text stays readable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from qgen.reports.html.markup import element


class PercentAxis:
    """A horizontal axis between round numbers; positions are in percent of its width."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min(values), max(values)
        self._step = round_step((high - low) or 0.1 * high or 0.1)
        self._low = math.floor(low / self._step + 1e-9) * self._step
        self._high = max(math.ceil(high / self._step - 1e-9) * self._step, self._low + self._step)

    def position(self, value: float) -> float:
        """Return the position of a value, in percent."""
        return 1.5 + 97 * (value - self._low) / (self._high - self._low)

    def grid(self, top: float, bottom: float) -> Iterable[Markup]:
        """Make vertical lines at round numbers, with labels below."""
        for k in range(round((self._high - self._low) / self._step) + 1):
            value = self._low + k * self._step
            yield vertical_line(self, value, top, bottom, "grid")
            yield axis_label(self, value, bottom + 16, f"{100 * value:.3g}\u202f%")


def round_step(span: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least a sixth of the span."""
    power = 10.0 ** math.floor(math.log10(span / 6))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= 0.99 * span / 6), 10 * power)


def vertical_line(axis: PercentAxis, value: float, top: float, bottom: float, kind: str) -> Markup:
    """Make a vertical line at a value of the axis, of this class."""
    x = f"{axis.position(value):.2f}%"
    return element("line", x1=x, x2=x, y1=top, y2=bottom, class_=kind)


def axis_label(axis: PercentAxis, value: float, y: float, text: str) -> Markup:
    """Make a label at a value of the axis that stays within its ends."""
    x = axis.position(value)
    anchor = "start" if x < 12 else "end" if x > 88 else "middle"
    return element("text", text, x=f"{x:.2f}%", y=y, text_anchor=anchor, class_="tick")
