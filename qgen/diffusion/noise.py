"""Noise that belongs to an image, not to a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qgen.randomness import generator


class ImageNoise:
    """Standard normal noise with one seed per image.

    Image 17 gets the same numbers, bit for bit, whatever the batch size, whichever images are beside it and whatever
    the device: each image has a generator of its own, on the CPU, as in the code of Karras et al. 2022,
    arXiv:2206.00364.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int], device: torch.device | str = "cpu") -> None:
        """Noise for B = len(seeds) images.

        Args:
            seeds: one per image, each at least 0.
            shape: of one image, (C, H, W).
            device: where the noise is put.
        """
        self._generators = [generator(seed, "image") for seed in seeds]
        self._shape = tuple(shape)
        self._device = device

    def next(self) -> Tensor:
        """The next noise of every image, (B, C, H, W) float32."""
        noise = torch.empty(len(self._generators), *self._shape)
        for row, source in zip(noise, self._generators, strict=True):
            torch.randn(self._shape, generator=source, out=row)
        return noise.to(self._device)
