"""Decode image files of any kind: the middle square, at one size, as grey or RGB bytes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from qgen.data.bit_depth import UnreadableError, to_eight_bits
from qgen.user_files import open_regular

if TYPE_CHECKING:
    from PIL.Image import Image

#: Suffixes of image files, in any case.
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
# No other decoder is tried, whatever the suffix: some of them start external programs.
_FORMATS = {"PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM"}
_GREY_MODES = {"1", "L", "LA", "La", "I", "F"}


@dataclass(frozen=True)
class ImageHeader:
    """The header of an image file.

    Attributes:
        width: in pixels.
        height: in pixels.
        mode: Pillow's mode.
        grey: whether it is grey by its mode or its palette.
    """

    width: int
    height: int
    mode: str
    grey: bool

    @property
    def side(self) -> int:
        """Side of the middle square, in pixels."""
        return min(self.width, self.height)


def read_header(path: Path) -> ImageHeader:
    """Read size and mode of an image, in most formats without decoding it.

    Raises:
        UnreadableError: it is not an image, or too large.
    """
    with _open(path) as image:
        return ImageHeader(image.width, image.height, image.mode, _is_grey(image))


def read_pixels(path: Path, size: int | None, channels: int, depth: int | None = None) -> NDArray[np.uint8]:
    """Read the middle square of an image, upright and resized.

    Transparency is put on white, deeper pixels become 8 bits (`to_eight_bits`), colour profiles are ignored, and of
    several frames the first is read.

    Args:
        path: the file.
        size: height and width of the result, in pixels; None: the side of the square.
        channels: 1: grey (ITU-R 601-2 luma), 3: RGB.
        depth: bits that 16-bit grey pixels really use; None: as the file says.

    Returns:
        (channels, size, size), uint8.

    Raises:
        UnreadableError: it is damaged, not an image, too large, or its pixel format is not supported.
    """
    with _open(path) as image:
        converted = to_eight_bits(image, depth).convert("L" if channels == 1 else "RGB")
        square = np.asarray(crop_center(converted, size or min(converted.size)))
    return square[None] if channels == 1 else np.ascontiguousarray(square.transpose(2, 0, 1))


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    """Open an image without decoding its pixels; within the block every error of a decoder becomes UnreadableError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with open_regular(path) as file, Image.open(file, formats=_pillow_formats()) as image:
                yield image
    except UnidentifiedImageError as error:
        raise UnreadableError(_why_unidentified(path)) from error
    except UnreadableError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadableError(f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except Exception as error:  # damaged files make decoders raise nearly everything
        raise UnreadableError(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def _why_unidentified(path: Path) -> str:
    with open_regular(path) as file:
        start = file.read(4)
    if start in (b"II*\0", b"MM\0*"):
        return "it is a TIFF of a kind that Pillow does not read: save it with 8 or 16 bits, or as PNG"
    return "it is not an image of these kinds" if start else "it is empty"


def _pillow_formats() -> list[str]:
    from PIL import Image

    return sorted(_FORMATS.intersection(Image.registered_extensions().values()))  # Pillow may be built without WebP


def _is_grey(image: Image) -> bool:
    if image.mode != "P":
        return image.mode in _GREY_MODES or image.mode.startswith("I;16")
    palette = np.reshape(image.getpalette() or [], (-1, 3))
    return bool((palette == palette[:, :1]).all())


def crop_center(image: Image, size: int) -> Image:
    """Crop the middle square of an image and resize it to `size` x `size` pixels.

    Shrinking is antialiased: a bicubic filter as wide as a pixel of the result, on bytes (Parmar et al. 2022,
    arXiv:2104.11222, on why that matters for generators).
    """
    from PIL.Image import Resampling

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    middle = image.crop((left, top, left + side, top + side))
    return middle if side == size else middle.resize((size, size), Resampling.BICUBIC)


def resize(images: NDArray[np.uint8], size: int, channels: int) -> torch.Tensor:
    """Resize square grey images.

    Args:
        images: (N, S, S), uint8.
        size: height and width of the result, in pixels.
        channels: channels of the result, all equal.

    Returns:
        (N, channels, size, size), uint8.
    """
    from PIL import Image

    if images.shape[-1] != size:
        images = np.stack([np.asarray(crop_center(Image.fromarray(image), size)) for image in images])
    grey = torch.from_numpy(images).unsqueeze(1)
    return grey.repeat(1, channels, 1, 1) if channels > 1 else grey
