"""Histograms of samples: bars, outlines and maps are where the numbers are."""

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from qgen import figures
from qgen.data import DataSettings, ImageSet, open_images, save_grid, save_samples
from qgen.data.histograms import GENERATED, REAL, bin_edges, density, draw_samples
from qgen.errors import DataError


def as_set(samples: torch.Tensor) -> ImageSet:
    return ImageSet.of("drawn", samples, None, None, "here")


def in_bins(counts: np.ndarray) -> torch.Tensor:
    """(N, 1, 1, 1) samples, so many of them in the middle of each of equal bins of [-1, 1]."""
    middles = (np.arange(len(counts)) + 0.5) * 2 / len(counts) - 1
    return torch.from_numpy(np.repeat(middles, counts).astype(np.float32)).reshape(-1, 1, 1, 1)


def shown(figure: Figure) -> list[Axes]:
    """The panels of a figure, without colour bars."""
    return [place for place in figure.axes if place.get_visible() and place.get_label() != "<colorbar>"]


def pixels(figure: Figure) -> np.ndarray:
    """The picture of a figure, its first row below: (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[::-1, :, :3].astype(int)


def colour_at(figure: Figure, place: Axes, x: float, y: float) -> str:
    picture = pixels(figure)
    column, row = place.transData.transform((x, y)).astype(int)
    return to_hex(picture[row, column] / 255).upper()


def test_bars_and_outline_are_as_high_as_there_are_samples(rng: np.random.Generator) -> None:
    counts, real = (rng.multinomial(64 - 8, np.full(8, 1 / 8)) + 1 for _ in range(2))
    real = 3 * real  # another number of real samples, which have a density as well
    figure = draw_samples(in_bins(counts), as_set(in_bins(real)))
    (place,) = shown(figure)
    filled, outlined = place.patches
    for drawn, each, colour in ((filled, counts, GENERATED), (outlined, real, REAL)):
        found = drawn.get_data()
        np.testing.assert_allclose(found.values, each / each.sum() * 4, rtol=1e-12)  # bins of a quarter
        np.testing.assert_array_equal(found.edges, np.linspace(-1, 1, 9))
        shade = drawn.get_facecolor() if drawn.get_fill() else drawn.get_edgecolor()
        assert to_hex(shade).upper() == colour
    assert (filled.get_fill(), outlined.get_fill()) == (True, False)
    assert place.get_ylim()[1] > max(filled.get_data().values.max(), outlined.get_data().values.max())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["generated (64)", f"real ({real.sum()})"]


def test_a_bar_is_seen_up_to_its_height(rng: np.random.Generator) -> None:
    counts = rng.multinomial(64 - 8, np.full(8, 1 / 8)) + 1
    figure = draw_samples(in_bins(counts))
    (place,) = shown(figure)
    at = int(rng.integers(8))
    middle, height = -1 + (at + 0.5) / 4, counts[at] / counts.sum() * 4
    top = place.get_ylim()[1]
    assert colour_at(figure, place, middle, height - 0.025 * top) == GENERATED
    assert colour_at(figure, place, middle, height + 0.025 * top) == "#FFFFFF"  # the tallest ends 0.048 below the frame


def test_a_map_is_dark_where_the_samples_are() -> None:
    generated = torch.tensor([0.8, -0.9]).repeat(64, 1).reshape(-1, 2, 1, 1)  # right and below
    figure = draw_samples(generated, as_set(-generated))
    maps = [place for place in shown(figure) if place.collections]
    assert [place.get_title() for place in maps] == ["generated", "real"]
    for place, (right, up) in zip(maps, [(0.8, -0.9), (-0.8, 0.9)], strict=True):
        assert colour_at(figure, place, right, up) == "#0D2C54"
        assert colour_at(figure, place, -right, up) == colour_at(figure, place, right, -up) == "#FFFFFF"
        assert place.get_xlim() == place.get_ylim() == (-1, 1)


@pytest.mark.rows(4)
@pytest.mark.parametrize(("numbers", "histograms", "maps"), [(1, 1, 0), (2, 2, 1), (3, 3, 3), (7, 7, 0)])
@pytest.mark.parametrize("compared", [True, False])
def test_there_is_a_panel_for_each_number_and_each_two(
    numbers: int, histograms: int, maps: int, compared: bool, rng: np.random.Generator
) -> None:
    samples = torch.from_numpy(rng.uniform(-1, 1, (300, numbers, 1, 1)))
    places = shown(draw_samples(samples, as_set(samples.float()) if compared else None))
    assert sum(bool(place.patches) for place in places) == histograms
    assert sum(bool(place.collections) for place in places) == maps * (1 + compared)
    names = [place.get_xlabel() for place in places if place.patches]
    assert names == ([f"$x_{{{k + 1}}}$" for k in range(numbers)] if numbers > 1 else ["$x$"])


@pytest.mark.rows(1)
@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_files_have_the_command_that_drew_them(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(figures, "_command", "qgen data gamma --figure 'a b'")
    samples, path = torch.from_numpy(rng.uniform(-1, 1, (50, 2, 1, 1))), tmp_path / f"figure{ending}"
    save_samples(samples, path)
    content = path.read_bytes()
    if ending == ".png":
        with Image.open(path) as picture:
            assert picture.text["Description"] == "qgen data gamma --figure 'a b'"
            assert picture.size[0] > 600
    elif ending == ".svg":
        assert "qgen data gamma --figure" in ElementTree.fromstring(content).find(".//{*}description").text
    else:
        assert content.startswith(b"%PDF")
        assert b"qgen data gamma --figure" in content
    save_samples(samples, path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_densities_are_shares_over_widths(count: int, rng: np.random.Generator) -> None:
    samples = rng.normal(0, 0.7, (count, 2))  # some lie outside
    edges = bin_edges(count)
    expected = [((samples[:, 0] >= low) & (samples[:, 0] < high)).mean() for low, high in pairwise(edges)]
    np.testing.assert_allclose(density(samples[:, :1], edges) * np.diff(edges), expected, atol=1e-12)
    inside = (np.abs(samples) <= 1).all(axis=1).mean()
    assert density(samples, edges).sum() * (edges[1] - edges[0]) ** 2 == pytest.approx(inside)


@pytest.mark.parametrize("numbers", [1, 2])
def test_more_samples_have_narrower_bins(numbers: int) -> None:
    bins = [len(bin_edges(count, numbers)) - 1 for count in (1, 64, 1000, 10_000, 100_000, 10**9)]
    assert bins == sorted(bins)
    assert (bins[0], bins[-1]) == (8, 100)
    assert not any(each % 2 for each in bins)


def test_larger_images_are_a_grid(tmp_path: Path, rng: np.random.Generator) -> None:
    images = torch.from_numpy(rng.integers(256, size=(5, 3, 4, 4), dtype=np.uint8))
    save_samples(images, tmp_path / "samples.png", as_set(images))
    save_grid(images, tmp_path / "grid.png")
    assert (tmp_path / "samples.png").read_bytes() == (tmp_path / "grid.png").read_bytes()


def test_bytes_are_drawn_as_their_numbers(rng: np.random.Generator) -> None:
    images = torch.from_numpy(rng.integers(256, size=(50, 3, 1, 1), dtype=np.uint8))
    drawn = [draw_samples(each, as_set(images)) for each in (images, images.float() / 127.5 - 1)]
    np.testing.assert_array_equal(*map(pixels, drawn))


@pytest.mark.parametrize(
    "samples", [torch.zeros(0, 2, 1, 1), torch.full((3, 1, 1, 1), torch.nan), torch.zeros(3, 0, 1, 1)]
)
def test_what_cannot_be_drawn_is_refused(samples: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one, of finite numbers"):
        save_samples(samples, tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_samples_are_compared_with_such_of_their_form(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(2, 1, 1\) cannot be compared with real ones of \(1, 1, 1\)"):
        save_samples(torch.zeros(3, 2, 1, 1), tmp_path / "figure.png", open_images(DataSettings(name="gamma", limit=5)))
    assert not list(tmp_path.iterdir())


def test_samples_that_all_lie_outside_are_an_empty_panel() -> None:
    figure = draw_samples(torch.full((5, 2, 1, 1), 1.5))
    for place in shown(figure)[:2]:
        assert not place.patches[0].get_data().values.any()
    assert figure.legends[0].get_texts()[0].get_text() == "samples (5; 5 outside)"
    pixels(figure)  # it can be drawn
