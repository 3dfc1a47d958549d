"""Samples as a PNG file: a grid of images, or histograms where an image is one pixel."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from qgen.data import panels
from qgen.data.images import ImageSet, scale
from qgen.data.panels import TEXT, Panel
from qgen.data.pictures import save_grid, save_png
from qgen.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

#: In pixels: the sides of the panel of a histogram; of a map, both are `WIDTH`.
WIDTH, HEIGHT = 540, 400
#: What is left of each panel, below it, above all of them, above a map, and at the right of all.
LEFT, BELOW, ABOVE, TITLE, RIGHT = 170, 120, 120, 50, 40
_BAR, _BAR_ROOM = 30, 170  # the colours beside the maps
_COLUMNS = 3
#: The most numbers of a sample of which each two have a map.
_MOST_MAPPED = 3


@dataclass(frozen=True)
class _Samples:
    name: str
    values: NDArray[np.float64]  # (N, D)

    @property
    def key(self) -> str:
        """What the legend says: how many there are, and how many of them no histogram shows."""
        outside = int((np.abs(self.values) > 1).any(axis=1).sum())
        beyond = f"; {outside:,} outside" if outside else ""
        return f"{self.name} ({len(self.values):,}{beyond})"


def save_samples(images: torch.Tensor, path: str | os.PathLike[str], real: ImageSet | None = None) -> None:
    """Draws images side by side as `save_grid` does, and samples of a distribution as histograms.

    Samples have a panel for each of their D numbers, and for D = 2 or 3 a map for each two of them. All densities are
    those of all samples, on [-1, 1]; the densest colour is that of the densest place of the real samples, if there are.

    Args:
        images: (N, C, H, W) as for `save_grid`; or (N, D, 1, 1), for histograms.
        path: the file; its folder must exist.
        real: what samples are compared with, as outlines and second maps.

    Raises:
        DataError: there are no images, they are not what can be drawn, or the real ones have another shape.
        OSError: the file cannot be written.
    """
    if images.ndim != 4 or images.shape[2:] != (1, 1):
        save_grid(images, path)
        return
    shown = [_Samples("samples" if real is None else "generated", _numbers(images))]
    if real is not None:
        if real.shape != images.shape[1:]:
            raise DataError(f"Samples of {tuple(images.shape[1:])} cannot be compared with real ones of {real.shape}.")
        shown.append(_Samples("real", _numbers(real.images)))
    save_png(_figure(shown), path)


def density(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The density of (N, k) values between edges that are the same for each number, (B,) or (B, B) for k = 1 or 2."""
    counts, _ = np.histogramdd(values, [edges] * values.shape[1])
    return np.asarray(counts / (len(values) * (edges[1] - edges[0]) ** values.shape[1]))


def bin_edges(count: int, numbers: int = 1) -> NDArray[np.float64]:
    """Edges from -1 to 1 of bins that become narrower with more samples, by Rice's rule 2 N^(1/3) for one number.

    For two, a side has 3 N^(1/4) bins. They are 8 to 100, and even, so that 0 is an edge.
    """
    bins = 2 * round((1 + numbers) / 2 * count ** (1 / (2 + numbers)))
    return np.linspace(-1, 1, min(max(bins, 8), 100) + 1)


def _numbers(images: torch.Tensor) -> NDArray[np.float64]:
    """(N, D) numbers."""
    values = scale(images.detach().cpu()).flatten(1).double()
    if not len(values) or not values.shape[1] or not values.isfinite().all():
        raise DataError("Samples to draw are at least one, of finite numbers.")
    return values.numpy()


def _figure(shown: list[_Samples]) -> Image:
    from PIL import Image

    count = shown[0].values.shape[1]
    columns = min(count, _COLUMNS)
    below = ABOVE + -(-count // columns) * (HEIGHT + BELOW)
    pairs = list(combinations(range(count), 2)) if count <= _MOST_MAPPED else []
    width = columns * (LEFT + WIDTH) + (_BAR_ROOM if pairs else RIGHT)
    height = below + (len(shown) * (TITLE + WIDTH + BELOW) if pairs else 0)
    figure = Image.new("RGB", (width, height), panels.WHITE)
    _legend(figure, shown)
    _histograms(figure, shown, columns)
    if pairs:
        _maps(figure, shown, pairs, below)
    return figure


def _legend(figure: Image, shown: list[_Samples]) -> None:
    """A line for each kind of samples: a bar of its colour for those that are filled, a line for those outlined."""
    draw, looks = panels.drawing(figure), ((panels.PALE_BLUE, TEXT // 3), (panels.ORANGE, panels.LINE // 2))
    middle = ABOVE - round((1.5 * len(shown) - 0.5) * TEXT)
    for each, (colour, half) in zip(shown, looks, strict=False):
        draw.rectangle((LEFT, middle - half, LEFT + 2 * TEXT, middle + half), fill=colour)
        panels.write(draw, (LEFT + 2.5 * TEXT, middle), each.key, "lm")
        middle += round(1.5 * TEXT)


def _histograms(figure: Image, shown: list[_Samples], columns: int) -> None:
    edges, count = bin_edges(len(shown[0].values)), shown[0].values.shape[1]
    for number in range(count):
        heights = [density(each.values[:, [number]], edges) for each in shown]
        row, column = divmod(number, columns)
        corner = (LEFT + column * (LEFT + WIDTH), ABOVE + row * (HEIGHT + BELOW))
        panel = Panel(figure, *corner, WIDTH, HEIGHT, up=(0, 1.06 * max(each.max() for each in heights) or 1))
        panel.bars(edges, heights[0], panels.PALE_BLUE)
        for outlined in heights[1:]:
            panel.outline(edges, outlined, panels.ORANGE)
        panel.frame(("x", str(number + 1) if count > 1 else ""), ("density", ""))


def _maps(figure: Image, shown: list[_Samples], pairs: list[tuple[int, int]], top: int) -> None:
    edges = bin_edges(len(shown[0].values), numbers=2)
    densities = [[density(each.values[:, pair], edges) for pair in pairs] for each in shown]
    densest = max(each.max() for each in densities[-1]) or 1
    for row, (each, maps) in enumerate(zip(shown, densities, strict=True)):
        above = top + row * (TITLE + WIDTH + BELOW) + TITLE
        for column, (pair, cells) in enumerate(zip(pairs, maps, strict=True)):
            panel = Panel(figure, LEFT + column * (LEFT + WIDTH), above, WIDTH, WIDTH)
            panel.paint(cells / densest)
            panel.frame(("x", str(pair[0] + 1)), ("x", str(pair[1] + 1)))
            panels.write(panels.drawing(figure), (panel.left, above - TITLE // 2), each.name, "lm")
        _colour_bar(figure, len(pairs) * (LEFT + WIDTH) + RIGHT, above, densest)


def _colour_bar(figure: Image, left: int, top: int, densest: float) -> None:
    draw = panels.drawing(figure)
    panel = Panel(figure, left, top, _BAR, WIDTH, up=(0, densest))
    panel.paint(np.linspace(0, 1, WIDTH)[None])
    draw.rectangle((left, top, left + _BAR, top + WIDTH), outline=panels.INK, width=2)
    for value in panels.ticks(*panel.up):
        draw.line((left + _BAR, panel.y(value), left + _BAR + panels.TICK, panel.y(value)), fill=panels.INK, width=2)
        panels.write(draw, (left + _BAR + panels.TICK + 5, panel.y(value)), f"{value:.3g}", "lm", panels.SOFT)
    panels.write(draw, (left, top - TITLE // 2), "density", "lm", panels.SOFT)
