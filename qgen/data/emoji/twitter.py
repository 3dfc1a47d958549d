"""Emoji of npm's package emoji-datasource-twitter: pictures of 64x64 pixels, and names in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgen import user_files
from qgen.data.bit_depth import UnreadableError
from qgen.data.emoji.emoji import Emoji
from qgen.errors import DataError
from qgen.user_files import open_regular, printable

if TYPE_CHECKING:
    from PIL.Image import Image

PACKAGE, NAMES, PICTURES = "emoji-datasource-twitter", "emoji.json", "img/twitter/64"
#: Skin tones by the code of their modifier. Emoji of two people with different ones are left out.
_SKINS = {
    "1F3FB": "light skin",
    "1F3FC": "medium light skin",
    "1F3FD": "medium skin",
    "1F3FE": "medium dark skin",
    "1F3FF": "dark skin",
}
#: Flags are called by countries, whose names say nothing of what is drawn; components are swatches of skin.
_LEFT_OUT = {"Flags", "Component"}


def twitter_emoji(folder: Path, skin_tones: bool) -> Iterator[Emoji]:
    """Yield the emoji of the package, in its order, without flags of countries.

    Args:
        folder: of the package, unpacked.
        skin_tones: also the variants of people and hands, after each.

    Raises:
        DataError: its file of names cannot be read.
    """
    path = folder / NAMES
    try:
        rows = json.loads(user_files.read_text(path, user_files.MAX_GENERATED_BYTES))
        for row in rows:
            if row["category"] not in _LEFT_OUT and row.get("has_img_twitter", True) and "obsoleted_by" not in row:
                yield from _of_row(folder, row, skin_tones)
    except OSError as error:
        raise DataError(f"Cannot read {printable(path)}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{printable(path)} is not that of {PACKAGE}: {type(error).__name__} ({error})") from error


def _of_row(folder: Path, row: Mapping[str, Any], skin_tones: bool) -> Iterator[Emoji]:
    code = int(row["unified"].partition("-")[0], 16)
    short = row["short_name"].replace("_", " ").replace("-", " ")
    name = (row.get("name") or short).lower()
    yield Emoji(code, name, _drawing(folder, row["image"]), short)
    variants = row.get("skin_variations", {}) if skin_tones else {}
    for tone, variant in variants.items():
        if tone in _SKINS and variant.get("has_img_twitter", True):
            yield Emoji(code, name, _drawing(folder, variant["image"]), short, _SKINS[tone])


def _drawing(folder: Path, image: str) -> partial[Image]:
    if not isinstance(image, str) or Path(image).name != image:
        raise ValueError(f"{image!r} is no name of a file")
    return partial(_read, folder / PICTURES / image)


def _read(path: Path) -> Image:
    from PIL import Image

    try:
        with open_regular(path) as file, Image.open(file, formats=["PNG"]) as image:
            return image.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, UnreadableError) as error:
        raise DataError(f"Cannot read {printable(path)}: {getattr(error, 'strerror', None) or error}.") from error
