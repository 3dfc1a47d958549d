"""A batch of product states on propagated observables: what threads do for values and gradients.

Every number is computed by one thread, and sums run in one order: results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.noisy import product_states
from qgen.backends.noisy.pauli_blocks import pull_back
from qgen.backends.noisy.point import Point
from qgen.backends.noisy.program import Blocks
from qgen.backends.noisy.propagation_runs import Memory, Propagated, Runs
from qgen.backends.statevector.lanes import kernel
from qgen.backends.statevector.threads import run_all, shares

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Job = Callable[[], None]

WAKING = 100_000  # nanoseconds of work that another thread is woken for


def run_jobs(jobs: Sequence[Job], nanoseconds: float) -> None:
    """Run jobs that take so long all together, on as many threads as are worth it."""
    threads = max(1, min(torch.get_num_threads(), int(nanoseconds // WAKING)))
    run_all([partial(_in_turn, jobs[first:last]) for first, last in shares(len(jobs), threads)] if jobs else [_nothing])


def _in_turn(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job()


def _nothing() -> None:
    pass


@dataclass
class Row:
    """One row of weights.

    Attributes:
        angles: (C,), of one of its samples.
        matrices: the blocks' transfer matrices, flat, (B * 256,).
        scouting: those of scouts.
        memories: of the runs, one for each group of observables.
        recorded: whether they are ready for `Runs.adjoint`.
        threshold: below which strings were dropped.
        sums: each group's observables at the beginning of the circuit.
    """

    angles: Doubles
    matrices: npt.NDArray[Any]
    scouting: npt.NDArray[Any]
    memories: Sequence[Memory]
    recorded: bool
    threshold: float
    sums: dict[int, Propagated] = field(default_factory=dict)

    @property
    def groups(self) -> list[Propagated]:
        """The observables in their order."""
        return [self.sums[group] for group in range(len(self.memories))]


class Part(NamedTuple):
    """The samples of one row of weights: their places in the batch, their number, and their Bloch vectors in tiles."""

    row: Row
    samples: Integers | slice
    size: int
    tiles: npt.NDArray[Any]


class PropagatedBatch:
    """Product states and the observables of their rows of weights.

    Args:
        runs: of the program.
        vectors: (N, k, 4), the Bloch vectors of the samples.
        parts: each row of weights with the places of its samples.
    """

    def __init__(self, runs: Runs, vectors: Doubles, parts: Iterable[tuple[Row, Integers | slice]]) -> None:
        self._runs, self._vectors, self._wires = runs, vectors, runs.program.wires
        self._parts = []
        for row, samples in parts:
            own = vectors[samples]
            self._parts.append(Part(row, samples, len(own), product_states.in_tiles(own, runs.dtype, runs.lanes)))

    def values(self) -> Doubles:
        """Return the values (N, O)."""
        out = np.zeros((len(self._vectors), self._runs.program.observables))
        results = [[np.empty((part.size, _size(one))) for one in part.row.groups] for part in self._parts]
        jobs: list[Job] = []
        for part, of_part in zip(self._parts, results, strict=True):
            for one, result in zip(part.row.groups, of_part, strict=True):
                task = partial(product_states.expectations, one.strings, part.tiles, self._wires, _size(one))
                jobs += [partial(task, *tiles, result) for tiles in self._tiles(part)]
        run_jobs(jobs, self._cost())
        for part, of_part in zip(self._parts, results, strict=True):
            out[part.samples] = np.concatenate(of_part, axis=1)
        return out

    def moments(self, upstream: Doubles) -> list[Doubles]:
        """Return the gradient for the blocks' matrices, (B, 16, 16) for each part, summed over its samples."""
        collecting, adjoints = list[Job](), list[Job]()
        results: list[dict[int, Doubles]] = [{} for _ in self._parts]
        for part, of_part in zip(self._parts, results, strict=True):
            for group, (one, memory) in enumerate(zip(part.row.groups, part.row.memories, strict=True)):
                cotangents = np.empty(memory.top * self._runs.lanes, dtype=self._runs.dtype)
                lanes = self._in_lanes(upstream, part, one)
                task = partial(product_states.cotangents, one.strings, part.tiles, self._wires, lanes)
                strings = shares(len(one.strings.slots), torch.get_num_threads())
                collecting += [partial(task, first, last, cotangents) for first, last in strings]
                adjoints.append(partial(self._adjoint, part.row, group, cotangents, of_part))
        run_jobs(collecting, self._cost())
        run_jobs(adjoints, sum(self._runs.cost(one.most) for part in self._parts for one in part.row.groups))
        return [sum((of_part[group] for group in sorted(of_part)), start=np.zeros(())) for of_part in results]

    def _adjoint(self, row: Row, group: int, cotangents: npt.NDArray[Any], results: dict[int, Doubles]) -> None:
        results[group] = self._runs.adjoint(row.memories[group], row.matrices, cotangents)

    def vector_gradients(self, upstream: Doubles) -> Doubles:
        """Return the gradient for the Bloch vectors, (N, k, 4), for upstream (N, O)."""
        out = np.zeros_like(self._vectors)
        results = [np.zeros((part.size, self._wires, 4)) for part in self._parts]
        jobs: list[Job] = []
        for part, result in zip(self._parts, results, strict=True):
            lanes = [self._in_lanes(upstream, part, one) for one in part.row.groups]
            jobs += [partial(self._vector_gradients, part, lanes, tiles, result) for tiles in self._tiles(part)]
        run_jobs(jobs, self._cost())
        for part, result in zip(self._parts, results, strict=True):
            out[part.samples] = result
        return out

    def _vector_gradients(
        self, part: Part, lanes: Sequence[npt.NDArray[Any]], tiles: tuple[int, int], out: Doubles
    ) -> None:
        for one, upstream in zip(part.row.groups, lanes, strict=True):
            product_states.vector_gradients(one.strings, part.tiles, self._wires, upstream, _size(one), *tiles, out)

    def _tiles(self, part: Part) -> list[tuple[int, int]]:
        return shares(-(-part.size // self._runs.lanes), torch.get_num_threads())

    def _cost(self) -> float:
        """Nanoseconds, about, for all strings in all samples."""
        return sum(len(one.strings.slots) * part.size for part in self._parts for one in part.row.groups)

    def _in_lanes(self, upstream: Doubles, part: Part, one: Propagated) -> npt.NDArray[Any]:
        """Return a part's upstream gradient, flat: a vector of lanes a sample, samples filled up to whole tiles."""
        lanes = self._runs.lanes
        padded: npt.NDArray[Any] = np.zeros((-(-part.size // lanes) * lanes, lanes), self._runs.dtype)
        padded[: part.size, : _size(one)] = upstream[part.samples, one.observables.first : one.observables.last]
        return padded.reshape(-1)


def _size(one: Propagated) -> int:
    return one.observables.last - one.observables.first


def samples_of_rows(point: Point) -> Sequence[Integers | slice]:
    """Return, for each row of weights, the numbers of its samples; empty where there are none."""
    if len(point.first) == 1:
        return [slice(None)]
    ends = np.cumsum(np.bincount(point.weight_rows, minlength=len(point.first)))
    return np.split(point.order, ends[:-1])


def parts_of(point: Point, most: int) -> Iterator[tuple[slice, Integers | slice, Point]]:
    """Yield the point in parts of at most so many rows of weights: which rows, which samples, and what they are."""
    rows = len(point.first)
    if rows <= most:
        yield slice(None), slice(None), point
        return
    counts = np.bincount(point.weight_rows, minlength=rows)
    ends = np.cumsum(counts)
    for first in range(0, rows, most):
        last = min(first + most, rows)
        samples = point.order[ends[first] - counts[first] : ends[last - 1]]
        starts = ends[first:last] - counts[first:last] - (ends[first] - counts[first])
        part = point._replace(
            angles=point.angles[samples],
            weight_rows=point.weight_rows[samples] - first,
            order=np.arange(len(samples)),
            first=np.where(counts[first:last] > 0, starts, len(samples)),
        )
        yield slice(first, last), samples, part


@kernel
def pull_back_all(blocks: Blocks, angles: Doubles, moments: Doubles, d_angles: Doubles) -> None:
    """Add the gradient (B, 16, 16) for the blocks' matrices to that for one row of angles (C,)."""
    for block in range(len(moments)):
        pull_back(blocks, block, angles, moments[block], d_angles)
