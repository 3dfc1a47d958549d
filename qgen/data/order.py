"""The order in which images are learned from: a function of seed and step, so that nothing need be saved to resume."""

from __future__ import annotations

from functools import lru_cache

import torch

from qgen.errors import DataError
from qgen.randomness import generator


def batch_indices(seed: int, step: int, batch: int, count: int) -> torch.Tensor:
    """Which images are in a batch, (batch,), int64 in [0, count).

    The batches are cut from one endless stream: epoch after epoch, each a permutation of its own of all images. No
    remainder is dropped, so a batch may begin in one epoch and end in a later one.

    Args:
        seed: of the run.
        step: the number of the batch, from 0.
        batch: images in a batch.
        count: images in the set.

    Raises:
        DataError: `step` is negative, or there is no image in a batch or in the set.
    """
    if step < 0 or batch < 1 or count < 1:
        raise DataError(f"There is no batch number {step} of {batch} out of {count} images.")
    start, end = step * batch, (step + 1) * batch
    pieces = []
    for epoch in range(start // count, (end - 1) // count + 1):
        first = epoch * count
        pieces.append(_permutation(seed, epoch, count)[max(start - first, 0) : end - first])
    return torch.cat(pieces)  # a copy: the permutations stay as they are


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> torch.Tensor:
    return torch.randperm(count, generator=generator(seed, "epoch", epoch))
