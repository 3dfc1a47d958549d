"""Exact: values and gradients of a noisy circuit from Pauli vectors of 4^wires numbers.

Each block of gates and their noise is one real matrix on two digits. Blocks act on the states of samples, forward, or
on the observables, backward, whichever is cheaper (`pictures.py`); gradients undo them one by one, so that memory does
not grow with depth (`sweeps.py`). See NOISE.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.noisy.block_matrices import (
    Batch,
    Matrices,
    build_lanes,
    build_shared,
    pull_back_lanes,
    pull_back_shared,
)
from qgen.backends.noisy.plan import Plan, Planner
from qgen.backends.noisy.point import Point
from qgen.backends.noisy.prefix import bloch_vectors, pull_back_prefix
from qgen.backends.noisy.program import NoisyProgram, Ops
from qgen.backends.noisy.split_path import SplitPath
from qgen.backends.noisy.tiles import (
    Work,
    gradients_of_tiles,
    observables_back,
    run_observables,
    start_observables,
    values_of_tiles,
)
from qgen.backends.noisy.vectors import ObservableVectors, check_wires
from qgen.backends.statevector.cpu_engine import LANES
from qgen.backends.statevector.threads import run_all, shares

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
MOST_KEPT = 8  # rows of weights whose observables wait for a gradient


class _Wanted(NamedTuple):
    """What a gradient is wanted of: angles of blocks (B,), any angle of the prefix."""

    blocks: Flags
    prefix: bool


class _Run(NamedTuple):
    """Samples that share a row of weights, or all samples, each with its own (row -1), and their plan."""

    row: int
    angles: Doubles
    plan: Plan
    batch: Batch
    matrices: Matrices


class Exact:
    """Exact values and gradients.

    Args:
        program: the circuit, compiled with its prefix.
        dtype: of Pauli vectors: float64, or float32 in half the time.
        division: (B,), which blocks act on states, the others on observables (`divisions` yields those that are
            possible); None: as costs least for each batch.

    Raises:
        BackendError: not even two Pauli vectors fit into memory.
    """

    method = "exact Pauli vector"

    def __init__(self, program: NoisyProgram, dtype: npt.DTypeLike = np.float64, division: Flags | None = None) -> None:
        self.program = program
        self.dtype = np.dtype(dtype)
        self._lanes = LANES[self.dtype]
        check_wires(program.wires, self._lanes, self.dtype)
        self._planner = Planner(program, self.dtype, division)
        self._wants: dict[tuple[bool, bool], _Wanted] = {}
        self._records = False  # from the first gradient on, values leave their observables to it
        self._kept, self._lock = dict[bytes, tuple[Plan, ObservableVectors]](), Lock()

    def values(self, point: Point) -> Doubles:
        """Return the values (N, O)."""
        values = np.zeros((len(point.angles), self.program.observables))
        if not self.program.wires:
            values += self._constants()
        point = _contiguous(point)
        for run in self._runs(point, back=False):
            self._values(run, values)
        return values

    def _values(self, run: _Run, values: Doubles) -> None:
        plan, records = run.plan, self._records and run.row >= 0 and run.plan.keeps
        parts = shares(plan.tiles, plan.parts)
        memory = plan.observables[records].take()
        with plan.works[0].lend(_workers(len(parts))) as works:
            _run_observables(run, memory, back=records)

            def on_tiles(part: int, worker: int) -> None:
                for first, last in self._built(run, parts[part], works[worker], back=False):
                    values_of_tiles(
                        plan.tables, run.batch, run.matrices, memory.states, first, last, works[worker], values
                    )

            _each(parts, len(works), on_tiles)
        if records:
            self._keep(run, memory)
        else:
            plan.observables[0].give(memory)

    def _keep(self, run: _Run, memory: ObservableVectors) -> None:
        """Keep observables at the meeting for a gradient at the same weights."""
        with self._lock:
            before = self._kept.pop(self._key(run), None)
            self._kept[self._key(run)] = run.plan, memory
            dropped = [] if before is None else [before]
            while len(self._kept) > MOST_KEPT:
                dropped.append(self._kept.pop(next(iter(self._kept))))
        for plan, one in dropped:
            plan.observables[1].give(one)

    def _taken(self, run: _Run) -> ObservableVectors:
        """Return observables at the meeting, with what their way back needs, in memory of `plan.observables[1]`."""
        with self._lock:
            kept = self._kept.pop(self._key(run), None)
        if kept is not None and kept[0] is run.plan:
            return kept[1]
        memory = run.plan.observables[1].take()
        _run_observables(run, memory, back=True)
        return memory

    def _key(self, run: _Run) -> bytes:
        return run.angles[~self.program.own_columns].tobytes()

    def _built(self, run: _Run, part: tuple[int, int], work: Work, back: bool) -> Iterator[tuple[int, int]]:
        """Yield a part's tiles all at once, or one after the other once their blocks' own matrices are built."""
        if not len(run.plan.spread):
            yield part
            return
        for tile in range(*part):
            undone = run.plan.undone[back]
            build_lanes(self.program.blocks, run.batch, tile, undone, work.lanes, work.lane_inverses)
            yield tile, tile + 1

    def gradients(self, point: Point, upstream: Doubles, inputs: bool, weights: bool) -> tuple[Doubles, Doubles]:
        """Return the gradients of sum(upstream (N, O) * values) for angles: (R, C), and (N, C).

        The first has those of blocks that samples share, summed over the samples of each row of weights, the second
        those of the prefix and of all other blocks, for each sample.

        Args:
            point: the angles, as for `values`.
            upstream: (N, O).
            inputs: whether angles that depend on the inputs want a gradient.
            weights: whether the others want one.
        """
        wanted, point, self._records = self._wanted(inputs, weights), _contiguous(point), True
        upstream = np.ascontiguousarray(upstream, dtype=np.float64)
        d_shared = np.zeros((len(point.first), self.program.columns))
        d_own = np.zeros(point.angles.shape)
        d_vectors = np.zeros((len(point.angles), self.program.wires, 4))
        for run in self._runs(point, back=True):
            self._gradients(run, wanted, upstream, d_shared, d_own, d_vectors)
        if wanted.prefix:
            pull_back_prefix(self.program.prefix, point.angles, d_vectors, d_own)
        return d_shared, d_own

    def _gradients(
        self, run: _Run, wanted: _Wanted, upstream: Doubles, d_shared: Doubles, d_own: Doubles, d_vectors: Doubles
    ) -> None:
        plan, blocks = run.plan, len(wanted.blocks)
        on_states = plan.pictures.on_states
        to_observables = bool((wanted.blocks & ~on_states).any())
        to_states = wanted.prefix or bool((wanted.blocks & on_states).any())
        parts = shares(plan.tiles, plan.parts)
        d_matrices = np.zeros((len(parts), blocks, 16, 16))
        memory = self._taken(run)
        with plan.works[1].lend(_workers(len(parts))) as works:
            memory.adjoints[:] = 0
            adjoints = memory.adjoints if len(memory.adjoints) else memory.states[None]  # of no tiles

            def on_tiles(part: int, worker: int) -> None:
                work, of_part = works[worker], adjoints[min(part, len(adjoints) - 1)]
                for first, last in self._built(run, parts[part], work, back=True):
                    gradients_of_tiles(
                        plan.tables, run.batch, run.matrices, wanted.blocks, memory.states, first, last, work,
                        upstream, to_observables, of_part, to_states, d_matrices[part], d_vectors,
                    )  # fmt: skip
                    if len(plan.spread) and to_states:
                        pull_back_lanes(
                            self.program.blocks, run.batch, first, wanted.blocks, work.moments, self._lanes, d_own
                        )

            _each(parts, len(works), on_tiles)
            found = [d_matrices]
            if to_observables:
                for part in range(1, len(parts)):
                    adjoints[0] += adjoints[part]
                found.append(self._observables_back(run, wanted, memory))
        plan.observables[1].give(memory)
        if run.row >= 0:
            which = plan.shared[wanted.blocks[plan.shared]]
            pull_back_shared(self.program.blocks, run.angles, which, np.concatenate(found), d_shared[run.row])

    def _observables_back(self, run: _Run, wanted: _Wanted, memory: ObservableVectors) -> Doubles:
        tiles = shares(len(memory.states), len(memory.states))
        d_matrices = np.zeros((len(tiles), len(wanted.blocks), 16, 16))
        if run.plan.split:
            path = SplitPath(run.plan.pictures.observables, True, run.matrices, run.plan.lanes)
            for k in range(len(tiles)):
                path.back(memory.states[k], memory.adjoints[0, k], memory.copies[k], wanted.blocks, d_matrices[k])
            return d_matrices
        vectors = memory.states, memory.adjoints[0], memory.copies, d_matrices
        call = partial(observables_back, run.plan.tables, run.matrices, wanted.blocks)
        _each(tiles, _workers(len(tiles)), lambda tile, worker: call(*tiles[tile], *vectors))
        return d_matrices

    def _runs(self, point: Point, back: bool) -> Iterator[_Run]:
        """Yield the samples of each row of weights, or all at once where rows have too few to fill a tile."""
        samples = len(point.angles) if self.program.wires else 0
        if not samples:
            return
        vectors = bloch_vectors(self.program.prefix, point.angles)
        if len(point.first) == 1:
            yield self._run(point, vectors, 0, point.order, back)
            return
        bounds = np.searchsorted(point.weight_rows[point.order], np.arange(len(point.first) + 1))
        rows = np.flatnonzero(np.diff(bounds))
        if 2 * samples < len(rows) * self._lanes:
            yield self._run(point, vectors, -1, point.order, back)
            return
        for row in rows.tolist():
            yield self._run(point, vectors, row, point.order[bounds[row] : bounds[row + 1]], back)

    def _run(self, point: Point, vectors: Doubles, row: int, members: Integers, back: bool) -> _Run:
        plan = self._planner.plan(len(members), row < 0)
        angles = point.angles[members[0]]
        numbers = len(plan.slot) * 256
        none = np.empty(0, dtype=self.dtype)
        inverses = np.empty(numbers if back else 0, dtype=self.dtype)
        matrices = Matrices(np.empty(numbers, dtype=self.dtype), none, inverses, none, plan.slot)
        build_shared(self.program.blocks, angles, plan.shared, plan.undone[back], matrices)
        return _Run(row, angles, plan, Batch(point.angles, vectors, members, plan.spread), matrices)

    def _constants(self) -> Doubles:
        """The observables (O,) of a circuit without wires."""
        start, _, coefficients = self.program.strings
        return np.array([coefficients[start[k] : start[k + 1]].sum() for k in range(len(start) - 1)])

    def _wanted(self, inputs: bool, weights: bool) -> _Wanted:
        key = inputs, weights
        if key not in self._wants:
            columns = np.where(self.program.own_columns, inputs, weights)
            start = self.program.blocks.start
            ops = _wants_of(self.program.blocks.ops, columns)
            blocks = np.array([ops[start[k] : start[k + 1]].any() for k in range(len(start) - 1)], dtype=np.bool_)
            self._wants[key] = _Wanted(blocks, bool(_wants_of(self.program.prefix.ops, columns).any()))
        return self._wants[key]


def _contiguous(point: Point) -> Point:
    """Kernels are compiled for rows that lie together."""
    return point._replace(angles=np.ascontiguousarray(point.angles))


def _wants_of(ops: Ops, columns: Flags) -> Flags:
    return np.array([column >= 0 and bool(columns[column]) for column in ops.column], dtype=np.bool_)


def _run_observables(run: _Run, memory: ObservableVectors, back: bool) -> None:
    """Take the observables to the meeting, where they have a way to go."""
    plan, tiles = run.plan, shares(len(memory.states), len(memory.states))
    if plan.split:
        path = SplitPath(plan.pictures.observables, True, run.matrices, plan.lanes)
        for k in range(len(tiles)):
            start_observables(plan.pictures.starts, k, memory.states[k])
            path.run(memory.states[k], memory.copies[k], back)
        return
    call = partial(run_observables, plan.tables, run.matrices, plan.pictures.starts)
    if len(memory.states):
        _each(tiles, _workers(len(tiles)), lambda tile, _: call(*tiles[tile], memory.states, memory.copies, back))


def _workers(parts: int) -> int:
    return max(1, min(torch.get_num_threads(), parts))


def _each(parts: list[tuple[int, int]], workers: int, call: Callable[[int, int], None]) -> None:
    """Call with each part's number and its worker's, the workers at the same time."""

    def work(worker: int) -> None:
        for part in range(worker, len(parts), workers):
            call(part, worker)

    run_all([partial(work, worker) for worker in range(workers)])
