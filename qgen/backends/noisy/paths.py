"""Method `paths`: averages over trajectories whose errors fire with probabilities that no angle changes."""

from __future__ import annotations

from functools import partial
from math import exp, expm1
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import psutil
import torch

from qgen.backends.noisy import path_sweep
from qgen.backends.noisy.path_events import Events, make_events
from qgen.backends.noisy.path_layout import make_layout, row_bits
from qgen.backends.noisy.path_segments import Segments, make_segments
from qgen.backends.noisy.path_workspace import LANES, State, Work, make_work
from qgen.backends.noisy.philox import stream_keys
from qgen.backends.noisy.point import Point
from qgen.backends.noisy.program import NoisyProgram
from qgen.backends.statevector.threads import run_all, shares
from qgen.errors import BackendError

Doubles = npt.NDArray[np.float64]
Array = Any
MOST_PARTS = 64  # of one sample's paths, so that threads can share them
PART = 32  # paths of a part, or more
GROUPS = 16  # sums of shared gradients, which do not depend on the number of threads
#: log of how much rounding may grow between two copies of a state on the way back.
MOST_LOST = {np.dtype(np.float32): 4.0, np.dtype(np.float64): 12.0}


class Circuit(NamedTuple):
    """All that the kernels read of a program: of the blocks, of what happens in them, and of what is measured."""

    own: Array
    segments: Segments
    events: Events
    place: Array
    wanted: Array
    own_columns: Array
    registers: Array
    groups: Array
    steps: Array
    strings: Array
    signed: Array


class Plan(NamedTuple):
    """How many paths a sample has, cut into `parts` of `size`, and how much a path and the ideal one count."""

    paths: int
    parts: int
    size: int
    weight: float
    ideal_weight: float
    most_lost: float


