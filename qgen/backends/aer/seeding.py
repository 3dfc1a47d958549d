"""Rows of a batch as runs of Aer with seeds: each row draws the same whatever is beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qgen.randomness import END, Streams

#: In one run Aer 0.18 takes seed + GAP j + i for shot i of row j.
GAP = 2113


class Run(NamedTuple):
    """Rows that are one run of Aer, and its seed."""

    rows: Sequence[int]
    seed: int


def runs_of(streams: Streams, basis: int, shots: int) -> list[Run]:
    """Split rows into runs: all rows of a seed are one run, and with many shots each row is one.

    The seed of a run says where its evaluations begin. Rows of one run would share what they draw from shot `GAP` on.
    A run takes some 50 ms before its first row.
    """
    if shots > GAP:
        return [Run([row], int(rng.integers(END))) for row, rng in enumerate(streams.generators(basis))]
    evaluations, each = streams.evaluations, streams.rows_per_seed
    rows = np.arange(len(streams)).reshape(len(evaluations), len(streams.seeds), each)
    firsts = Streams(streams.seeds, 1).generators(basis)
    seeds = [int(rng.integers(END // 2)) + GAP * evaluations.start * each for rng in firsts]
    return [Run(rows[:, k].reshape(-1).tolist(), seed) for k, seed in enumerate(seeds)]
