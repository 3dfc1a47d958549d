"""How the exact engine works off a batch: its division of the blocks, its parts, and their memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.pictures import (
    Flags,
    Load,
    Pictures,
    cost,
    dampings,
    divisions,
    make_pictures,
    rows_of_blocks,
)
from qgen.backends.noisy.program import NoisyProgram
from qgen.backends.noisy.split_path import is_split
from qgen.backends.noisy.tiles import Tables, Work
from qgen.backends.noisy.vectors import MOST_IDLE, ObservableVectors, Pool, observable_vectors, work
from qgen.backends.statevector.cpu_engine import LANES

Integers = npt.NDArray[np.int64]
#: Sum of -log of singular values of blocks undone in a row, above which rounding would show.
MOST_DAMPING = {np.dtype(np.float32): 8.0, np.dtype(np.float64): 20.0}
KEEP_ALL = -1.0
KEEP_BYTES = 1 << 20  # of copies before all steps of a path, up to which they cost less than undoing
PART_WORK = 1_500_000  # multiplications of vectors that are worth sums of their own, some 0.4 ms
MOST_PARTS = 16
PART_BYTES = 1 << 24  # of all parts' sums of observables
MOST_SIZES = 64  # batch sizes remembered


@dataclass(frozen=True)
class Plan:
    """A division of the blocks, ready to run.

    Attributes:
        pictures: the division.
        tables: what the kernels read of it.
        shared, spread: the blocks with one matrix for all samples, and those with one for each.
        undone: (B,), the blocks whose inverses values (none) and gradients need.
        slot: (B,), place among the spread blocks; -1 for shared ones.
        split: whether the observables' path is worth several threads.
        lanes: of a row.
        tiles: of samples.
        parts: shares of these with sums of their own, so that results do not depend on the number of threads.
        works, observables: memory for values, and for gradients.
        keeps: whether observables have a way to go, and are small enough to wait for a gradient.
    """

    pictures: Pictures
    tables: Tables
    shared: Integers
    spread: Integers
    undone: tuple[Flags, Flags]
    slot: Integers
    split: bool
    lanes: int
    tiles: int
    parts: int
    works: tuple[Pool[Work], Pool[Work]]
    observables: tuple[Pool[ObservableVectors], Pool[ObservableVectors]]
    keeps: bool


class Planner:
    """Plans for batches of a program.

    Args:
        program: the circuit.
        dtype: of the vectors.
        division: (B,), which blocks act on states; None: as costs least for each batch.
    """

    def __init__(self, program: NoisyProgram, dtype: np.dtype[Any], division: Flags | None) -> None:
        self._program, self._given = program, division
        self._dtype = dtype
        self._lanes = LANES[dtype]
        self._observable_tiles = -(-program.observables // self._lanes)
        self._plans: dict[tuple[int, bool], Plan] = {}
        # Plans for batches of different sizes share their memory.
        self._work_pools: dict[tuple[int, int, int, int, bool], Pool[Work]] = {}
        self._observable_pools: dict[tuple[int, int, int, int], Pool[ObservableVectors]] = {}

    def plan(self, samples: int, mixed: bool) -> Plan:
        """Return the plan for `samples` samples; `mixed`: each with weights of its own."""
        key = samples, mixed
        if key not in self._plans:
            if len(self._plans) >= MOST_SIZES:
                self._plans.clear()
            self._plans[key] = self._make(*key)
        return self._plans[key]

    @cached_property
    def _divisions(self) -> list[tuple[Flags, tuple[int, int]]]:
        found = divisions(self._program)  # the first has all blocks on states
        if self._given is not None:
            found = [found[0], self._given]
        return [(division, rows_of_blocks(self._program, division)) for division in found]

    @cached_property
    def _dampings(self) -> npt.NDArray[np.float64]:
        return dampings(self._program.blocks)

    def _make(self, samples: int, mixed: bool) -> Plan:
        program, blocks = self._program, self._program.blocks
        load = Load(-(-samples // self._lanes), self._observable_tiles, program.observables)
        allowed = self._divisions
        if mixed or self._given is not None:
            allowed = allowed[:1] if mixed else allowed[1:]
        division, rows = min(allowed, key=lambda one: cost(program, one[0], one[1], load))
        most = MOST_DAMPING[self._dtype]
        row_bytes = self._lanes * self._dtype.itemsize
        limits = [KEEP_ALL if count * row_bytes <= KEEP_BYTES else most for count in rows]
        pictures = make_pictures(program, division, self._dampings, (limits[0], limits[1]))
        own = np.ones(len(blocks.own), dtype=np.bool_) if mixed else blocks.own
        spread = np.flatnonzero(own)
        slot = np.full(len(own), -1, dtype=np.int64)
        slot[spread] = np.arange(len(spread))
        most_parts = max(1, PART_BYTES // max(1, pictures.observables.rows * row_bytes * self._observable_tiles))
        amount = 3 * cost(program, division, (rows[0], 0), load)  # a gradient's, of the tiles of samples
        parts = max(1, min(load.sample_tiles, amount // PART_WORK, most_parts, MOST_PARTS))
        sums = 0 if pictures.whole else parts
        return Plan(
            pictures,
            pictures.tables(program),
            np.flatnonzero(~own),
            spread,
            (np.zeros(len(own), dtype=np.bool_), pictures.undone),
            slot,
            is_split(pictures.observables),
            self._lanes,
            load.sample_tiles,
            parts,
            (self._works(pictures, len(spread), back=False), self._works(pictures, len(spread), back=True)),
            (self._observables(pictures, 0), self._observables(pictures, sums)),
            0 < self._observable_bytes(pictures, sums) <= MOST_IDLE,
        )

    def _works(self, pictures: Pictures, spread: int, back: bool) -> Pool[Work]:
        path, observables = pictures.states, self._observable_tiles * self._lanes
        key = path.rows, path.copies, spread, observables, back
        if key not in self._work_pools:
            self._work_pools[key] = Pool(partial(work, *key, self._lanes, self._dtype))
        return self._work_pools[key]

    def _observable_bytes(self, pictures: Pictures, parts: int) -> int:
        path, tiles = pictures.observables, 0 if pictures.whole else self._observable_tiles
        return tiles * ((1 + parts) * path.rows + path.copies) * self._lanes * self._dtype.itemsize

    def _observables(self, pictures: Pictures, parts: int) -> Pool[ObservableVectors]:
        path, tiles = pictures.observables, 0 if pictures.whole else self._observable_tiles
        key = tiles, path.rows, path.copies if parts else 0, parts
        if key not in self._observable_pools:
            self._observable_pools[key] = Pool(partial(observable_vectors, *key, self._lanes, self._dtype))
        return self._observable_pools[key]
