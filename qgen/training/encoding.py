"""Codes of the images of a training, encoded once before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from qgen.data import ImageSet
from qgen.diffusion import Codec
from qgen.memory import free_memory
from qgen.progress import ProgressCallback
from qgen.training.fabric import Fabric

#: Images that are encoded together, and the part of the free memory that codes may take.
BATCH, MAX_MEMORY_SHARE = 256, 0.5


@dataclass(frozen=True)
class Codes:
    """The codes of all images, in memory; or, where they do not fit, of those that are asked for, encoded each time.

    Attributes:
        images: the images.
        codec: encodes them.
        kept: all codes (N, ...), float32, on the CPU; None: they do not fit.
    """

    images: ImageSet
    codec: Codec
    kept: Tensor | None

    def take(self, index: Tensor, device: torch.device) -> Tensor:
        """Return the codes (len(index), ...) of the images at these indices, float32, on the device."""
        if self.kept is None:
            return _encode(self.codec, self.images, index, device)
        return self.kept[index].to(device)


def fits(images: ImageSet, codec: Codec) -> bool:
    """Whether the codes of all images fit into memory."""
    size = 4 * len(images) * prod(codec.state_shape(images.shape))
    return size <= MAX_MEMORY_SHARE * free_memory()


def encode_images(images: ImageSet, codec: Codec, fabric: Fabric, progress: ProgressCallback | None = None) -> Tensor:
    """Return the codes (N, ...) of all images, float32, on the CPU: the same bits in every process.

    Each process encodes its share of the images, and gets the codes of the others.

    Args:
        images: N of them.
        codec: encodes them; it is on the device of this process.
        fabric: the devices.
        progress: called with the images that are encoded, and all that this process encodes.
    """
    codes = torch.zeros(len(images), *codec.state_shape(images.shape))
    share = -(-len(images) // fabric.world_size)
    mine = torch.arange(len(images))[fabric.global_rank * share : (fabric.global_rank + 1) * share]
    done = 0
    for index in mine.split(BATCH):
        codes[index] = _encode(codec, images, index, fabric.device).cpu()
        done += len(index)
        if progress is not None:
            progress(done, len(mine))
    if fabric.world_size > 1:  # a sum with zeros is exact
        codes = fabric.all_reduce(codes.to(fabric.device), reduce_op="sum").cpu()  # type: ignore[union-attr]
    return codes


@torch.no_grad()
def _encode(codec: Codec, images: ImageSet, index: Tensor, device: torch.device) -> Tensor:
    return codec.encode(images.scaled(index).to(device)).float()
