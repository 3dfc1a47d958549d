"""Find emoji on this machine: the font of Debian's package, or npm's package of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qgen.data.emoji.emoji import Emoji
from qgen.data.emoji.font import FONT, font_emoji
from qgen.data.emoji.twitter import NAMES, PACKAGE, PICTURES, twitter_emoji
from qgen.data.sets import EMOJI
from qgen.data.sources import VARIABLE, own_roots
from qgen.errors import DataError
from qgen.user_files import printable

#: Where emoji come from.
INSTALL = (
    f"Debian's package fonts-noto-color-emoji (sudo apt install fonts-noto-color-emoji) or npm's {PACKAGE} "
    f"(npm install {PACKAGE})"
)
_FONT_FOLDERS = (Path("/usr/share/fonts/truetype/noto"), Path("/usr/share/fonts/noto"), Path("/usr/share/fonts"))
_NODE_FOLDERS = (Path("/usr/lib/node_modules"), Path("/usr/local/lib/node_modules"), Path("/usr/share/nodejs"))


@dataclass(frozen=True)
class EmojiSource:
    """Where emoji come from.

    Attributes:
        path: the font, or the folder of the package.
        about: one line on what it is, with its licence.
        licence: of the pictures.
        is_font: whether it is a font, which has no skin tones.
    """

    path: Path
    about: str
    licence: str
    is_font: bool

    def emoji(self, skin_tones: bool) -> Iterator[Emoji]:
        """Yield the emoji, always in the same order.

        Raises:
            DataError: files are damaged, or the source has no skin tones.
        """
        if not self.is_font:
            yield from twitter_emoji(self.path, skin_tones)
        elif skin_tones:
            raise DataError(f"`data.skin_tones` needs npm's {PACKAGE}: of the font, emoji of one character are drawn")
        else:
            yield from font_emoji(self.path)


def find_emoji(data_dir: Path | None = None) -> EmojiSource | None:
    """Return the first source on this machine; None: there is none.

    Looked through are `data_dir`, the folder that QGEN_DATA names, the user's data folder and the current one, each
    for npm's package and then for the font; then the system's folders of fonts and of node's packages.

    Args:
        data_dir: the folder to search first: it may be that of the package, or the one that the font lies in.
    """
    roots = own_roots(data_dir)
    for root in (*roots, Path()):
        inside = (root, root / "package") if root in roots else ()  # as `npm pack` names what it packs
        for folder in (*inside, root / PACKAGE, root / "node_modules" / PACKAGE):
            if _is_package(folder):
                return _package(folder)
        for folder in (root, root / EMOJI.name):
            if root in roots and os.path.isfile(folder / FONT):
                return _font(folder / FONT)
    for folder in _FONT_FOLDERS:
        if os.path.isfile(folder / FONT):
            return _font(folder / FONT)
    return next((_package(folder / PACKAGE) for folder in _NODE_FOLDERS if _is_package(folder / PACKAGE)), None)


def _is_package(folder: Path) -> bool:
    return os.path.isfile(folder / NAMES) and os.path.isdir(folder / PICTURES)


def _package(folder: Path) -> EmojiSource:
    licence = "CC BY 4.0, Twitter, Inc and other contributors"
    return EmojiSource(folder, f"npm's {PACKAGE} in {printable(os.path.abspath(folder))}", licence, False)


def _font(path: Path) -> EmojiSource:
    licence = "SIL Open Font License 1.1, Google"
    return EmojiSource(path, f"the font {printable(os.path.abspath(path))}", licence, True)


def missing(data_dir: Path | None = None) -> str:
    """Return what to do where `find_emoji` finds nothing."""
    searched = ", ".join(map(printable, (*own_roots(data_dir), _FONT_FOLDERS[0])))
    return f"emoji need {INSTALL}, or its folder by --data-dir or {VARIABLE}; none is in {searched}."
