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

from qgen.backends.statevector import tile
from qgen.backends.statevector.lanes import WIDTH
from qgen.backends.statevector.layout import Layout, choose_samples, make_layout
from qgen.backends.statevector.program import Program
from qgen.backends.statevector.split import SplitTile
from qgen.backends.statevector.threads import run_all, shares
from qgen.backends.statevector.workspace import Workspace, make_workspace
from qgen.errors import BackendError

Doubles = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Integers = npt.NDArray[np.int64]
LEAST_BLOCKS = 2  # blocks a thread, below which a tile is not split
MOST_SCHEDULES = 64  # batch sizes remembered by one engine
WAKING = 60_000  # nanoseconds of work that pay for a thread
LANES = {np.dtype(str(scalar)): lanes for scalar, lanes in WIDTH.items()}


class AngleRows(NamedTuple):
    """The half turns exp(i angle / 2) of a batch of N samples, complex128.

    shared: (R, weight angles), a row for each distinct row of weights; own: (N, row angles);
    weight_rows: (N,), the row of `shared` that each sample uses; order: (N,), the samples, sorted by weight_rows.
    """

    shared: Complexes
    own: Complexes
    weight_rows: Integers
    order: Integers


def half_turns(angles: Doubles) -> Complexes:
    """exp(i angle / 2) of angles in radians, as fast as numpy's real cosine is."""
    turns = np.empty(angles.shape, dtype=np.complex128)
    np.cos(angles * 0.5, out=turns.real)
    np.sin(angles * 0.5, out=turns.imag)
    return turns


@dataclass(frozen=True)
class _Schedule:
    """How a batch of some size is worked off: its layout, and the range of tiles of each worker.

    split: all workers on one tile at a time.
    """

    layout: Layout
    tiles: int
    workers: int
    ranges: list[tuple[int, int]]
    split: bool


