"""Panels of a figure with axes, drawn with Pillow alone: bars, outlines and maps of colours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour = tuple[int, int, int]

#: As in the reports: what was generated is blue, what it is compared with is orange.
BLUE: Colour = (31, 111, 178)
PALE_BLUE: Colour = (165, 200, 227)
ORANGE: Colour = (210, 96, 60)
INK: Colour = (28, 33, 39)
SOFT: Colour = (89, 99, 110)
WHITE: Colour = (255, 255, 255)

TEXT = 30  # pixels: 7 points at 300 to the inch
LINE = 3
TICK = 9
NAMES = 140  # pixels from an upright axis to the far side of its name
_SMALL = 21
#: Of a map, from nothing to the densest.
_MAP = (WHITE, (176, 208, 232), BLUE, (13, 44, 84))


@dataclass(frozen=True)
class Panel:
    """A rectangle of a figure with an axis from `low` to `high` each way.

    Attributes:
        figure: it is drawn into this one.
        left: of the rectangle, in pixels from the left.
        top: in pixels from above.
        width: in pixels.
        height: in pixels.
        across: the least and the greatest value on the axis from left to right.
        up: likewise from below.
    """

    figure: Image
    left: int
    top: int
    width: int
    height: int
    across: tuple[float, float] = (-1, 1)
    up: tuple[float, float] = (-1, 1)

    def x(self, value: float) -> int:
        """The column of pixels at a value."""
        low, high = self.across
        return self.left + round(self.width * (value - low) / (high - low))

    def y(self, value: float) -> int:
        """The row of pixels at a value."""
        low, high = self.up
        return self.top + self.height - round(self.height * (value - low) / (high - low))

    def bars(self, edges: NDArray[np.float64], heights: NDArray[np.float64], colour: Colour) -> None:
        """A filled histogram: `heights` between `edges`."""
        draw = drawing(self.figure)
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            if height > 0:
                draw.rectangle((self.x(left), self.y(height), self.x(right), self.y(0)), fill=colour)

    def outline(self, edges: NDArray[np.float64], heights: NDArray[np.float64], colour: Colour) -> None:
        """A histogram as a line of steps, which begins and ends at 0."""
        steps = np.repeat(np.concatenate([[0], heights, [0]]), 2)[1:-1]
        corners = [(self.x(at), self.y(height)) for at, height in zip(np.repeat(edges, 2), steps, strict=True)]
        drawing(self.figure).line(corners, fill=colour, width=LINE)

    def paint(self, shares: NDArray[np.float64]) -> None:
        """Fills the rectangle with cells, by their shares of the darkest colour.

        The first axis of the shares goes from left to right, the second from below, as `numpy.histogram2d` has them.
        """
        from PIL import Image

        cells = Image.fromarray(colours(shares.T[::-1]))
        size = (self.width, self.height)
        self.figure.paste(cells.resize(size, Image.Resampling.NEAREST), (self.left, self.top))

    def frame(self, across: tuple[str, str], up: tuple[str, str]) -> None:
        """The edges, with ticks, numbers and names of both axes.

        Args:
            across: the name of the axis from left to right, and what stands at its foot.
            up: likewise of the axis from below.
        """
        draw, bottom = drawing(self.figure), self.top + self.height
        draw.rectangle((self.left, self.top, self.left + self.width, bottom), outline=INK, width=2)
        for value in ticks(*self.across):
            draw.line((self.x(value), bottom, self.x(value), bottom + TICK), fill=INK, width=2)
            write(draw, (self.x(value), bottom + TICK + 5), f"{value:.3g}", "ma", SOFT)
        for value in ticks(*self.up):
            draw.line((self.left - TICK, self.y(value), self.left, self.y(value)), fill=INK, width=2)
            write(draw, (self.left - TICK - 5, self.y(value)), f"{value:.3g}", "rm", SOFT)
        name(draw, (self.left + self.width / 2, bottom + TICK + 2.2 * TEXT), *across)
        self._name_upright(*up)

    def _name_upright(self, word: str, foot: str) -> None:
        from PIL import Image

        across = Image.new("RGB", (self.height, 2 * TEXT), WHITE)
        name(drawing(across), (self.height / 2, TEXT), word, foot)
        self.figure.paste(across.transpose(Image.Transpose.ROTATE_90), (self.left - NAMES, self.top))


def drawing(figure: Image) -> ImageDraw:
    """What draws into a figure."""
    from PIL import ImageDraw

    return ImageDraw.Draw(figure)


def colours(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The colour of each share of the densest, (..., 3); what lies outside [0, 1] is clipped."""
    places = np.linspace(0, 1, len(_MAP))
    parts = [np.interp(shares, places, part) for part in zip(*_MAP, strict=True)]
    return np.rint(np.stack(parts, axis=-1)).astype(np.uint8)


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers from `low` to `high`."""
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= 0.99 * (high - low) / 5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * k for k in range(first, last + 1)]


def name(draw: ImageDraw, middle: tuple[float, float], word: str, foot: str) -> None:
    """A word with its foot, such as x with 1 below, about a point."""
    wide, small = draw.textlength(word, font=font(TEXT)), draw.textlength(foot, font=font(_SMALL))
    left, base = middle[0] - (wide + small) / 2, middle[1] + TEXT / 3
    draw.text((left, base), word, fill=INK, font=font(TEXT), anchor="ls")
    draw.text((left + wide, base + TEXT / 5), foot, fill=INK, font=font(_SMALL), anchor="ls")


def write(
    draw: ImageDraw, at: tuple[float, float], words: str, anchor: Literal["ma", "rm", "lm"], colour: Colour = INK
) -> None:
    """Words beside a point, which is at the `anchor` of them, as Pillow names it."""
    draw.text(at, words, fill=colour, font=font(TEXT), anchor=anchor)


@lru_cache(maxsize=4)
def font(size: int) -> FreeTypeFont | ImageFont:
    """Pillow's own."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
