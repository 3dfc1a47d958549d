"""Write images as PNG files: grids and single images."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from qgen.errors import DataError
from qgen.storage import atomic_write

if TYPE_CHECKING:
    from PIL.Image import Image

#: Grey of the gaps between the tiles of a grid.
GAP_GREY = 90
_WIDTH = 750  # target width of a grid, in pixels


def tile_gap(scale: int) -> int:
    """Return the pixels between the tiles of a grid: as wide as one pixel of an image, at least 2."""
    return max(2, scale)


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Convert images in [-1, 1] to bytes: the nearest levels, values outside clipped.

    Args:
        images: (N, C, H, W), of a floating-point type.

    Returns:
        (N, C, H, W), uint8 in [0, 255], on the CPU. `to_uint8(images.scaled(index))` is the original, exactly.

    Raises:
        DataError: they are of another type, or a value is not finite.
    """
    if not images.is_floating_point():
        raise DataError(f"Images are bytes (uint8) or floating-point numbers in [-1, 1], not {images.dtype}.")
    values = images.detach().to("cpu", torch.float32)
    if not values.isfinite().all():
        raise DataError("The images hold values that are not finite, so there is nothing to draw.")
    return ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def save_grid(
    images: torch.Tensor, path: str | os.PathLike[str], columns: int | None = None, scale: int | None = None
) -> None:
    """Draw a grid of images into a PNG file, row by row, with thin grey gaps.

    Args:
        images: (N, C, H, W): uint8, or of a floating-point type in [-1, 1]; C = 1 stays grey, C = 3 is RGB.
        path: the file; its folder must exist.
        columns: tiles per row; None: nearly a square grid.
        scale: integer magnification, unsmoothed; None: a grid about 750 pixels wide.

    Raises:
        DataError: there are no images, they are neither grey nor RGB or of another type, a value is not finite, or
            `columns` or `scale` is below 1.
        OSError: the file cannot be written.
    """
    save_png(draw_grid(images, columns, scale), path)


def save_animation(
    frames: torch.Tensor, path: str | os.PathLike[str], columns: int | None = None, seconds: float = 4.0
) -> None:
    """Draw a grid of images that change into a GIF file, which repeats; its last frame stays for as long as the others.

    Args:
        frames: (F, N, C, H, W), F at least 1, as for `save_grid`.
        path: the file; its folder must exist.
        columns: tiles per row; None: nearly a square grid.
        seconds: for the frames before the last.

    Raises:
        DataError: see `save_grid`.
        OSError: the file cannot be written.
    """
    drawn = [draw_grid(images, columns) for images in frames]
    each = max(20, round(1000 * seconds / max(1, len(drawn) - 1)))  # milliseconds; viewers take no less than 20
    times = [*[each] * (len(drawn) - 1), round(1000 * seconds)]
    with atomic_write(path) as temporary:
        drawn[0].save(temporary, "GIF", save_all=True, append_images=drawn[1:], duration=times, loop=0)


def paired_rows(above: torch.Tensor, below: torch.Tensor, columns: int) -> torch.Tensor:
    """Return images for a grid in which each of (N, C, H, W) stands above its partner.

    The last rows are filled with black images, so that the two kinds stay apart.
    """
    rows = zip(above.split(columns), below.split(columns), strict=True)
    return torch.cat([_padded(part, columns) for pair in rows for part in pair])


def _padded(images: torch.Tensor, columns: int) -> torch.Tensor:
    missing = -len(images) % columns
    return torch.cat([images, torch.full((missing, *images.shape[1:]), -1.0)])


def draw_grid(images: torch.Tensor, columns: int | None = None, scale: int | None = None) -> Image:
    """Draw a grid of images, see `save_grid`, as a Pillow image."""
    for name, given in (("columns", columns), ("scale", scale)):
        if given is not None and given < 1:
            raise DataError(f"`{name}` is at least 1, not {given}.")
    tiles = as_bytes(images)
    count, channels, height, width = tiles.shape
    columns = columns or math.ceil(math.sqrt(count))
    scale = scale or _magnification(columns, width)
    height, width, rows = height * scale, width * scale, math.ceil(count / columns)
    gap = tile_gap(scale)
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    grid = torch.full((channels, *size), GAP_GREY, dtype=torch.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        enlarged = tile.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        grid[:, top : top + height, left : left + width] = enlarged
    return to_pillow(grid)


def save_single(images: torch.Tensor, folder: str | os.PathLike[str], names: Sequence[str]) -> list[Path]:
    """Write each image into its own PNG file, without scaling.

    Args:
        images: (N, C, H, W), as for `save_grid`.
        folder: made if it does not exist.
        names: N distinct names; the files are `NAME.png`.

    Returns:
        The paths of the files.

    Raises:
        DataError: as for `save_grid`, or the names are too few, too many or not different.
        OSError: a file cannot be written.
    """
    tiles = as_bytes(images)
    if len(names) != len(tiles) or len(set(names)) < len(names):
        raise DataError(f"{len(tiles)} images need as many different names; given: {', '.join(names) or 'none'}.")
    paths = [Path(folder, f"{name}.png") for name in names]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for tile, path in zip(tiles, paths, strict=True):
        save_png(to_pillow(tile), path)
    return paths


def as_bytes(images: torch.Tensor) -> torch.Tensor:
    """Return images to draw, (N, C, H, W), as uint8 on the CPU.

    Raises:
        DataError: see `save_grid`.
    """
    if images.ndim != 4 or not len(images) or images.shape[1] not in (1, 3):
        raise DataError(f"Images to draw are (N, 1 or 3, H, W), with N at least 1; given: {tuple(images.shape)}.")
    return images.cpu() if images.dtype == torch.uint8 else to_uint8(images)


def _magnification(columns: int, width: int) -> int:
    """Return the integer magnification that brings a row nearest to the target width; at least 1."""
    return max(1, round(_WIDTH / (columns * (width + 1) - 1)))


def to_pillow(pixels: torch.Tensor) -> Image:
    """Convert (C, H, W) bytes to a Pillow image: grey for C = 1, RGB for C = 3."""
    from PIL import Image

    return Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).contiguous().numpy())


def save_png(image: Image, path: str | os.PathLike[str]) -> None:
    """Write a Pillow image as a PNG file, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        image.save(temporary, "PNG")
