"""ImageSet: images in memory, or mapped from a file, with labels and a digest: the form of all training data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from qgen.captions import Captions
from qgen.data.attributes import AttributeScheme
from qgen.data.mapped import MappedImages
from qgen.errors import DataError

#: The part of the free memory that images may take; training needs the rest.
MAX_MEMORY_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with labels, source and digest.

    Attributes:
        name: the data set, or the path of the folder.
        images: (N, C, H, W), uint8 in [0, 255], C = 1 (grey) or 3 (RGB); or, float32 in [-1, 1], samples of a
            D-dimensional distribution, (N, D, 1, 1).
        labels: (N,), int64; None if the images have none.
        class_names: name of label k at index k; None without labels.
        source: where the images were read from.
        sha256: hexadecimal digest of shape, values and labels: identifies the training data to the last bit.
        mapped: the file that the images are read from as they are used; None: they are in memory.
        captions: of each image; None: settings ask for none.
        scheme: by which the captions were made of classes, with attributes or none; None: they were not.
    """

    name: str
    images: torch.Tensor
    labels: torch.Tensor | None
    class_names: tuple[str, ...] | None
    source: str
    sha256: str
    mapped: MappedImages | None = None
    captions: Captions | None = None
    scheme: AttributeScheme | None = None

    @classmethod
    def of(
        cls,
        name: str,
        images: torch.Tensor,
        labels: torch.Tensor | None,
        class_names: tuple[str, ...] | None,
        source: str,
    ) -> ImageSet:
        """Make a set, computing its digest."""
        pixels = images.contiguous().numpy()
        blocks = [pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).data]
        numbers = None if labels is None else labels.numpy()
        digest = image_digest(tuple(images.shape), blocks, numbers, images.is_floating_point())
        return cls(name, images, labels, class_names, source, digest)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image, (C, H, W)."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.images)

    def scaled(self, index: torch.Tensor) -> torch.Tensor:
        """Return the images at these indices, (len(index), C, H, W), float32 in [-1, 1]: black is -1, white is 1."""
        return scale(self.images[index] if self.mapped is None else self.mapped.take(index))

    def prefetch(self, index: torch.Tensor) -> None:
        """Let the system read the images at these indices in the background; those in memory are there already."""
        if self.mapped is not None:
            self.mapped.prefetch(index)

    def count_labels(self) -> dict[str, int]:
        """Return the number of images of each class, by class name; empty without labels."""
        if self.labels is None or self.class_names is None:
            return {}
        counts = torch.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))


def image_digest(
    shape: tuple[int, ...],
    blocks: Iterable[bytes | memoryview],
    labels: NDArray[np.int64] | None,
    floating: bool = False,
) -> str:
    """Return the digest of images.

    Args:
        shape: (N, C, H, W).
        blocks: their values in succession, little-endian.
        labels: (N,); None without labels.
        floating: whether they are float32 rather than uint8.
    """
    form = (shape, labels is not None, *(("float32",) if floating else ()))
    digest = hashlib.sha256(repr(form).encode())
    for block in blocks:
        digest.update(block)
    if labels is not None:
        digest.update(labels.astype("<i8").data)
    return digest.hexdigest()


def scale(images: torch.Tensor) -> torch.Tensor:
    """Scale bytes to float32 in [-1, 1]: black is -1, white is 1. Floating-point images are returned as they are."""
    return images if images.is_floating_point() else images.to(torch.float32) / 127.5 - 1


def check_memory(count: int, channels: int, size: int, copies: int = 1) -> None:
    """Check that `count` uint8 images of `channels` x `size` x `size` fit into the free memory.

    Args:
        count: number of images.
        channels: channels of each.
        size: height and width of each, in pixels.
        copies: how many copies of all of them exist at the same time.

    Raises:
        DataError: they do not fit; the message gives both sizes.
    """
    if problem := memory_problem(count, channels, size, copies):
        raise DataError(f"{problem}. Choose a smaller `size` or a `limit`.")


def memory_problem(count: int, channels: int, size: int, copies: int = 1) -> str | None:
    """Return why images do not fit into the free memory; None: they do. See `check_memory`."""
    needed, free = copies * count * channels * size**2, psutil.virtual_memory().available
    if needed <= MAX_MEMORY_SHARE * free:
        return None
    return (
        f"{count:,} images of {channels}x{size}x{size} take {needed / 2**30:.1f} GiB of memory, and "
        f"{free / 2**30:.1f} GiB are free"
    )
