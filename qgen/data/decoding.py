"""One image file, of whatever kind, as grey or RGB bytes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qgen.data.depth import UnreadableError, eight_bits
from qgen.data.resizing import to_square
from qgen.user_files import open_regular

if TYPE_CHECKING:
    from PIL.Image import Image

#: Files that end so are images, in capitals too.
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
# Whatever a file is called, no other decoder is tried: some of the rest start programs.
_FORMATS = {"PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM"}
_GREY_MODES = {"1", "L", "LA", "La", "I", "F"}


@dataclass(frozen=True)
class Head:
    """What a file says about its image.

    Attributes:
        width: in pixels.
        height: in pixels.
        mode: how Pillow names the kind of its pixels.
        grey: whether it has no colours, by its mode or its palette.
    """

    width: int
    height: int
    mode: str
    grey: bool

    @property
    def side(self) -> int:
        """Of the square in the middle, in pixels."""
        return min(self.width, self.height)


def read_head(path: Path) -> Head:
    """Size and kind of an image, mostly without unpacking it.

    Raises:
        UnreadableError: it is not an image, or too large.
    """
    with _opened(path) as image:
        return Head(image.width, image.height, image.mode, _is_grey(image))


def read_pixels(path: Path, size: int | None, channels: int, depth: int | None = None) -> NDArray[np.uint8]:
    """The square in the middle of an image, upright, resized.

    Transparent parts are laid on white, more than 8 bits become 8 (`eight_bits`), colour profiles are left aside, and
    of several frames the first is taken.

    Args:
        path: the file.
        size: of the result, in pixels; None: as large as it is.
        channels: 1: grey (ITU-R 601-2 luma), 3: RGB.
        depth: how many bits grey pixels of 16 really have; None: as the file says.

    Returns:
        (channels, size, size), uint8.

    Raises:
        UnreadableError: it is damaged, not an image, too large, or its pixels are of a kind whose values are not known.
    """
    with _opened(path) as image:
        plain = eight_bits(image, depth).convert("L" if channels == 1 else "RGB")
        square = np.asarray(to_square(plain, size or min(plain.size)))
    return square[None] if channels == 1 else np.ascontiguousarray(square.transpose(2, 0, 1))


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """A file under a decoder that may fail in any way: each becomes one error. Its pixels are not unpacked yet."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with open_regular(path) as file, Image.open(file, formats=_formats()) as image:
                yield image
    except UnidentifiedImageError as error:
        raise UnreadableError(_unknown(path)) from error
    except UnreadableError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadableError(f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except Exception as error:  # damaged files make decoders raise nearly everything
        raise UnreadableError(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def _unknown(path: Path) -> str:
    with open_regular(path) as file:
        start = file.read(4)
    if start in (b"II*\0", b"MM\0*"):
        return "it is a TIFF of a kind that Pillow does not read: save it with 8 or 16 bits, or as PNG"
    return "it is not an image of these kinds" if start else "it is empty"


def _formats() -> list[str]:
    from PIL import Image

    return sorted(_FORMATS.intersection(Image.registered_extensions().values()))  # Pillow may be built without WebP


def _is_grey(image: Image) -> bool:
    if image.mode != "P":
        return image.mode in _GREY_MODES or image.mode.startswith("I;16")
    palette = np.reshape(image.getpalette() or [], (-1, 3))
    return bool((palette == palette[:, :1]).all())