class Paths:
    """Expectation values and gradients by trajectories.

    A value is P0 f_0 + (1 - P0) times the mean of f over the paths, where f is the observable in the unnormalised state
    of a path, f_0 that of the path without any event, and P0 its probability: the other paths have at least one. Values
    and gradients are unbiased, and the gradient is that of the value with the same streams.

    Args:
        program: compiled without a prefix.
        paths: number of paths a sample that have an event, at least 1.
        dtype: of the amplitudes, float32 or float64.

    Raises:
        BackendError: no paths, a delay of open length, or too many wires for the memory that is left.
    """

    def __init__(self, program: NoisyProgram, paths: int = 16, dtype: npt.DTypeLike = np.float32) -> None:
        if isinstance(paths, bool) or not isinstance(paths, int) or paths < 1:
            raise BackendError(f"`paths` is the number of paths of each sample, from 1 on, not {paths!r}")
        if program.has_open_delays:
            raise BackendError(
                "method `paths` needs errors whose probabilities no angle changes, and a delay of this circuit is as "
                "long as a parameter says: take `exact`, or give the delay a number"
            )
        self.program, self.paths, self._dtype = program, paths, np.dtype(dtype)
        self._lanes = LANES[self._dtype]
        check_memory(program, self._dtype)
        layout, self._shape = make_layout(program, self._lanes)
        self._constants = layout.constants
        self._events = make_events(program.blocks)
        self._circuit = Circuit(
            program.blocks.own,
            make_segments(program.blocks, self._events),
            self._events,
            layout.blocks,
            np.zeros(len(layout.blocks), dtype=np.bool_),
            program.own_columns,
            layout.registers,
            layout.groups,
            layout.steps,
            layout.strings,
            layout.signed,
        )
        self._idle: list[tuple[Work, State, State]] = []

    @property
    def method(self) -> str:
        """How values are obtained, see `Executable.method`."""
        return f"{self.paths:,} path{'' if self.paths == 1 else 's'}"

    @property
    def error_free(self) -> float:
        """P0, the probability that no event fires."""
        return exp(-self._events.total)

    def values(self, point: Point) -> Doubles:
        """Return the values (N, O) at a point, whose streams draw the paths."""
        samples, plan = len(point.angles), self._plan()
        found = np.zeros((samples * plan.parts, self.program.observables))
        if len(self._circuit.strings):
            shape, tables = self._shape, _tables(point)

            def some(first: int, last: int) -> None:
                work, ideal, path = self._take()
                path_sweep.values_of_items(self._circuit, work, ideal, path, shape, plan, *tables, first, last, found)
                self._idle.append((work, ideal, path))

            run_all([partial(some, *bounds) for bounds in shares(len(found), torch.get_num_threads()) if len(found)])
        values = np.empty((samples, self.program.observables))
        values[point.order] = found.reshape(samples, plan.parts, -1).sum(axis=1)
        return values + self._constants

    def gradients(self, point: Point, upstream: Doubles, inputs: bool, weights: bool) -> tuple[Doubles, Doubles]:
        """Return the gradients of sum(upstream * values), the values of the same streams.

        Args:
            point: the angles.
            upstream: (N, O).
            inputs: whether columns that depend on the inputs are wanted.
            weights: whether columns that depend on weights are.

        Returns:
            Of columns that depend on weights alone, (R, C), summed over the samples of each row of weights; of the
            others, (N, C). What is not asked for may be missing or there.
        """
        samples, columns, plan = len(point.angles), self.program.columns, self._plan()
        d_rows, d_own = np.zeros((len(point.first), columns)), np.zeros((plan.parts, samples, columns))
        wanted = self._wanted(inputs, weights)
        items = samples * plan.parts
        if not (len(self._circuit.strings) and wanted.any() and items):
            return d_rows, d_own[0]
        shape, circuit, tables = self._shape, self._circuit._replace(wanted=wanted), _tables(point)
        upstream = _plain(upstream, np.float64)
        groups = shares(items, GROUPS)
        sorted_rows = point.weight_rows[point.order]
        spans = [(int(sorted_rows[a // plan.parts]), int(sorted_rows[(b - 1) // plan.parts])) for a, b in groups]
        sums = [np.zeros((last - first + 1, columns)) for first, last in spans]

        def some(first: int, last: int) -> None:
            work, ideal, path = self._take()
            for group in range(first, last):
                path_sweep.gradients_of_items(
                    circuit, work, ideal, path, shape, plan, *tables, *groups[group], upstream, sums[group],
                    spans[group][0], d_own,
                )  # fmt: skip
            self._idle.append((work, ideal, path))

        run_all([partial(some, *bounds) for bounds in shares(len(groups), torch.get_num_threads())])
        for (first, last), of_group in zip(spans, sums, strict=True):
            d_rows[first : last + 1] += of_group
        return d_rows, d_own.sum(axis=0) if plan.parts > 1 else d_own[0]

    def _plan(self) -> Plan:
        total, most_lost = self._events.total, MOST_LOST[self._dtype]
        if total == 0:
            return Plan(0, 1, 1, 0.0, 1.0, most_lost)
        size = max(PART, -(-self.paths // MOST_PARTS))
        parts = -(-self.paths // size)
        return Plan(self.paths, parts, size, -expm1(-total) / self.paths, exp(-total), most_lost)

    def _wanted(self, inputs: bool, weights: bool) -> npt.NDArray[np.bool_]:
        """Of which blocks an angle is wanted."""
        ops, start = self.program.blocks.ops, self.program.blocks.start
        has_angle = ops.column >= 0
        if not weights:  # a column that depends on inputs may depend on weights too
            has_angle &= self.program.own_columns[ops.column] & inputs
        counts = np.concatenate([[0], np.cumsum(has_angle)])
        return np.asarray(counts[start[1:]] > counts[start[:-1]]) & (inputs or weights)

    def _take(self) -> tuple[Work, State, State]:
        try:
            return self._idle.pop()
        except IndexError:  # other threads take from the same list: asking first would not be safe
            blocks, events = self._circuit.own, self._circuit.events
            segments = int(np.diff(self._circuit.segments.start).max(initial=1))
            return make_work(
                self._dtype, self._shape.rows, len(blocks), segments, len(events.op), len(self._circuit.strings)
            )


def _tables(point: Point) -> tuple[Array, Array, Array, Array]:
    """The angles, the order, the rows of weights, and the keys of the streams, as kernels take them."""
    rows = _plain(point.weight_rows, np.int64)
    return _plain(point.angles, np.float64), _plain(point.order, np.int64), rows, stream_keys(point.streams)


def _plain(array: Array, dtype: npt.DTypeLike) -> Array:
    """An array of the one type that kernels are compiled for: contiguous and writable."""
    return np.require(array, dtype, ["C", "W"])


def check_memory(program: NoisyProgram, dtype: npt.DTypeLike = np.float32) -> None:
    """Refuse what does not fit: two states and their lambdas, and two copies on the way back.

    Raises:
        BackendError: it does not fit; the message says how many bytes it takes.
    """
    kind = np.dtype(dtype)
    needed = 6 * 2 * LANES[kind] * kind.itemsize << row_bits(program, LANES[kind])
    available = int(psutil.virtual_memory().available)
    if needed > available:
        raise BackendError(
            f"{program.wires} wires need {needed:,} bytes for the states of one path in {kind}, and {available:,} "
            "bytes are available: use fewer qubits"
        )
