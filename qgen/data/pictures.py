"""Images as PNG files: grids to look at, and single ones."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from qgen.errors import DataError
from qgen.storage import aside

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP_GREY = 90
_WIDTH = 750  # pixels that a grid should be wide, about


def gap(scale: int) -> int:
    """Pixels between the tiles of a grid: as wide as a pixel of the images, so that what touches an edge ends there."""
    return max(2, scale)


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Bytes from images in [-1, 1]: the nearest grey levels; what lies outside is clipped.

    Args:
        images: (N, C, H, W), of a floating-point type.

    Returns:
        (N, C, H, W), uint8 in [0, 255], on the CPU. `to_uint8(images.scaled(index))` gives the bytes back exactly.

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
    """Draws all images side by side into a PNG file, row by row, with a thin grey gap.

    Args:
        images: (N, C, H, W): uint8, or of a floating-point type in [-1, 1]; C = 1 stays grey, C = 3 is RGB.
        path: the file; its folder must exist.
        columns: tiles in a row; None: as many as make the grid nearly square.
        scale: how many pixels of the file each pixel takes, in height and width, unsmoothed; None: as many as make
            the grid about 750 pixels wide.

    Raises:
        DataError: there are no images, they are neither grey nor RGB or of another type, a value is not finite, or
            `columns` or `scale` is below 1.
        OSError: the file cannot be written.
    """
    for name, given in (("columns", columns), ("scale", scale)):
        if given is not None and given < 1:
            raise DataError(f"`{name}` is at least 1, not {given}.")
    tiles = _as_bytes(images)
    count, channels, height, width = tiles.shape
    columns = columns or math.ceil(math.sqrt(count))
    scale = scale or _scale(columns, width)
    height, width, rows = height * scale, width * scale, math.ceil(count / columns)
    between = gap(scale)
    size = (rows * (height + between) - between, columns * (width + between) - between)
    grid = torch.full((channels, *size), _GAP_GREY, dtype=torch.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * (height + between), place % columns * (width + between)
        enlarged = tile.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        grid[:, top : top + height, left : left + width] = enlarged
    save_png(_picture(grid), path)


def save_single(images: torch.Tensor, folder: str | os.PathLike[str], names: Sequence[str]) -> list[Path]:
    """Writes each image into a PNG file of its own, pixel for pixel.

    Args:
        images: (N, C, H, W), as for `save_grid`.
        folder: is made if need be.
        names: N different ones; the files are called `NAME.png`.

    Returns:
        The files.

    Raises:
        DataError: as for `save_grid`, or the names are too few, too many or not different.
        OSError: a file cannot be written.
    """
    tiles = _as_bytes(images)
    if len(names) != len(tiles) or len(set(names)) < len(names):
        raise DataError(f"{len(tiles)} images need as many different names; given: {', '.join(names) or 'none'}.")
    paths = [Path(folder, f"{name}.png") for name in names]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for tile, path in zip(tiles, paths, strict=True):
        save_png(_picture(tile), path)
    return paths


def _as_bytes(images: torch.Tensor) -> torch.Tensor:
    if images.ndim != 4 or not len(images) or images.shape[1] not in (1, 3):
        raise DataError(f"Images to draw are (N, 1 or 3, H, W), with N at least 1; given: {tuple(images.shape)}.")
    return images.cpu() if images.dtype == torch.uint8 else to_uint8(images)


def _scale(columns: int, width: int) -> int:
    """The whole number that brings a row nearest to the width it should have; at least 1."""
    return max(1, round(_WIDTH / (columns * (width + 1) - 1)))


def _picture(pixels: torch.Tensor) -> Image:
    """A picture of (C, H, W) bytes: grey for C = 1, RGB for C = 3."""
    from PIL import Image

    return Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).contiguous().numpy())


def save_png(picture: Image, path: str | os.PathLike[str]) -> None:
    """Writes a picture into a PNG file, which is whole or not there.

    Raises:
        OSError: the file cannot be written.
    """
    with aside(path) as temporary:
        picture.save(temporary, "PNG")
