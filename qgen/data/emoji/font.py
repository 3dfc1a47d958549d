"""Emoji drawn by a font of bitmaps: Google's Noto Color Emoji, as Debian's package has it."""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qgen.data.emoji.emoji import Emoji
from qgen.errors import DataError
from qgen.user_files import open_regular, printable

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

FONT = "NotoColorEmoji.ttf"
#: Pixels to the em of the bitmaps, which FreeType does not scale, and the side of a square that holds each.
_PIXELS, _SIDE = 109, 136
#: Kinds of characters that are pictures; the rest are letters, joiners and modifiers.
_KINDS = {"So", "Sm", "Po", "Ll", "Pd"}
_REGIONAL = range(0x1F1E6, 0x1F200)
_ASCII = 0x80
#: A font is of a few MB; the table of its characters is read whole.
_MOST_BYTES = 64 << 20


def font_emoji(path: Path) -> Iterator[Emoji]:
    """Yield the emoji of single characters, in the order of their code points.

    Those of several characters, as flags and skin tones, are left out: only a shaping engine finds them. Names are
    those of Python's version of Unicode; newer characters are left out.

    Args:
        path: the font.

    Raises:
        DataError: it cannot be read, or is no font of bitmaps.
    """
    draw = _drawing(path)
    for code in read_codes(path):
        char = chr(code)
        name = unicodedata.name(char, "").lower()
        usual = code >= _ASCII and code not in _REGIONAL and unicodedata.category(char) in _KINDS
        if name and usual and not name.startswith("emoji component"):
            yield Emoji(code, name, partial(draw, char))


def read_codes(path: Path) -> list[int]:
    """Return the code points that a font has glyphs for, ascending: those of the first table of format 12.

    The format is that of OpenType's `cmap`.

    Raises:
        DataError: it is no such font.
    """
    content = _content(path)
    try:
        (count,) = struct.unpack_from(">H", content, 4)
        tables = {
            tag: offset
            for tag, _, offset, _ in (struct.unpack_from(">4sIII", content, 12 + 16 * row) for row in range(count))
        }
        start = tables[b"cmap"]
        (count,) = struct.unpack_from(">H", content, start + 2)
        places = [start + struct.unpack_from(">HHI", content, start + 4 + 8 * row)[2] for row in range(count)]
        full = next(place for place in places if struct.unpack_from(">H", content, place) == (12,))
        (count,) = struct.unpack_from(">I", content, full + 12)
        groups = [struct.unpack_from(">III", content, full + 16 + 12 * row) for row in range(count)]
    except (struct.error, KeyError, StopIteration) as error:
        raise DataError(f"{printable(path)} is no font with a table of all its characters") from error
    return sorted({code for first, last, _ in groups for code in range(first, min(last, 0x10FFFF) + 1)})


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return bytes(file.read(_MOST_BYTES))
    except OSError as error:
        raise DataError(f"Cannot read {printable(path)}: {error.strerror or error}.") from error


def _drawing(path: Path) -> Callable[[str], Image]:
    """Return what draws a character."""
    from PIL import ImageFont

    try:  # the basic layout: a shaping engine is not in every Pillow, and draws single characters no better
        font = ImageFont.truetype(str(path), _PIXELS, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise DataError(f"{printable(path)} cannot be drawn with ({error}): it is no font of bitmaps") from error
    return partial(_draw, font)


def _draw(font: FreeTypeFont, char: str) -> Image:
    """Return the picture of a character, RGBA. Pillow blends: opacity and colours follow from two backgrounds."""
    from PIL import Image, ImageDraw

    middle: Any = (_SIDE / 2, _SIDE / 2)
    drawn = []
    for background in (255, 0):
        canvas = Image.new("RGB", (_SIDE, _SIDE), (background,) * 3)
        ImageDraw.Draw(canvas).text(middle, char, font=font, embedded_color=True, anchor="mm")
        drawn.append(np.asarray(canvas, np.float64))
    on_white, on_black = drawn
    opacity = 255 - (on_white - on_black).max(axis=2, keepdims=True)
    colours = on_black * 255 / np.maximum(opacity, 1)
    values = np.concatenate([colours, opacity], axis=2).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(values)
