"""Random numbers as a function of their purpose: no state to save, and a resumed run draws what an unbroken one did."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from qgen.errors import InputError

if TYPE_CHECKING:
    import torch


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
