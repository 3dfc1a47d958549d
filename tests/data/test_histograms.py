"""Histograms of samples: bars, outlines and maps are where the numbers are."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from qgen.data import DataSettings, ImageSet, open_images, save_grid, save_samples
from qgen.data.histograms import (
    ABOVE,
    BELOW,
    HEIGHT,
    LEFT,
    ORANGE,
    PALE_BLUE,
    TITLE,
    WHITE,
    WIDTH,
    Panel,
    bin_edges,
    colours,
    density,
    ticks,
)
from qgen.errors import DataError

DARKEST = tuple(colours(np.array(1.0)))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def as_set(samples: torch.Tensor) -> ImageSet:
    return ImageSet.of("drawn", samples, None, None, "here")


def in_bins(counts: np.ndarray) -> torch.Tensor:
    """(N, 1, 1, 1) samples, so many of them in the middle of each of equal bins of [-1, 1]."""
    middles = (np.arange(len(counts)) + 0.5) * 2 / len(counts) - 1
    return torch.from_numpy(np.repeat(middles, counts).astype(np.float32)).reshape(-1, 1, 1, 1)


def rows_of(picture: np.ndarray, colour: tuple[int, ...], column: int) -> np.ndarray:
    """The rows of the first panel in which this column of pixels has this colour."""
    strip = picture[ABOVE + 2 : ABOVE + HEIGHT - 1, column]
    return np.flatnonzero((strip == colour).all(axis=-1)) + ABOVE + 2


def test_bars_and_outline_are_as_high_as_there_are_samples(tmp_path: Path, rng: np.random.Generator) -> None:
    counts, real = (rng.multinomial(64 - 8, np.full(8, 1 / 8)) + 1 for _ in range(2))
    real = 3 * real  # another number of real samples, which have a density as well
    save_samples(in_bins(counts), tmp_path / "figure.png", as_set(in_bins(real)))
    picture = pixels(tmp_path / "figure.png")
    assert picture.shape == (ABOVE + HEIGHT + BELOW, LEFT + WIDTH + 40, 3)
    shares, outline = counts / counts.sum(), real / real.sum()
    highest = 1.06 * max(shares.max(), outline.max())
    for place in range(8):
        column = LEFT + round(WIDTH * (place + 0.5) / 8)
        filled, drawn = rows_of(picture, PALE_BLUE, column), rows_of(picture, ORANGE, column)
        bar, step = (ABOVE + HEIGHT - HEIGHT * each[place] / highest for each in (shares, outline))
        assert drawn.mean() == pytest.approx(step, abs=1.5)
        assert filled.max() >= ABOVE + HEIGHT - 4
        if abs(bar - step) > 4:  # otherwise the line hides the upper end
            assert filled.min() == pytest.approx(bar, abs=1.5)


def test_without_real_samples_there_is_no_outline(tmp_path: Path) -> None:
    save_samples(in_bins(np.full(8, 8)), tmp_path / "figure.png")
    picture = pixels(tmp_path / "figure.png")
    assert not (picture == ORANGE).all(axis=-1).any()
    assert (picture == PALE_BLUE).all(axis=-1)[ABOVE + HEIGHT // 2, LEFT + 3 : LEFT + WIDTH - 3].all()


def test_a_map_is_dark_where_the_samples_are(tmp_path: Path) -> None:
    generated = torch.tensor([0.8, -0.9]).repeat(64, 1).reshape(-1, 2, 1, 1)  # right and below
    save_samples(generated, tmp_path / "figure.png", as_set(-generated))
    picture = pixels(tmp_path / "figure.png")
    cell = WIDTH / len(bin_edges(64, dimensions=2)[1:])
    for row, (right, up) in enumerate([(0.8, -0.9), (-0.8, 0.9)]):
        top = ABOVE + HEIGHT + BELOW + row * (TITLE + WIDTH + BELOW) + TITLE
        inside = (picture[top : top + WIDTH, LEFT : LEFT + WIDTH] == DARKEST).all(axis=-1)
        ys, xs = np.nonzero(inside)
        assert inside.sum() == pytest.approx(cell**2, rel=0.1)
        assert abs(xs.mean() - WIDTH * (right + 1) / 2) <= cell / 2
        assert abs(ys.mean() - WIDTH * (1 - up) / 2) <= cell / 2


@pytest.mark.parametrize(
    ("numbers", "columns", "rows", "maps"), [(1, 1, 1, 0), (2, 2, 1, 1), (3, 3, 1, 1), (7, 3, 3, 0)]
)
@pytest.mark.parametrize("compared", [True, False])
def test_there_is_a_panel_for_each_number_and_each_two(
    numbers: int, columns: int, rows: int, maps: int, compared: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    samples = torch.from_numpy(rng.uniform(-1, 1, (300, numbers, 1, 1)))
    save_samples(samples, tmp_path / "figure.png", as_set(samples.float()) if compared else None)
    height, width, _ = pixels(tmp_path / "figure.png").shape
    assert height == ABOVE + rows * (HEIGHT + BELOW) + maps * (1 + compared) * (TITLE + WIDTH + BELOW)
    assert 0 < width - columns * (LEFT + WIDTH) < 200


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


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 4.1), (0, 0.37), (0, 1060), (0, 1.0), (-0.2, 30)])
def test_ticks_are_round_and_few(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert 3 <= len(marks) <= 7
    assert low - 1e-9 <= marks[0] < marks[-1] <= high + 1e-9
    steps = np.diff(marks)
    np.testing.assert_allclose(steps, steps[0])
    assert f"{steps[0]:e}"[0] in "125"


def test_a_panel_goes_from_edge_to_edge() -> None:
    panel = Panel(Image.new("RGB", (40, 60)), 10, 20, 20, 30, y_range=(0, 3))
    assert [panel.x(value) for value in (-1, 0, 1)] == [10, 20, 30]
    assert [panel.y(value) for value in (0, 1, 3)] == [50, 40, 20]
    assert (colours(np.array([-1.0, 0.0])) == WHITE).all()


def test_larger_images_are_a_grid(tmp_path: Path, rng: np.random.Generator) -> None:
    images = torch.from_numpy(rng.integers(256, size=(5, 3, 4, 4), dtype=np.uint8))
    save_samples(images, tmp_path / "samples.png", as_set(images))
    save_grid(images, tmp_path / "grid.png")
    assert (tmp_path / "samples.png").read_bytes() == (tmp_path / "grid.png").read_bytes()


def test_bytes_are_drawn_as_their_numbers(tmp_path: Path, rng: np.random.Generator) -> None:
    images = torch.from_numpy(rng.integers(256, size=(50, 3, 1, 1), dtype=np.uint8))
    save_samples(images, tmp_path / "bytes.png", as_set(images))
    save_samples(images.float() / 127.5 - 1, tmp_path / "numbers.png", as_set(images))
    np.testing.assert_array_equal(pixels(tmp_path / "bytes.png"), pixels(tmp_path / "numbers.png"))


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


def test_samples_that_all_lie_outside_are_an_empty_panel(tmp_path: Path) -> None:
    save_samples(torch.full((5, 2, 1, 1), 1.5), tmp_path / "figure.png")
    picture = pixels(tmp_path / "figure.png")[ABOVE:]
    assert not (picture == PALE_BLUE).all(axis=-1).any()
