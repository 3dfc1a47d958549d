"""Seeds and streams derived from a purpose: there is no state to save, and a resumed run draws the same numbers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from qgen.errors import InputError, short_repr

if TYPE_CHECKING:
    import torch

#: Seeds lie in [0, END).
END = 1 << 63


def derive(seed: int, *purpose: str | int) -> int:
    """Derive a seed in [0, 2^63) from a seed and a purpose, as `derive(seed, "noise", step)`.

    Different purposes give independent streams; equal ones give the same seed on every machine.

    Raises:
        InputError: the seed is negative, or no whole number.
    """
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"a seed is a whole number from 0 on, not {short_repr(seed)}")
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    # The number and the types of the parts are included, so that no two purposes have the same entropy.
    entropy = [seed, len(words)]
    for part, word in zip(purpose, words, strict=True):
        entropy += [int(isinstance(part, str)), word]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a CPU generator of torch, seeded with `derive(seed, *purpose)`."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *purpose))


@dataclass(frozen=True)
class Streams:
    """Random streams of the rows of a batch: one per row, identified by its index, without state.

    `rows_per_seed` consecutive rows share a seed and are numbered from 0. The whole batch is evaluated once for each
    number in `evaluations`, as at the shifts of a gradient.

    Streams of different seeds, rows, evaluations or purposes never overlap: the seed is the key of a counter-based
    generator, and the others are in its counter. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
    SC 2011 (Philox).
    """

    seeds: tuple[int, ...]
    rows_per_seed: int
    evaluations: range = range(1)

    @classmethod
    def from_seed(cls, seed: Seed, lead: Sequence[int], rows: int) -> Streams:
        """Return the streams of a batch of `rows` rows with leading axes `lead`, from its seed or seeds.

        The last axis, of a mixture, may be missing from `lead`.

        Raises:
            InputError: the seeds are not integers in [0, 2^63), or do not have the shape of the first leading axes.
        """
        if isinstance(seed, Streams):
            if len(seed) != rows:
                raise InputError(f"these seeds are of another call: they are for {len(seed)} rows, not for {rows}")
            return seed
        if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < END:
            return cls((seed,), rows)
        given = np.asarray(seed)
        wrong = given.dtype.kind not in "iu" or not ((given >= 0) & (given < END)).all()
        if wrong:
            raise InputError(f"seeds are whole numbers in [0, 2^63), not {seed!r}")
        if given.shape != tuple(lead[: given.ndim]):
            raise InputError(
                f"seeds have shape {given.shape}, the leading axes of the batch are {tuple(lead)}: give one seed, or "
                "one for each place of the first axes"
            )
        return cls(tuple(given.reshape(-1).tolist()), rows // max(1, given.size))

    def __len__(self) -> int:
        return len(self.evaluations) * len(self.seeds) * self.rows_per_seed

    def for_evaluations(self, evaluations: range) -> Streams:
        """Return the streams of other evaluations of the rows: `range(1)` is the first, `range(1, 3)` the next two."""
        return replace(self, evaluations=evaluations)

    def derived(self, *purpose: str | int) -> Streams:
        """Return the streams of the same rows for another purpose, which share nothing with these; see `derive`."""
        return replace(self, seeds=tuple(derive(seed, *purpose) for seed in self.seeds))

    def generators(self, purpose: int = 0) -> Iterator[np.random.Generator]:
        """Yield the generator of every row, in order: one object that is reset for each, to be used before the next."""
        source = np.random.Philox(key=0)
        drawn, state = np.random.Generator(source), source.state
        counter, key = state["state"]["counter"], state["state"]["key"]
        counter[3] = purpose
        for counter[2] in self.evaluations:
            for key[0] in self.seeds:
                for counter[1] in range(self.rows_per_seed):
                    source.state = state
                    yield drawn

    @property
    def joint_seed(self) -> int:
        """One seed for all rows, for backends that cannot seed rows: that of the call, if there is only one."""
        return self.seeds[0] if len(self.seeds) == 1 else derive(0, "rows", *self.seeds)


#: The streams of exact values, for any number of rows.
NO_STREAMS = Streams((0,), 0)
#: One seed for a call, an array of integers for its first leading axes, or the streams of another call.
Seed: TypeAlias = "int | Sequence[int] | npt.NDArray[np.integer[npt.NBitBase]] | torch.Tensor | Streams"


class _Images:
    """Seeds of the images that are sampled now, and the number of evaluations so far."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds, self.calls = tuple(seeds), 0


_images: ContextVar[_Images | None] = ContextVar("images", default=None)


@contextmanager
def image_streams(seeds: Sequence[int]) -> Iterator[None]:
    """Seed circuit evaluations by image within this block: the first axis of every batch is that of the images.

    The shots and errors of an image follow from its seed and the number of earlier evaluations, and do not depend on
    the other images of the batch. If the axis is a multiple longer, each image has as many consecutive rows; batches
    without such an axis draw the same values for all images.
    """
    before = _images.set(_Images(seeds))
    try:
        yield
    finally:
        _images.reset(before)


def next_image_streams(lead: Sequence[int], rows: int) -> Streams | None:
    """Return the streams of the next evaluation within `image_streams`; None outside."""
    images = _images.get()
    if images is None:
        return None
    call, count = images.calls, len(images.seeds)
    images.calls += 1
    if not lead or not count or lead[0] % count:
        return Streams((derive(0, "shots of all", call),), rows)
    return Streams(tuple(derive(seed, "shots", call) for seed in images.seeds), rows // count)


def image_count() -> int | None:
    """Return how many images are sampled now, within `image_streams`; None outside."""
    images = _images.get()
    return None if images is None else len(images.seeds)
