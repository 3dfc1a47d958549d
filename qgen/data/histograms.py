"""Histograms and density maps of samples from low-dimensional distributions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from qgen import figures
from qgen.data.image_files import save_grid
from qgen.data.image_set import ImageSet, scale
from qgen.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: As in the reports: generated samples are blue, real ones orange.
GENERATED, REAL = figures.PALE, figures.COLOURS[1]
#: Colours of densities, from zero to the maximum.
_MAP = ("#FFFFFF", "#B0D0E8", "#1F6FB2", "#0D2C54")
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


def save_samples(
    images: torch.Tensor, path: str | os.PathLike[str], real: ImageSet | None = None, columns: int | None = None
) -> None:
    """Draw images as a grid (see `save_grid`), and samples of a distribution as histograms.

    Samples have a histogram for each of their D dimensions, and for D = 2 or 3 a density map for each pair of
    dimensions, on [-1, 1]. The darkest colour is the maximum density of the real samples, or of all without them.

    Args:
        images: (N, C, H, W) as for `save_grid`; or (N, D, 1, 1), for histograms.
        path: the file; its folder must exist. Histograms may be .svg and .pdf, too.
        real: samples to compare with, drawn as outlines and second maps.
        columns: images in a row of a grid; None: nearly a square.

    Raises:
        DataError: there are no images, their shape or type cannot be drawn, or the real ones have another shape.
        OSError: the file cannot be written.
    """
    if images.ndim != 4 or images.shape[2:] != (1, 1):
        save_grid(images, path, columns)
        return
    with figures.figure_style("qgen-samples"):
        figures.save_figure(draw_samples(images, real), Path(path))


def draw_samples(images: torch.Tensor, real: ImageSet | None = None) -> Figure:
    """Draw histograms and maps of samples (N, D, 1, 1), beside real ones; see `save_samples`.

    Raises:
        DataError: there are none, their values are not finite, or the real ones have another shape.
    """
    samples = [_Samples("samples" if real is None else "generated", _values(images))]
    if real is not None:
        if real.shape != images.shape[1:]:
            raise DataError(f"Samples of {tuple(images.shape[1:])} cannot be compared with real ones of {real.shape}.")
        samples.append(_Samples("real", _values(real.images)))
    return _figure(samples)


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


def _figure(samples: list[_Samples]) -> Figure:
    """Histograms in rows of three, below them a row of maps for each kind of samples."""
    from matplotlib.figure import Figure

    count = samples[0].values.shape[1]
    columns = min(count, _COLUMNS)
    pairs = list(combinations(range(count), 2)) if count <= _MAX_MAPPED else []
    rows = -(-count // columns)
    heights = [figures.HEIGHT] * rows + [figures.WIDTH] * (len(samples) if pairs else 0)
    figure = Figure(figsize=(figures.WIDTH * columns, sum(heights)), layout="constrained")
    grid = figure.subplots(len(heights), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    _histograms(list(grid[:rows].flat), samples)
    if pairs:
        _maps(figure, grid[rows:], samples, pairs)
    for place in grid.flat:
        place.set_visible(place.has_data())
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left")
    return figure


def _histograms(places: list[Axes], samples: list[_Samples]) -> None:
    edges, count = bin_edges(len(samples[0].values)), samples[0].values.shape[1]
    for number, place in zip(range(count), places, strict=False):
        drawn, *outlined = [density(sample.values[:, [number]], edges) for sample in samples]
        edge = figures.COLOURS[0]
        place.stairs(
            drawn, edges, fill=True, facecolor=GENERATED, edgecolor=edge, linewidth=0.6, label=samples[0].legend
        )
        for heights, sample in zip(outlined, samples[1:], strict=True):
            place.stairs(heights, edges, color=REAL, linewidth=1.2, label=sample.legend)
        place.set(xlim=(-1, 1), ylim=(0, None), xlabel=_axis(number, count), ylabel="density")


def _maps(figure: Figure, grid: NDArray[np.object_], samples: list[_Samples], pairs: list[tuple[int, int]]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    edges, colours = bin_edges(len(samples[0].values), dimensions=2), LinearSegmentedColormap.from_list("density", _MAP)
    densities = [[density(sample.values[:, pair], edges) for pair in pairs] for sample in samples]
    densest = max(values.max() for values in densities[-1]) or 1
    count = samples[0].values.shape[1]
    for places, sample, maps in zip(grid, samples, densities, strict=True):
        for place, pair, cells in zip(places, pairs, maps, strict=False):
            mesh = place.pcolormesh(edges, edges, cells.T, cmap=colours, vmin=0, vmax=densest, rasterized=True)
            place.set(aspect="equal", title=sample.name, xlabel=_axis(pair[0], count), ylabel=_axis(pair[1], count))
        figure.colorbar(mesh, ax=list(places[: len(pairs)]), label="density", aspect=30)


def _axis(number: int, count: int) -> str:
    return f"$x_{{{number + 1}}}$" if count > 1 else "$x$"
