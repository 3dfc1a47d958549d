"""Which images of a set are used. No seed of a run has a say in it, and no release of a library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qgen.errors import DataError
from qgen.randomness import derive


def choose(
    name: str,
    labels: NDArray[np.int64] | None,
    count: int,
    classes: Sequence[int] | None = None,
    limit: int | None = None,
    fraction: float | None = None,
) -> NDArray[np.int64]:
    """The places of the images to keep, ascending: the first of `candidates`, which has the arguments.

    Raises:
        DataError: there are no such labels, or fewer images than `limit`.
    """
    places, kept = candidates(name, labels, count, classes, limit, fraction)
    return np.sort(places[:kept])


def candidates(
    name: str,
    labels: NDArray[np.int64] | None,
    count: int,
    classes: Sequence[int] | None = None,
    limit: int | None = None,
    fraction: float | None = None,
) -> tuple[NDArray[np.int64], int]:
    """The places of all images that may be kept, in the order in which they are taken, and how many to keep.

    They ascend if all are kept. Otherwise they are shuffled, always in the same way, so that the first k of them have
    the classes as equal as can be, whatever k is.

    Args:
        name: what the images are called in a message.
        labels: (count,), or None.
        count: how many images there are.
        classes: the labels to keep; None: all.
        limit: how many images are wanted; None: all.
        fraction: which part of them is wanted, where `limit` does not say it; None: all.

    Raises:
        DataError: there are no such labels, or fewer images than `limit`.
    """
    places = np.arange(count) if classes is None else _of_classes(name, labels, classes)
    kept = limit or max(1, round((1 if fraction is None else fraction) * len(places)))
    if kept > len(places):
        of_these = "" if classes is None else f" of class {', '.join(map(str, classes))}"
        raise DataError(f"`limit` is {kept:,}, but {name} has {len(places):,} images{of_these}.")
    if kept < len(places):
        places = places[_balanced_shuffle(None if labels is None else labels[places], len(places))]
    return places, kept


def fixed_shuffle(count: int) -> NDArray[np.int64]:
    """A shuffle of all places, (count,), that depends on their number alone."""
    # numpy promises the raw numbers of a bit generator for good, but not what its or torch's permutations do with them.
    return np.argsort(np.random.PCG64(derive(0, "fixed choice")).random_raw(count), kind="stable")


def _balanced_shuffle(labels: NDArray[np.int64] | None, count: int) -> NDArray[np.int64]:
    order = fixed_shuffle(count)
    if labels is None:
        return order
    # How many of its class come before each image: first come those with none, then those with one, and so on.
    before = np.empty(count, np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        before[members] = np.arange(len(members))
    return order[np.argsort(before[order], kind="stable")]


def _of_classes(name: str, labels: NDArray[np.int64] | None, classes: Sequence[int]) -> NDArray[np.int64]:
    if labels is None:
        raise DataError(f"`classes` chooses by label, but {name} has no labels.")
    known = np.unique(labels).tolist()
    if missing := sorted(set(classes) - set(known)):
        wrong, right = ", ".join(map(str, missing)), ", ".join(map(str, known))
        raise DataError(f"{name} has no images of class {wrong}; its labels are {right}.")
    return np.flatnonzero(np.isin(labels, classes))
