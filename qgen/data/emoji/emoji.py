"""Emoji: a picture and its names, with the colour that is measured on it, which make its captions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qgen.captions import words_of

if TYPE_CHECKING:
    from PIL.Image import Image

#: Names of colours that captions have.
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "grey", "white")
#: The part of a picture that has to have a colour for its caption to name it.
LEAST_SHARE = 0.6
#: Ends of the hues of red, orange, yellow, green, blue, purple and pink, in degrees; red comes again after the last.
_HUES = np.array([15, 40, 70, 165, 255, 290, 345])
_PALE = 0.15
_OPAQUE = 128
#: Code points below are of times when Unicode meant filled by black, outlined by white, and bold by heavy.
_FIRST_PICTURES = 0x1F000
_STYLE = re.compile(r"\b(?:black|white|heavy) ")
_POINTING = re.compile(r"^white (?=.* pointing )")
_OWN_LETTERS = 3


@dataclass(frozen=True)
class Emoji:
    """An emoji.

    Attributes:
        code: its first code point.
        name: what Unicode calls it, in lower case.
        draw: returns its picture, RGBA, a square.
        short: another name; None: there is none.
        skin: the words of its skin tone; None: it has none in particular.
    """

    code: int
    name: str
    draw: Callable[[], Image]
    short: str | None = None
    skin: str | None = None

    def captions(self, picture: Image) -> tuple[str, ...]:
        """Return its captions: its name with the colour of its picture, if it has one, its name, and its other name."""
        name = plain_name(self.name, self.code)
        colour = colour_of(picture)
        named = not set(words_of(name)).isdisjoint((*COLOURS, "gray"))
        full = name if colour is None or named else f"{colour} {name}"
        texts = [full, name]
        if self.short is not None and self.short.replace(" ", "").isalpha() and len(self.short) >= _OWN_LETTERS:
            texts.append(self.short)
        if self.skin is not None:
            texts = [f"{text}, {self.skin}" for text in texts]
        return tuple(dict.fromkeys(texts))


def plain_name(name: str, code: int) -> str:
    """Return a name of Unicode without words that mean another thing in English.

    In names of symbols, black and white are for filled and outlined: `HEAVY BLACK HEART` is red.

    Args:
        name: in lower case.
        code: the first code point.
    """
    name = " ".join(name.replace(":", " ").split())
    plain = _STYLE.sub("", f"{name} ").strip() if code < _FIRST_PICTURES else _POINTING.sub("", name)
    return plain or name


def colour_of(picture: Image) -> str | None:
    """Return the colour of most of what is opaque in a picture (RGBA): one of COLOURS; None: there is none."""
    values = np.asarray(picture)
    opaque = values[..., 3] >= _OPAQUE
    if not opaque.any():
        return None
    counts = np.bincount(colour_numbers(values[..., :3][opaque]), minlength=len(COLOURS))
    most = int(counts.argmax())
    return COLOURS[most] if counts[most] >= LEAST_SHARE * opaque.sum() else None


def colour_numbers(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the colours of pixels (N, 3), as their numbers (N,) in COLOURS, by hue, saturation and value."""
    rgb = pixels.astype(np.float64) / 255
    value, least = rgb.max(1), rgb.min(1)
    spread = value - least
    saturation = spread / np.maximum(value, 1e-9)
    red, green, blue = rgb.T
    divided = np.maximum(spread, 1e-9)
    hue = np.where(
        value == red, (green - blue) / divided % 6,
        np.where(value == green, (blue - red) / divided + 2, (red - green) / divided + 4),
    )  # fmt: skip
    found: NDArray[np.int64] = np.digitize(60 * hue, _HUES) % len(_HUES)
    red_number, orange, pink, brown = (COLOURS.index(name) for name in ("red", "orange", "pink", "brown"))
    found[(found == red_number) & (saturation < 0.5) & (value > 0.7)] = pink
    dull = ((found == orange) & (value < 0.8)) | ((found == red_number) & (value < 0.55))
    found[dull] = brown
    pale = saturation < _PALE
    found[pale] = COLOURS.index("grey")
    found[pale & (value > 0.85)] = COLOURS.index("white")
    found[(value < 0.2) | ((value < 0.35) & (saturation < 0.35))] = COLOURS.index("black")
    return found
