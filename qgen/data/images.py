"""A set of images in memory: the one form in which generators see data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import psutil
import torch

from qgen.errors import DataError

#: What images may take of the memory that is free; training needs the rest.
MOST_MEMORY = 0.7


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with what is known about them.

    Attributes:
        name: the data set, or the path of the folder.
        images: (N, C, H, W), uint8 in [0, 255], C = 1 (grey) or 3 (RGB); or, float32 in [-1, 1], samples of a
            D-dimensional distribution, (N, D, 1, 1).
        labels: (N,), int64; None where there are none.
        class_names: the name of label k at place k; None where there are no labels.
        source: where the images were read from.
        sha256: of shape, numbers and labels, in hexadecimal: what was learned from, to the last bit.
    """

    name: str
    images: torch.Tensor
    labels: torch.Tensor | None
    class_names: tuple[str, ...] | None
    source: str
    sha256: str

    @classmethod
    def of(
        cls,
        name: str,
        images: torch.Tensor,
        labels: torch.Tensor | None,
        class_names: tuple[str, ...] | None,
        source: str,
    ) -> ImageSet:
        """These images with their digest."""
        form = (tuple(images.shape), labels is not None, *(("float32",) if images.is_floating_point() else ()))
        digest = hashlib.sha256(repr(form).encode())
        pixels = images.contiguous().numpy()
        digest.update(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).data)
        if labels is not None:
            digest.update(labels.numpy().astype("<i8").data)
        return cls(name, images, labels, class_names, source, digest.hexdigest())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: (C, H, W)."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.images)

    def scaled(self, index: torch.Tensor) -> torch.Tensor:
        """The images at these places, (len(index), C, H, W), float32 in [-1, 1]: black is -1, white is 1."""
        return scale(self.images[index])

    def count_labels(self) -> dict[str, int]:
        """How many images each class has, by its name; empty without labels."""
        if self.labels is None or self.class_names is None:
            return {}
        counts = torch.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))


def scale(images: torch.Tensor) -> torch.Tensor:
    """Bytes as float32 in [-1, 1]: black is -1, white is 1; what is of a floating-point type stays as it is."""
    return images if images.is_floating_point() else images.to(torch.float32) / 127.5 - 1


def refuse_what_does_not_fit(count: int, channels: int, size: int, copies: int = 1) -> None:
    """Checks that `count` uint8 images of `channels` x `size` x `size` fit into the memory that is free.

    Args:
        count: how many images.
        channels: of each.
        size: of each, in pixels.
        copies: how many of all of them there are at a time, at most.

    Raises:
        DataError: they do not; the message says how much they take and how much there is.
    """
    needed, free = copies * count * channels * size**2, psutil.virtual_memory().available
    if needed > MOST_MEMORY * free:
        raise DataError(
            f"{count:,} images of {channels}x{size}x{size} take {needed / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} GiB are free. Choose a smaller `size` or a `limit`."
        )
