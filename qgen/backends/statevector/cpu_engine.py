"""The engine on the processor: tiles of samples, shared among threads, each with its own workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import psutil
import torch

from qgen.backends.statevector import passes
from qgen.backends.statevector.angles import AngleRows
from qgen.backends.statevector.kept import kept_states
from qgen.backends.statevector.lanes import WIDTH
from qgen.backends.statevector.layout import Layout, choose_samples, make_layout
from qgen.backends.statevector.program import Program
from qgen.backends.statevector.registers import registers
from qgen.backends.statevector.split import SplitTile
from qgen.backends.statevector.threads import run_all, shares
from qgen.backends.statevector.wanted import Wanted, find_wanted
from qgen.backends.statevector.workspace import Workspace, make_workspace
from qgen.errors import BackendError

Doubles = npt.NDArray[np.float64]
LEAST_BLOCKS = 2  # blocks a thread, below which a tile is not split
MOST_SCHEDULES = 64  # batch sizes remembered by one engine
WAKING = 60_000  # nanoseconds of work that pay for a thread
LANES = {np.dtype(str(scalar)): lanes for scalar, lanes in WIDTH.items()}


@dataclass(frozen=True)
class Schedule:
    """How a batch of some size is worked off: its layout, and the range of tiles of each worker.

    split: all workers on one tile at a time.
    """

    layout: Layout
    dtype: np.dtype[Any]
    tiles: int
    ranges: list[tuple[int, int]]
    workers: int
    split: bool

    @property
    def state_size(self) -> int:
        """Numbers in the states of a tile."""
        return self.layout.rows * 2 * self.layout.lanes


class Record(NamedTuple):
    """What `gradients` goes on from: the angles of a batch, how it is worked off, and its states.

    states: (tiles, numbers of a state), or (0, ·) where they are computed again.
    """

    angles: AngleRows
    schedule: Schedule
    states: npt.NDArray[np.floating[Any]]

    @property
    def kept(self) -> bool:
        """Whether there are states in it."""
        return len(self.states) > 0


class CpuEngine:
    """Expectation values and adjoint gradients of one program in the processor's memory."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.observables = program.circuit.num_observables
        self._widest = max(register.wires.bit_count() for register in registers(program))
        self._layouts: dict[tuple[int, int], Layout] = {}
        self._schedules: dict[tuple[int, np.dtype[Any], int], Schedule] = {}
        self._wants: dict[tuple[int, int, bool, bool], Wanted] = {}
        self._idle: dict[tuple[int, np.dtype[Any]], list[Workspace]] = {}

    def record(self, angles: AngleRows, dtype: npt.DTypeLike, keep: bool = False) -> Record:
        """Plan a batch with float32 or float64 amplitudes.

        Args:
            angles: of the batch.
            dtype: of the amplitudes.
            keep: whether `values` is to leave the states in the record, where they are not too many.
        """
        schedule = self._schedule(len(angles.weight_rows), np.dtype(dtype))
        tiles = schedule.tiles if keep and not schedule.split else 0
        return Record(angles, schedule, kept_states(tiles, schedule.state_size, schedule.dtype))

    def values(self, record: Record) -> Doubles:
        """Return expectation values (N, O)."""
        angles, schedule, states = record
        values = np.zeros((len(angles.weight_rows), self.observables))
        tables, shape = schedule.layout.tables, schedule.layout.shape

        def on_tiles(work: Workspace, worker: int, first: int, last: int) -> None:
            passes.values_of_tiles(tables, angles, work, shape, first, last, values, states)

        self._run_tiles(record, on_tiles, lambda split, number: split.values(number, values))
        return values

    def gradients(self, record: Record, upstream: Doubles, inputs: bool, weights: bool) -> tuple[Doubles, Doubles]:
        """Return gradients of sum(upstream * values) for the angles of weights (R, ·) and of samples (N, ·).

        Args:
            record: of the batch.
            upstream: (N, O).
            inputs: whether anything upstream of the inputs wants a gradient.
            weights: whether the weights want one.
        """
        angles, schedule, states = record
        tables, shape = schedule.layout.tables, schedule.layout.shape
        wanted, leads = self._wanted(schedule.layout, inputs, weights)
        d_own = np.zeros(angles.own.shape)
        # Threads meet on a row of weights, so each sums for itself, but where every sample has a row of its own.
        copies = schedule.workers if len(angles.shared) < len(d_own) else 1
        d_shared = np.zeros((copies, *angles.shared.shape))

        def on_tiles(work: Workspace, worker: int, first: int, last: int) -> None:
            sums = d_shared[worker % copies]
            passes.gradients_of_tiles(
                tables, angles, work, shape, first, last, states, wanted, leads, upstream, sums, d_own
            )

        def on_split_tile(split: SplitTile, number: int) -> None:
            split.gradients(number, wanted, leads, upstream, d_shared[0], d_own)

        self._run_tiles(record, on_tiles, on_split_tile)
        return d_shared[0] if copies == 1 else d_shared.sum(axis=0), d_own

    def _run_tiles(
        self,
        record: Record,
        on_tiles: Callable[[Workspace, int, int, int], None],
        on_split_tile: Callable[[SplitTile, int], None],
    ) -> None:
        """Run `on_tiles` on ranges of tiles at the same time, or `on_split_tile` on each tile with all threads."""
        schedule = record.schedule
        layout = schedule.layout
        idle = self._idle.setdefault((layout.shape.samples, schedule.dtype), [])
        works = [_take(idle) or make_workspace(layout, schedule.dtype) for _ in range(schedule.workers)]
        if schedule.split:
            split = SplitTile(layout, record.angles, works)
            for number in range(schedule.tiles):
                on_split_tile(split, number)
        elif len(works) == 1:
            on_tiles(works[0], 0, 0, schedule.tiles)
        else:
            run_all([partial(on_tiles, works[k], k, *bounds) for k, bounds in enumerate(schedule.ranges)])
        idle.extend(works)  # after an error they are not clean, and not kept

    def _schedule(self, batch: int, dtype: np.dtype[Any]) -> Schedule:
        key = (batch, dtype, torch.get_num_threads())
        if key not in self._schedules:
            if len(self._schedules) >= MOST_SCHEDULES:
                self._schedules.clear()
            self._schedules[key] = self._make_schedule(*key)
        return self._schedules[key]

    def _make_schedule(self, batch: int, dtype: np.dtype[Any], threads: int) -> Schedule:
        samples = choose_samples(self._widest, batch, LANES[dtype], threads)
        layout, tiles = self.layout(samples, LANES[dtype]), -(-batch // samples)
        fitting = _fitting_workers(layout, dtype)
        if tiles < threads and layout.blocks >= LEAST_BLOCKS * threads:
            return Schedule(layout, dtype, tiles, [], threads, split=True)  # the workers share the states of one
        ranges = shares(tiles, min(threads, fitting, worthwhile_workers(layout, tiles)))
        return Schedule(layout, dtype, tiles, ranges, len(ranges), split=False)

    def _wanted(self, layout: Layout, inputs: bool, weights: bool) -> Wanted:
        key = (layout.shape.samples, layout.lanes, inputs, weights)
        if key not in self._wants:
            self._wants[key] = find_wanted(self.program, layout, inputs, weights)
        return self._wants[key]

    def layout(self, samples: int, lanes: int) -> Layout:
        """The tables for tiles of this shape, made once."""
        key = (samples, lanes)
        if key not in self._layouts:
            self._layouts[key] = make_layout(self.program, samples, lanes)
        return self._layouts[key]


def _fitting_workers(layout: Layout, dtype: np.dtype[Any]) -> int:
    """How many workers' states fit into memory, refused here where not even one's do."""
    needed = 2 * layout.rows * 2 * layout.lanes * dtype.itemsize
    available = int(psutil.virtual_memory().available)
    if needed > available:
        raise BackendError(
            f"the two states of one gradient need {needed:,} bytes in {dtype}, and {available:,} bytes are available: "
            "use fewer qubits, or float32"
        )
    return available // needed


def _take(idle: list[Workspace]) -> Workspace | None:
    try:
        return idle.pop()
    except IndexError:  # other threads take from the same list: asking first would not be safe
        return None


def worthwhile_workers(layout: Layout, tiles: int) -> int:
    """How many threads a number of tiles keeps busy for longer than it takes to wake them."""
    return max(1, tiles * layout.work // WAKING)
