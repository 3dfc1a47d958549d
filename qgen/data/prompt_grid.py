"""A grid of images by prompt: a row for each prompt, which is written beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import ceil
from textwrap import wrap
from typing import TYPE_CHECKING

import torch

from qgen.data.image_files import GAP_GREY, as_bytes, save_png, tile_gap, to_pillow
from qgen.errors import DataError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

#: Tiles in a row at most, the size of a tile at least, and the width of the prompts beside them, in pixels.
MOST_COLUMNS, _TILE, _MARGIN = 10, 56, 170
_FONT_SIZE, _LINE = 13, 16
_WHITE, _BLACK = 255, 20


def save_prompt_grid(images: torch.Tensor, prompts: Sequence[str], path: str | os.PathLike[str]) -> None:
    """Draw images into a PNG file: those of one prompt in a row, or in several where they are many.

    Args:
        images: (N, C, H, W), as for `save_grid`.
        prompts: one an image.
        path: the file; its folder must exist.

    Raises:
        DataError: see `save_grid`; or there is not one prompt for each image.
        OSError: the file cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    tiles = as_bytes(images)
    if len(prompts) != len(tiles):
        raise DataError(f"{len(tiles)} images need as many prompts, not {len(prompts)}")
    rows = _rows(prompts)
    side = tiles.shape[-1]
    scale = max(1, -(-_TILE // side))
    tile, gap = side * scale, tile_gap(scale)
    columns = max(len(places) for _, places in rows)
    font = ImageFont.load_default(_FONT_SIZE)
    texts = [_lines(text, font, tile) for text, _ in rows]
    margin = min(_MARGIN, 12 + ceil(max(font.getlength(line) for lines in texts for line in lines or [""])))
    canvas = Image.new("RGB", (margin + columns * (tile + gap), len(rows) * (tile + gap) - gap), (_WHITE,) * 3)
    pen = ImageDraw.Draw(canvas)
    for row, ((_, places), lines) in enumerate(zip(rows, texts, strict=True)):
        top = row * (tile + gap)
        for column, place in enumerate(places):
            picture = to_pillow(tiles[place]).resize((tile, tile), Image.Resampling.NEAREST).convert("RGB")
            left = margin + gap + column * (tile + gap)
            pen.rectangle((left - gap, top - gap, left + tile, top + tile), fill=(GAP_GREY,) * 3)
            canvas.paste(picture, (left, top))
        for number, line in enumerate(lines):
            pen.text((4, top + 2 + number * _LINE), line, fill=(_BLACK,) * 3, font=font)
    save_png(canvas, path)


def _rows(prompts: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Return the rows: a prompt, none in a row that goes on, and the places of its images."""
    places: dict[str, list[int]] = {}
    for place, prompt in enumerate(prompts):
        places.setdefault(prompt, []).append(place)
    return [
        (prompt if first == 0 else "", own[first : first + MOST_COLUMNS])
        for prompt, own in places.items()
        for first in range(0, len(own), MOST_COLUMNS)
    ]


def _lines(text: str, font: FreeTypeFont | ImageFont, height: int) -> list[str]:
    """Return a text in as many lines as fit beside a tile; the last one ends in dots where it goes on."""
    letters = max(1, int((_MARGIN - 8) / max(1.0, font.getlength("n"))))
    lines = wrap("".join(char if char.isprintable() else " " for char in text), letters)
    fit = max(1, (height - 2) // _LINE)
    return lines if len(lines) <= fit else [*lines[: fit - 1], f"{lines[fit - 1][: letters - 1]}\u2026"]
