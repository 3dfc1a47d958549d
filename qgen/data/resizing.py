"""Square images of one size from images of any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image


def to_square(picture: Image, size: int) -> Image:
    """The middle of a picture at `size` x `size` pixels.

    Shrinking is antialiased: a bicubic filter as wide as a pixel of the result, on whole bytes (Parmar et al. 2022,
    arXiv:2104.11222, on why that matters for generators).
    """
    from PIL.Image import Resampling

    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    middle = picture.crop((left, top, left + side, top + side))
    return middle if side == size else middle.resize((size, size), Resampling.BICUBIC)


def resize(images: NDArray[np.uint8], size: int, channels: int) -> torch.Tensor:
    """Grey square images at another size.

    Args:
        images: (N, S, S), uint8.
        size: of the result, in pixels.
        channels: of the result, all alike.

    Returns:
        (N, channels, size, size), uint8.
    """
    from PIL import Image

    if images.shape[-1] != size:
        images = np.stack([np.asarray(to_square(Image.fromarray(image), size)) for image in images])
    grey = torch.from_numpy(images).unsqueeze(1)
    return grey.repeat(1, channels, 1, 1) if channels > 1 else grey
