"""Convert pixels of any bit depth to 8 bits by what the file says of them; refuse files that do not say enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qgen.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

#: A 16-bit file without brighter pixels may really use 12 bits, and nothing in it says so.
_DARK = 2**12 - 1
_FULL = 2**16 - 1
# Tags of TIFF 6.0, and of its supplement for floating-point numbers.
_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANES, _FORMAT = 258, 259, 262, 284, 339
_LARGEST = (281, 341)
_SUBSAMPLING = 530
_WHITE_IS_ZERO, _YCBCR, _LAB = 0, 6, 8
_JPEG = 7
#: Factor by which Pillow multiplies the levels of a grey PNG of 2 or 4 bits.
_SPREAD = {"L;2": 85, "L;4": 17}


class UnreadableError(DataError):
    """A file cannot be read as an image. The message says why; the caller adds which file."""


def to_eight_bits(image: Image, depth: int | None = None) -> Image:
    """Convert an opened image to 8 bits per channel: upright, black at 0, transparency on white.

    Deeper grey levels are rounded; 16-bit colours are truncated, as Pillow does.

    Args:
        image: as Pillow opened it, not yet decoded.
        depth: bits that 16-bit grey pixels really use; None: as the file says.

    Raises:
        UnreadableError: pixels have more than 16 bits, a sign or fractions, or a colour space that Pillow does not
            convert.
    """
    from PIL import ImageOps

    _check_format(image)
    largest = _largest(image)
    inverted = image.mode.startswith("I;16") and _tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO
    spread = _SPREAD.get(_raw_mode(image), 1)
    if spread > 1 and "transparency" in image.info:  # Pillow multiplies the levels, but not this one
        image.info["transparency"] *= spread
    if depth is None and image.format == "PPM":  # its largest value is its depth
        depth = 16
    image = ImageOps.exif_transpose(image)  # decodes it, and drops the tags
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _grey(image, largest, inverted, depth)
    if image.mode == "La":
        return _on_white(image.convert("LA"))
    return _on_white(image) if image.has_transparency_data else image


def _check_format(image: Image) -> None:
    if image.format == "TIFF":
        _check_tiff(image)
    if image.mode == "F":
        raise UnreadableError("its pixels are real numbers: save it with 8 or 16 bits")
    if image.mode in ("LAB", "HSV"):
        raise UnreadableError(f"its colours are {image.mode}: save it as RGB")
    if _raw_mode(image) == "RGB;16B" and "transparency" in image.info:
        raise UnreadableError("one of its colours of 16 bits is transparent: save it with 8 bits, or an alpha channel")


def _check_tiff(image: Image) -> None:
    bits, kinds = _tags(image, _BITS, (1,)), _tags(image, _FORMAT, (1,))
    if set(kinds) != {1}:
        what = {2: "whole numbers with a sign", 3: "real numbers"}.get(max(kinds), "numbers of an unknown kind")
        raise UnreadableError(f"its pixels are {what}, of {max(bits)} bits: save it with 8 or 16 bits and no sign")
    if max(bits) > 16:
        raise UnreadableError(f"its pixels have {max(bits)} bits: save it with 8 or 16")
    if max(bits) > 8 and len(bits) > 1 and _tag(image, _PLANES, 1) == 2:
        raise UnreadableError(f"its channels of {max(bits)} bits lie one after the other: save it with 8 bits")
    colours = _tag(image, _PHOTOMETRIC, 1)
    if colours == _LAB:
        raise UnreadableError("its colours are LAB: save it as RGB")
    if colours == _YCBCR and _tag(image, _COMPRESSION, 1) != _JPEG and _tags(image, _SUBSAMPLING, (2, 2)) != (1, 1):
        raise UnreadableError("its colours are YCbCr of a lower resolution: save it as RGB")


def _largest(image: Image) -> int:
    """Return the value of white, for grey pixels of more than 8 bits."""
    bits = _tags(image, _BITS, (16,))[0] if image.format == "TIFF" else 16
    if bits < 16:
        return int(2**bits - 1)
    # Some writers put the largest value of the pixels there: only 2^bits - 1 is taken as a depth.
    stated = [_tag(image, tag, _FULL) for tag in _LARGEST] if image.format == "TIFF" else [_FULL]
    return next((value for value in stated if _DARK // 8 <= value < _FULL and (value & (value + 1)) == 0), _FULL)


def _grey(image: Image, largest: int, inverted: bool, depth: int | None) -> Image:
    from PIL import Image as Pillow

    wide = np.asarray(image).astype(np.int64)
    if largest == _FULL and depth is not None:
        largest = 2**depth - 1
    elif largest == _FULL and 0 < wide.max() <= _DARK:
        raise UnreadableError(
            f"none of its pixels of 16 bits is brighter than {wide.max():,} of {_FULL:,}: set `depth` to the bits that "
            "they really have, as to 12, or to 16 if they are as dark as that"
        )
    if wide.min() < 0 or wide.max() > largest:
        raise UnreadableError(f"a pixel has the value {max(wide.max(), -wide.min()):,}, and {largest:,} is white")
    transparent = wide == image.info.get("transparency", -1)
    levels = np.rint(wide * (255 / largest)).astype(np.uint8)
    levels = 255 - levels if inverted else levels
    levels[transparent] = 255  # on white
    return Pillow.fromarray(levels)


def _on_white(image: Image) -> Image:
    from PIL import Image as Pillow

    return Pillow.alpha_composite(Pillow.new("RGBA", image.size, "white"), image.convert("RGBA"))


def _raw_mode(image: Image) -> str:
    """Return Pillow's raw mode of the file; empty once it is decoded."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else None
    return arguments if isinstance(arguments, str) else str(arguments[0]) if isinstance(arguments, tuple) else ""


def _tags(image: Image, tag: int, default: Sequence[int]) -> tuple[Any, ...]:
    value = getattr(image, "tag_v2", {}).get(tag, default)
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _tag(image: Image, tag: int, default: int) -> Any:
    return _tags(image, tag, (default,))[0]
