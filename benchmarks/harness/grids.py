"""Grids of images side by side, each under its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

MARGIN = 24


def side_by_side(grids: Sequence[tuple[str, Path]], out: Path) -> None:
    """Joins PNG files of the same height into one picture."""
    pictures = [(name, Image.open(path).convert("RGB")) for name, path in grids]
    wide = sum(picture.width for _, picture in pictures) + MARGIN * (len(pictures) - 1)
    page = Image.new("RGB", (wide, max(picture.height for _, picture in pictures) + 3 * MARGIN), "white")
    draw, left = ImageDraw.Draw(page), 0
    for name, picture in pictures:
        draw.text((left, MARGIN // 2), name, "black", ImageFont.load_default(size=2 * MARGIN - 8))
        page.paste(picture, (left, 3 * MARGIN))
        left += picture.width + MARGIN
    page.save(out)