class CpuEngine:
    """Expectation values and adjoint gradients of one program in the processor's memory."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.observables = program.circuit.num_observables
        self._layouts: dict[tuple[int, int], Layout] = {}
        self._schedules: dict[tuple[int, np.dtype[Any], int], _Schedule] = {}
        self._wants: dict[tuple[int, int, bool, bool], npt.NDArray[np.int8]] = {}
        self._idle: dict[tuple[int, np.dtype[Any]], list[Workspace]] = {}

    def values(self, angles: AngleRows, dtype: npt.DTypeLike) -> Doubles:
        """Return expectation values (N, O), computed with float32 or float64 amplitudes."""
        values = np.zeros((len(angles.weight_rows), self.observables))
        schedule = self._schedule(len(values), np.dtype(dtype))
        tables, shape = schedule.layout.tables, schedule.layout.shape

        def on_tiles(work: Workspace, worker: int, first: int, last: int) -> None:
            tile.values_of_tiles(tables, angles, work, shape, first, last, values)

        self._run_tiles(schedule, np.dtype(dtype), angles, on_tiles, lambda split, number: split.values(number, values))
        return values

    def gradients(
        self, angles: AngleRows, dtype: npt.DTypeLike, upstream: Doubles, inputs: bool, weights: bool
    ) -> tuple[Doubles, Doubles]:
        """Return gradients of sum(upstream * values) for the angles of weights (R, ·) and of samples (N, ·).

        Args:
            angles: the angles, as for `values`.
            dtype: of the amplitudes.
            upstream: (N, O).
            inputs: whether anything upstream of the inputs wants a gradient.
            weights: whether the weights want one.
        """
        schedule = self._schedule(len(angles.weight_rows), np.dtype(dtype))
        tables, shape = schedule.layout.tables, schedule.layout.shape
        wanted = self._wanted(schedule.layout, inputs, weights)
        d_own = np.zeros(angles.own.shape)
        # Threads meet on a row of weights, so each sums for itself, but where every sample has a row of its own.
        copies = schedule.workers if len(angles.shared) < len(d_own) else 1
        d_shared = np.zeros((copies, *angles.shared.shape))

        def on_tiles(work: Workspace, worker: int, first: int, last: int) -> None:
            sums = d_shared[worker % copies]
            tile.gradients_of_tiles(tables, angles, work, shape, first, last, wanted, upstream, sums, d_own)

        def on_split_tile(split: SplitTile, number: int) -> None:
            split.gradients(number, wanted, upstream, d_shared[0], d_own)

        self._run_tiles(schedule, np.dtype(dtype), angles, on_tiles, on_split_tile)
        return d_shared.sum(axis=0), d_own

    def _run_tiles(
        self,
        schedule: _Schedule,
        dtype: np.dtype[Any],
        angles: AngleRows,
        on_tiles: Callable[[Workspace, int, int, int], None],
        on_split_tile: Callable[[SplitTile, int], None],
    ) -> None:
        """Run `some` on ranges of tiles at the same time, or `one` on each tile with all threads."""
        layout = schedule.layout
        idle = self._idle.setdefault((layout.shape.samples, dtype), [])
        works = [_take(idle) or make_workspace(layout, dtype) for _ in range(schedule.workers)]
        if schedule.split:
            split = SplitTile(layout, angles, works)
            for number in range(schedule.tiles):
                on_split_tile(split, number)
        elif schedule.tiles:
            run_all([partial(on_tiles, works[k], k, *bounds) for k, bounds in enumerate(schedule.ranges)])
        idle.extend(works)  # after an error they are not clean, and not kept

    def _schedule(self, batch: int, dtype: np.dtype[Any]) -> _Schedule:
        key = (batch, dtype, torch.get_num_threads())
        if key not in self._schedules:
            if len(self._schedules) >= MOST_SCHEDULES:
                self._schedules.clear()
            self._schedules[key] = self._make_schedule(*key)
        return self._schedules[key]

    def _make_schedule(self, batch: int, dtype: np.dtype[Any], threads: int) -> _Schedule:
        samples = choose_samples(self.program.wires, batch, LANES[dtype], threads)
        layout, tiles = self.layout(samples, LANES[dtype]), -(-batch // samples)
        fitting = _fitting_workers(layout, dtype)
        if tiles < threads and layout.shape.blocks >= LEAST_BLOCKS * threads:
            return _Schedule(layout, tiles, threads, [], split=True)  # the workers share the states of one
        ranges = shares(tiles, min(threads, fitting, worthwhile_workers(layout, tiles)))
        return _Schedule(layout, tiles, len(ranges), ranges, split=False)

    def _wanted(self, layout: Layout, inputs: bool, weights: bool) -> npt.NDArray[np.int8]:
        """For each op: 1 where a gradient is wanted, 0 where the op is only undone, -1 before the first wanted one."""
        key = (layout.shape.samples, layout.lanes, inputs, weights)
        if key not in self._wants:
            of_inputs = set(self.program.circuit.inputs)
            wanted = np.zeros(len(layout.order), dtype=np.int8)
            for k, index in enumerate(layout.order):
                for factor in self.program.ops[index].factors:
                    names = set() if factor.angle is None else set(factor.angle.parameters)
                    wanted[k] |= (inputs and bool(names & of_inputs)) or (weights and bool(names - of_inputs))
            wanted[: int(np.argmax(wanted)) if wanted.any() else len(wanted)] = -1
            self._wants[key] = wanted
        return self._wants[key]

    def layout(self, samples: int, lanes: int) -> Layout:
        """The tables for tiles of this shape, made once."""
        key = (samples, lanes)
        if key not in self._layouts:
            self._layouts[key] = make_layout(self.program, samples, lanes)
        return self._layouts[key]


def _fitting_workers(layout: Layout, dtype: np.dtype[Any]) -> int:
    """How many workers' states fit into memory, refused here where not even one's do."""
    needed = 2 * layout.shape.rows * 2 * layout.lanes * dtype.itemsize
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
    shape, ops = layout.shape, len(layout.tables.ops)
    nanoseconds = tiles * ops * (3 * shape.rows + 50 * shape.samples)
    return max(1, nanoseconds // WAKING)
