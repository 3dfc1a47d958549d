"""Random numbers as a function of their purpose: no state to save, and a resumed run draws what an unbroken one did."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from qgen.errors import InputError

if TYPE_CHECKING:
    import torch

END = 1 << 63  # of seeds


def derive(seed: int, *purpose: str | int) -> int:
    """A seed in [0, 2^63) that depends on every part: `derive(seed, "noise", step)`.

    Different purposes give independent streams; the same ones give the same seed on every machine.

    Raises:
        InputError: the seed is below 0.
    """
    if seed < 0:
        raise InputError(f"a seed is a whole number from 0 on, not {seed}")
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    # Each part is marked with its kind and length, so that no two lists of parts read the same.
    entropy = [seed, len(words)]
    for part, word in zip(purpose, words, strict=True):
        entropy += [int(isinstance(part, str)), word]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator of torch seeded with `derive(seed, *purpose)`."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *purpose))


@dataclass(frozen=True)
class Streams:
    """What the rows of a batch draw from: a stream for each, known by its place, not by a state.

    `each` rows in succession share a seed, and are numbered from 0. All of them are evaluated as often as
    `evaluations` is long, one whole batch after the other: at the shifts of a gradient, for one.

    Streams of different seeds, places, evaluations or purposes never overlap: the seed is the key of a counter-based
    generator, and the others are in its counter. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
    SC 2011 (Philox).
    """

    seeds: tuple[int, ...]
    each: int
    evaluations: range = range(1)

    @classmethod
    def of(cls, seed: Seed, lead: Sequence[int], rows: int) -> Streams:
        """Those of a batch of so many rows, whose leading axes are `lead` (a last one, of a mixture, may be missing).

        Raises:
            InputError: the seeds are no whole numbers in [0, 2^63), or not as many as the first leading axes have
                places.
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
        return len(self.evaluations) * len(self.seeds) * self.each

    def evaluated(self, evaluations: range) -> Streams:
        """The same rows, evaluated so often: `range(1)` is the batch itself, `range(1, 3)` what follows it."""
        return replace(self, evaluations=evaluations)

    def generators(self, purpose: int = 0) -> Iterator[np.random.Generator]:
        """The generator of every row, in order: one object that starts anew, to be drawn from before the next."""
        source = np.random.Philox(key=0)
        drawn, state = np.random.Generator(source), source.state
        counter, key = state["state"]["counter"], state["state"]["key"]
        counter[3] = purpose
        for counter[2] in self.evaluations:
            for key[0] in self.seeds:
                for counter[1] in range(self.each):
                    source.state = state
                    yield drawn

    @property
    def joint(self) -> int:
        """One seed for all, where rows cannot be told apart; that of the call, if there is one."""
        return self.seeds[0] if len(self.seeds) == 1 else derive(0, "rows", *self.seeds)


#: The streams of exact values, whatever their rows.
NOTHING_DRAWN = Streams((0,), 0)
#: One seed for a call, some for its first leading axes (..., ) of whole numbers, or those of another call.
Seed: TypeAlias = "int | Sequence[int] | npt.NDArray[np.integer[npt.NBitBase]] | torch.Tensor | Streams"


class _Images:
    """Whose rows the batches hold that are evaluated now, and how many were."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds, self.calls = tuple(seeds), 0


_images: ContextVar[_Images | None] = ContextVar("images", default=None)


@contextmanager
def for_images(seeds: Sequence[int]) -> Iterator[None]:
    """Within this block the first axis of every batch that circuits evaluate is one of images, with these seeds.

    What is drawn for an image, shots or errors, follows from its seed and from how many evaluations came before, so
    that it is the same whatever is sampled beside it. Where the axis has a multiple of that length, each image has as
    many rows in succession; values that are of no image (without such an axis) are the same for all images.
    """
    before = _images.set(_Images(seeds))
    try:
        yield
    finally:
        _images.reset(before)


def next_streams(lead: Sequence[int], rows: int) -> Streams | None:
    """Those of the next evaluation within `for_images`; None outside."""
    now = _images.get()
    if now is None:
        return None
    call, count = now.calls, len(now.seeds)
    now.calls += 1
    if not lead or not count or lead[0] % count:
        return Streams((derive(0, "shots of all", call),), rows)
    return Streams(tuple(derive(seed, "shots", call) for seed in now.seeds), rows // count)
