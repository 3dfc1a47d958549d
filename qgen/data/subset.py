"""Select subsets of images and order them for training: the same on every machine and with every release."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qgen.errors import DataError
from qgen.randomness import derive, generator

if TYPE_CHECKING:
    import torch


def select_subset(
    name: str,
    labels: NDArray[np.int64] | None,
    count: int,
    classes: Sequence[int] | None = None,
    limit: int | None = None,
    fraction: float | None = None,
) -> NDArray[np.int64]:
    """Return the indices of the selected images, ascending: the first of `candidates`, with the same arguments.

    Raises:
        DataError: a label does not exist, or there are fewer images than `limit`.
    """
    indices, selected = candidates(name, labels, count, classes, limit, fraction)
    return np.sort(indices[:selected])


def candidates(
    name: str,
    labels: NDArray[np.int64] | None,
    count: int,
    classes: Sequence[int] | None = None,
    limit: int | None = None,
    fraction: float | None = None,
) -> tuple[NDArray[np.int64], int]:
    """Return the indices of all images that may be selected, in order of preference, and how many to select.

    The indices ascend if all of them are selected. Otherwise they are shuffled, always in the same way, so that the
    classes among the first k are as balanced as possible, for every k. No seed of a run has any influence.

    Args:
        name: what error messages call the images.
        labels: (count,), or None.
        count: number of images.
        classes: labels to select; None: all.
        limit: number of images to select; None: all.
        fraction: the part of the images to select if `limit` is None; None: all.

    Raises:
        DataError: a label does not exist, or there are fewer images than `limit`.
    """
    indices = np.arange(count) if classes is None else _of_classes(name, labels, classes)
    selected = limit or max(1, round((1 if fraction is None else fraction) * len(indices)))
    if selected > len(indices):
        of_these = "" if classes is None else f" of class {', '.join(map(str, classes))}"
        raise DataError(f"`limit` is {selected:,}, but {name} has {len(indices):,} images{of_these}.")
    if selected < len(indices):
        indices = indices[_balanced_permutation(None if labels is None else labels[indices], len(indices))]
    return indices, selected


def fixed_permutation(count: int) -> NDArray[np.int64]:
    """Return a permutation of range(count), (count,), that depends on `count` alone."""
    # NumPy guarantees the raw output of a bit generator for good, but neither its own nor torch's permutations.
    return np.argsort(np.random.PCG64(derive(0, "fixed choice")).random_raw(count), kind="stable")


def batch_indices(seed: int, step: int, batch: int, count: int) -> torch.Tensor:
    """Return the indices of the images in one batch, (batch,), int64 in [0, count).

    Batches are cut from one endless stream of epochs, each a new permutation of all images. A batch may begin in one
    epoch and end in a later one: no remainder is dropped. The result depends on the arguments alone, so that a resumed
    run needs no saved state.

    Args:
        seed: the seed of the run.
        step: number of the batch, from 0.
        batch: images per batch.
        count: images in the set.

    Raises:
        DataError: `step` is negative, or `batch` or `count` is below 1.
    """
    import torch  # not at the top: `qgen data` selects subsets without it

    if step < 0 or batch < 1 or count < 1:
        raise DataError(f"There is no batch number {step} of {batch} out of {count} images.")
    start, end = step * batch, (step + 1) * batch
    pieces = []
    for epoch in range(start // count, (end - 1) // count + 1):
        first = epoch * count
        pieces.append(_permutation(seed, epoch, count)[max(start - first, 0) : end - first])
    return torch.cat(pieces)  # a copy: the cached permutations stay as they are


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> torch.Tensor:
    import torch

    return torch.randperm(count, generator=generator(seed, "epoch", epoch))


def _balanced_permutation(labels: NDArray[np.int64] | None, count: int) -> NDArray[np.int64]:
    order = fixed_permutation(count)
    if labels is None:
        return order
    # The rank of each image within its class: all images of rank 0 come first, then those of rank 1, and so on.
    rank = np.empty(count, np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members))
    return order[np.argsort(rank[order], kind="stable")]


def _of_classes(name: str, labels: NDArray[np.int64] | None, classes: Sequence[int]) -> NDArray[np.int64]:
    if labels is None:
        raise DataError(f"`classes` chooses by label, but {name} has no labels.")
    known = np.unique(labels).tolist()
    if missing := sorted(set(classes) - set(known)):
        wrong, right = ", ".join(map(str, missing)), ", ".join(map(str, known))
        raise DataError(f"{name} has no images of class {wrong}; its labels are {right}.")
    return np.flatnonzero(np.isin(labels, classes))
