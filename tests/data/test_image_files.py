"""Grids and single pictures, to the pixel."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from qgen.data import save_grid, save_single, to_uint8
from qgen.data.image_files import tile_gap
from qgen.errors import DataError


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def drawn(rng: np.random.Generator, count: int, channels: int, height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(rng.integers(256, size=(count, channels, height, width), dtype=np.uint8))


def test_bytes_survive_the_way_to_numbers_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(to_uint8(levels.float() / 127.5 - 1), levels)
    assert torch.equal(to_uint8(levels.double() / 127.5 - 1), levels)


def test_what_lies_outside_is_clipped_and_the_rest_rounded() -> None:
    values = torch.tensor([-1e9, -1.2, -1.0, 0.4 / 127.5 - 1, 0.6 / 127.5 - 1, 0.996, 1.0, 1.2, 1e9])
    assert to_uint8(values.reshape(1, 1, 3, 3)).flatten().tolist() == [0, 0, 0, 0, 1, 254, 255, 255, 255]
    assert to_uint8(torch.ones(1, 1, 1, 1, dtype=torch.bfloat16, requires_grad=True)).item() == 255


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none_are_not_drawn(value: float, tmp_path: Path) -> None:
    images = torch.zeros(2, 1, 3, 3)
    images[1, 0, 2, 1] = value
    with pytest.raises(DataError, match="not finite"):
        save_grid(images, tmp_path / "grid.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("count", "columns", "scale"), [(7, 3, 4), (6, 3, 1), (1, 5, 2), (5, 1, 3)])
def test_every_tile_is_where_it_belongs(
    channels: int, count: int, columns: int, scale: int, tmp_path: Path, rng: np.random.Generator
) -> None:
    images = drawn(rng, count, channels, 3, 5)
    save_grid(images, tmp_path / "grid.png", columns=columns, scale=scale)
    grid = pixels(tmp_path / "grid.png")
    rows, height, width = -(-count // columns), 3 * scale, 5 * scale
    gap = tile_gap(scale)
    assert grid.shape[:2] == (rows * height + (rows - 1) * gap, columns * width + (columns - 1) * gap)
    assert grid.ndim == (2 if channels == 1 else 3)
    rest = np.ones(grid.shape[:2], bool)
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        part = (
            slice(row * (height + gap), row * (height + gap) + height),
            slice(column * (width + gap), column * (width + gap) + width),
        )
        rest[part] = False
        expected = np.kron(image.permute(1, 2, 0), np.ones((scale, scale, 1), np.uint8))
        np.testing.assert_array_equal(grid[part].reshape(expected.shape), expected)
    assert (grid[rest] == 90).all()  # gaps and empty places


def test_numbers_are_drawn_as_their_bytes(tmp_path: Path, rng: np.random.Generator) -> None:
    images = drawn(rng, 4, 1, 5, 5)
    save_grid(images, tmp_path / "bytes.png")
    save_grid(images.float() / 127.5 - 1, tmp_path / "numbers.png")
    np.testing.assert_array_equal(pixels(tmp_path / "bytes.png"), pixels(tmp_path / "numbers.png"))


@pytest.mark.parametrize("count", [16, 36, 64, 100, 256])
@pytest.mark.parametrize("side", [8, 16, 28, 32])
def test_a_grid_is_square_and_of_a_size_to_look_at(count: int, side: int, tmp_path: Path) -> None:
    save_grid(torch.zeros(count, 1, side, side), tmp_path / "grid.png")
    height, width = pixels(tmp_path / "grid.png").shape
    assert height == width
    assert 500 <= width <= 1000


def test_many_large_images_are_not_enlarged(tmp_path: Path) -> None:
    save_grid(torch.zeros(100, 1, 128, 128), tmp_path / "grid.png")
    assert pixels(tmp_path / "grid.png").shape == (1280 + 9 * 2, 1280 + 9 * 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_single_images_are_kept_pixel_for_pixel(channels: int, tmp_path: Path, rng: np.random.Generator) -> None:
    images = drawn(rng, 3, channels, 4, 6)
    paths = save_single(images, tmp_path / "new" / "folder", ["a", "b", "c.d"])
    assert [path.name for path in paths] == ["a.png", "b.png", "c.d.png"]
    for image, path in zip(images, paths, strict=True):
        np.testing.assert_array_equal(pixels(path).reshape(4, 6, channels), image.permute(1, 2, 0))


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", "b", "c"], []])
def test_names_must_be_as_many_as_images_and_differ(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 images need as many different names"):
        save_single(torch.zeros(2, 1, 2, 2), tmp_path, names)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(0, 1, 4, 4), (2, 2, 4, 4), (1, 4, 4), (2, 4, 4, 4)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"N, 1 or 3, H, W"):
        save_grid(torch.zeros(shape), tmp_path / "grid.png")


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.bool])
def test_numbers_that_are_neither_bytes_nor_fractions_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    images = torch.zeros(1, 1, 4, 4, dtype=dtype)
    with pytest.raises(DataError, match=f"not {dtype}"):
        save_grid(images, tmp_path / "grid.png")
    with pytest.raises(DataError, match=f"not {dtype}"):
        save_single(images, tmp_path, ["a"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["columns", "scale"])
@pytest.mark.parametrize("value", [0, -1])
def test_grids_have_columns_and_pixels(name: str, value: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"`{name}` is at least 1, not {value}"):
        save_grid(torch.zeros(1, 1, 4, 4), tmp_path / "grid.png", **{name: value})


def test_a_grid_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_grid(torch.zeros(1, 1, 4, 4), tmp_path / "grid.png")
    before = (tmp_path / "grid.png").read_bytes()

    def full(self: Image.Image, path: Path, kind: str) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save_grid(torch.ones(1, 1, 4, 4), tmp_path / "grid.png")
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]
    assert (tmp_path / "grid.png").read_bytes() == before
