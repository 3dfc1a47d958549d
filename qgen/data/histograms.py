"""Histograms and density maps of samples from low-dimensional distributions, drawn with Pillow alone."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from qgen.data.image_files import save_grid, save_png
from qgen.data.image_set import ImageSet, scale
from qgen.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour = tuple[int, int, int]

#: As in the reports: generated samples are blue, real ones orange.
BLUE: Colour = (31, 111, 178)
PALE_BLUE: Colour = (165, 200, 227)
ORANGE: Colour = (210, 96, 60)
INK: Colour = (28, 33, 39)
SOFT: Colour = (89, 99, 110)
WHITE: Colour = (255, 255, 255)

TEXT = 30  # pixels: 7 points at 300 to the inch
LINE = 3
TICK = 9
LABEL = 140  # pixels from a vertical axis to the far side of its label
_SMALL = 21
#: Colour map of densities, from zero to the maximum.
_MAP = (WHITE, (176, 208, 232), BLUE, (13, 44, 84))


@dataclass(frozen=True)
class Panel:
    """A rectangle of a figure with two axes.

    Attributes:
        figure: the image to draw into.
        left: left edge, in pixels.
        top: top edge, in pixels.
        width: in pixels.
        height: in pixels.
        x_range: values at the left and the right edge.
        y_range: values at the bottom and the top edge.
    """

    figure: Image
    left: int
    top: int
    width: int
    height: int
    x_range: tuple[float, float] = (-1, 1)
    y_range: tuple[float, float] = (-1, 1)

    def x(self, value: float) -> int:
        """Return the pixel column of a value."""
        low, high = self.x_range
        return self.left + round(self.width * (value - low) / (high - low))

    def y(self, value: float) -> int:
        """Return the pixel row of a value."""
        low, high = self.y_range
        return self.top + self.height - round(self.height * (value - low) / (high - low))

    def bars(self, edges: NDArray[np.float64], heights: NDArray[np.float64], colour: Colour) -> None:
        """Draw a filled histogram: `heights` between `edges`."""
        draw = drawing(self.figure)
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            if height > 0:
                draw.rectangle((self.x(left), self.y(height), self.x(right), self.y(0)), fill=colour)

    def outline(self, edges: NDArray[np.float64], heights: NDArray[np.float64], colour: Colour) -> None:
        """Draw a histogram as a step line that begins and ends at 0."""
        steps = np.repeat(np.concatenate([[0], heights, [0]]), 2)[1:-1]
        corners = [(self.x(at), self.y(height)) for at, height in zip(np.repeat(edges, 2), steps, strict=True)]
        drawing(self.figure).line(corners, fill=colour, width=LINE)

    def heatmap(self, values: NDArray[np.float64]) -> None:
        """Fill the rectangle with cells coloured by their values in [0, 1].

        The first axis goes from left to right, the second from bottom to top, as in `numpy.histogram2d`.
        """
        from PIL import Image

        cells = Image.fromarray(colours(values.T[::-1]))
        size = (self.width, self.height)
        self.figure.paste(cells.resize(size, Image.Resampling.NEAREST), (self.left, self.top))

    def frame(self, x_label: tuple[str, str], y_label: tuple[str, str]) -> None:
        """Draw the edges, with ticks, tick labels and labels of both axes.

        Args:
            x_label: label of the horizontal axis, and its subscript.
            y_label: the same for the vertical axis.
        """
        draw, bottom = drawing(self.figure), self.top + self.height
        draw.rectangle((self.left, self.top, self.left + self.width, bottom), outline=INK, width=2)
        for value in ticks(*self.x_range):
            draw.line((self.x(value), bottom, self.x(value), bottom + TICK), fill=INK, width=2)
            write(draw, (self.x(value), bottom + TICK + 5), f"{value:.3g}", "ma", SOFT)
        for value in ticks(*self.y_range):
            draw.line((self.left - TICK, self.y(value), self.left, self.y(value)), fill=INK, width=2)
            write(draw, (self.left - TICK - 5, self.y(value)), f"{value:.3g}", "rm", SOFT)
        write_label(draw, (self.left + self.width / 2, bottom + TICK + 2.2 * TEXT), *x_label)
        self._vertical_label(*y_label)

    def _vertical_label(self, word: str, subscript: str) -> None:
        from PIL import Image

        label = Image.new("RGB", (self.height, 2 * TEXT), WHITE)
        write_label(drawing(label), (self.height / 2, TEXT), word, subscript)
        self.figure.paste(label.transpose(Image.Transpose.ROTATE_90), (self.left - LABEL, self.top))


def drawing(figure: Image) -> ImageDraw:
    """Return a Pillow drawing context for a figure."""
    from PIL import ImageDraw

    return ImageDraw.Draw(figure)


def colours(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Map values in [0, 1] to colours, (..., 3); values outside are clipped."""
    positions = np.linspace(0, 1, len(_MAP))
    parts = [np.interp(values, positions, part) for part in zip(*_MAP, strict=True)]
    return np.rint(np.stack(parts, axis=-1)).astype(np.uint8)


def ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers from `low` to `high`."""
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= 0.99 * (high - low) / 5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * k for k in range(first, last + 1)]


def write_label(draw: ImageDraw, middle: tuple[float, float], word: str, subscript: str) -> None:
    """Write a word with a subscript, such as x with 1, centred on a point."""
    wide, small = draw.textlength(word, font=font(TEXT)), draw.textlength(subscript, font=font(_SMALL))
    left, base = middle[0] - (wide + small) / 2, middle[1] + TEXT / 3
    draw.text((left, base), word, fill=INK, font=font(TEXT), anchor="ls")
    draw.text((left + wide, base + TEXT / 5), subscript, fill=INK, font=font(_SMALL), anchor="ls")


def write(
    draw: ImageDraw, at: tuple[float, float], text: str, anchor: Literal["ma", "rm", "lm"], colour: Colour = INK
) -> None:
    """Write text with its `anchor` (Pillow's) at a point."""
    draw.text(at, text, fill=colour, font=font(TEXT), anchor=anchor)


@lru_cache(maxsize=4)
def font(size: int) -> FreeTypeFont | ImageFont:
    """Return Pillow's default font."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


#: Size of the panel of a histogram, in pixels; a map is `WIDTH` x `WIDTH`.
WIDTH, HEIGHT = 540, 400
#: Margins in pixels: left of each panel, below it, above all of them, above a map, and right of all.
LEFT, BELOW, ABOVE, TITLE, RIGHT = 170, 120, 120, 50, 40
_BAR, _BAR_ROOM = 30, 170  # the colour bar beside the maps
_COLUMNS = 3
#: Largest dimension for which every pair of dimensions has a map.
_MAX_MAPPED = 3


@dataclass(frozen=True)
class _Samples:
    name: str
    values: NDArray[np.float64]  # (N, D)

    @property
    def legend(self) -> str:
        """Text of the legend: the number of samples, and of those outside the histograms."""
        outside = int((np.abs(self.values) > 1).any(axis=1).sum())
        note = f"; {outside:,} outside" if outside else ""
        return f"{self.name} ({len(self.values):,}{note})"


def save_samples(images: torch.Tensor, path: str | os.PathLike[str], real: ImageSet | None = None) -> None:
    """Draw images as a grid (see `save_grid`), and samples of a distribution as histograms.

    Samples have a histogram for each of their D dimensions, and for D = 2 or 3 a density map for each pair of
    dimensions, on [-1, 1]. The darkest colour is the maximum density of the real samples, or of all without them.

    Args:
        images: (N, C, H, W) as for `save_grid`; or (N, D, 1, 1), for histograms.
        path: the file; its folder must exist.
        real: samples to compare with, drawn as outlines and second maps.

    Raises:
        DataError: there are no images, their shape or type cannot be drawn, or the real ones have another shape.
        OSError: the file cannot be written.
    """
    if images.ndim != 4 or images.shape[2:] != (1, 1):
        save_grid(images, path)
        return
    samples = [_Samples("samples" if real is None else "generated", _values(images))]
    if real is not None:
        if real.shape != images.shape[1:]:
            raise DataError(f"Samples of {tuple(images.shape[1:])} cannot be compared with real ones of {real.shape}.")
        samples.append(_Samples("real", _values(real.images)))
    save_png(_figure(samples), path)


def density(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the density of (N, k) values in bins with the same edges in each dimension: (B,) or (B, B), k = 1 or 2."""
    counts, _ = np.histogramdd(values, [edges] * values.shape[1])
    return np.asarray(counts / (len(values) * (edges[1] - edges[0]) ** values.shape[1]))


def bin_edges(count: int, dimensions: int = 1) -> NDArray[np.float64]:
    """Return bin edges from -1 to 1: 2 N^(1/3) bins (Rice's rule) in one dimension, 3 N^(1/4) per side in two.

    The number of bins is 8 to 100, and even, so that 0 is an edge.
    """
    bins = 2 * round((1 + dimensions) / 2 * count ** (1 / (2 + dimensions)))
    return np.linspace(-1, 1, min(max(bins, 8), 100) + 1)


def _values(images: torch.Tensor) -> NDArray[np.float64]:
    """Convert images of one pixel to (N, D) values."""
    values = scale(images.detach().cpu()).flatten(1).double()
    if not len(values) or not values.shape[1] or not values.isfinite().all():
        raise DataError("Samples to draw are at least one, of finite numbers.")
    return values.numpy()


def _figure(samples: list[_Samples]) -> Image:
    from PIL import Image

    count = samples[0].values.shape[1]
    columns = min(count, _COLUMNS)
    below = ABOVE + -(-count // columns) * (HEIGHT + BELOW)
    pairs = list(combinations(range(count), 2)) if count <= _MAX_MAPPED else []
    width = columns * (LEFT + WIDTH) + (_BAR_ROOM if pairs else RIGHT)
    height = below + (len(samples) * (TITLE + WIDTH + BELOW) if pairs else 0)
    figure = Image.new("RGB", (width, height), WHITE)
    _legend(figure, samples)
    _histograms(figure, samples, columns)
    if pairs:
        _maps(figure, samples, pairs, below)
    return figure


def _legend(figure: Image, samples: list[_Samples]) -> None:
    """Draw a line of text for each kind of samples, with a bar (filled) or a line (outlined) of its colour."""
    draw, styles = drawing(figure), ((PALE_BLUE, TEXT // 3), (ORANGE, LINE // 2))
    middle = ABOVE - round((1.5 * len(samples) - 0.5) * TEXT)
    for sample, (colour, half) in zip(samples, styles, strict=False):
        draw.rectangle((LEFT, middle - half, LEFT + 2 * TEXT, middle + half), fill=colour)
        write(draw, (LEFT + 2.5 * TEXT, middle), sample.legend, "lm")
        middle += round(1.5 * TEXT)


def _histograms(figure: Image, samples: list[_Samples], columns: int) -> None:
    edges, count = bin_edges(len(samples[0].values)), samples[0].values.shape[1]
    for number in range(count):
        heights = [density(sample.values[:, [number]], edges) for sample in samples]
        row, column = divmod(number, columns)
        corner = (LEFT + column * (LEFT + WIDTH), ABOVE + row * (HEIGHT + BELOW))
        panel = Panel(figure, *corner, WIDTH, HEIGHT, y_range=(0, 1.06 * max(values.max() for values in heights) or 1))
        panel.bars(edges, heights[0], PALE_BLUE)
        for outlined in heights[1:]:
            panel.outline(edges, outlined, ORANGE)
        panel.frame(("x", str(number + 1) if count > 1 else ""), ("density", ""))


def _maps(figure: Image, samples: list[_Samples], pairs: list[tuple[int, int]], top: int) -> None:
    edges = bin_edges(len(samples[0].values), dimensions=2)
    densities = [[density(sample.values[:, pair], edges) for pair in pairs] for sample in samples]
    densest = max(values.max() for values in densities[-1]) or 1
    for row, (sample, maps) in enumerate(zip(samples, densities, strict=True)):
        above = top + row * (TITLE + WIDTH + BELOW) + TITLE
        for column, (pair, cells) in enumerate(zip(pairs, maps, strict=True)):
            panel = Panel(figure, LEFT + column * (LEFT + WIDTH), above, WIDTH, WIDTH)
            panel.heatmap(cells / densest)
            panel.frame(("x", str(pair[0] + 1)), ("x", str(pair[1] + 1)))
            write(drawing(figure), (panel.left, above - TITLE // 2), sample.name, "lm")
        _colour_bar(figure, len(pairs) * (LEFT + WIDTH) + RIGHT, above, densest)


def _colour_bar(figure: Image, left: int, top: int, densest: float) -> None:
    draw = drawing(figure)
    panel = Panel(figure, left, top, _BAR, WIDTH, y_range=(0, densest))
    panel.heatmap(np.linspace(0, 1, WIDTH)[None])
    draw.rectangle((left, top, left + _BAR, top + WIDTH), outline=INK, width=2)
    for value in ticks(*panel.y_range):
        draw.line((left + _BAR, panel.y(value), left + _BAR + TICK, panel.y(value)), fill=INK, width=2)
        write(draw, (left + _BAR + TICK + 5, panel.y(value)), f"{value:.3g}", "lm", SOFT)
    write(draw, (left, top - TITLE // 2), "density", "lm", SOFT)
