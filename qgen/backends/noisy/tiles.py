"""The exact engine's kernels: tiles of observables, and tiles of samples, through their blocks and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qgen.backends.noisy.block_matrices import Batch, Matrices, member
from qgen.backends.noisy.components import BLOCK, KIND, NUMBER
from qgen.backends.noisy.meeting import (
    Meeting,
    meet_observables,
    meet_states,
    meet_values,
    read_strings,
    seed_strings,
)
from qgen.backends.noisy.strings import Strings
from qgen.backends.noisy.sweeps import CHUNK, run_path, step_back
from qgen.backends.statevector.lanes import internal, kernel, width

Array = Any


class Work(NamedTuple):
    """The memory of one tile: flat arrays of the numbers' type; but `moments`, `sums` and `totals` are float64.

    state, adjoint, copies: along a path; lanes, lane_inverses: matrices of the `spread` blocks; moments: (·, 256, V),
    of their gradients; upstream: (O, V); transposed: (V, O), in vectors of observables; sums: (256, V), of the gradient
    of one block; totals: (O, V); places: of groups.
    """

    state: Array
    adjoint: Array
    copies: Array
    lanes: Array
    lane_inverses: Array
    moments: Array
    upstream: Array
    transposed: Array
    sums: Array
    totals: Array
    places: Array


class Starts(NamedTuple):
    """What observables are at the end of the circuit: `value` in row `row` of the lane of `observable`, each (E,)."""

    row: Array
    observable: Array
    value: Array


class Tables(NamedTuple):
    """What the kernels read of a circuit and its pictures, see `Pictures`.

    strings: of the circuit; states, observables: the steps of both paths; meeting: of their ends; whole: whether all
    blocks act on states.
    """

    strings: Strings
    states: Array
    observables: Array
    meeting: Meeting
    whole: bool


@kernel
def start_observables(starts: Starts, number: int, state: Array) -> None:
    """Set a tile of observables to what they are at the end of the circuit."""
    V = width(state)
    state[:] = 0.0
    for k in range(len(starts.row)):
        lane = starts.observable[k] - number * V
        if 0 <= lane < V:
            state[starts.row[k] * V + lane] += starts.value[k]


@kernel
def run_observables(
    tables: Tables, matrices: Matrices, starts: Starts, first: int, last: int, states: Array, copies: Array, back: bool
) -> None:
    """Take tiles [first, last) of observables from the end of the circuit to the meeting: states (tiles, rows * V)."""
    places = np.empty(CHUNK, dtype=np.int64)
    for number in range(first, last):
        state = states[number]
        start_observables(starts, number, state)
        run_path(tables.observables, True, matrices, state, copies[number], places, back)


@kernel
def observables_back(
    tables: Tables, matrices: Matrices, wanted: Array, first: int, last: int, states: Array, adjoints: Array,
    copies: Array, d_matrices: Array,
) -> None:  # fmt: skip
    """Take tiles of observables and their adjoints back; adds to d_matrices (tiles, B, 16, 16), of the matrices R."""
    V, steps = width(states), tables.observables
    places, sums = np.empty(CHUNK, dtype=np.int64), np.empty(256 * V)
    for number in range(first, last):
        for t in range(len(steps) - 1, -1, -1):
            step = steps[t]
            block = step[NUMBER]
            of_block = step[KIND] == BLOCK and wanted[block]
            step_back(step, True, matrices, states[number], adjoints[number], copies[number], places, of_block, sums)
            if of_block:  # sums belong to the transpose
                add_lanes(sums, V, d_matrices[number, block], True)


@kernel
def add_lanes(sums: Array, V: int, total: Array, transposed: bool) -> None:
    """Add a block's sums (256, V), over the lanes, to its gradient (16, 16); `transposed`: of the transposed matrix."""
    for r in range(16):
        for c in range(16):
            at, part = (r * 16 + c) * V, 0.0
            for lane in range(V):
                part += sums[at + lane]
            if transposed:
                total[c, r] += part
            else:
                total[r, c] += part


@internal
def _run_states(tables: Tables, batch: Batch, matrices: Matrices, number: int, work: Work, back: bool) -> Matrices:
    """Take the states of a tile of samples to the meeting; returns the matrices of their blocks."""
    V, wires = width(work.state), batch.vectors.shape[1]
    own = Matrices(matrices.shared, work.lanes, matrices.inverses, work.lane_inverses, matrices.slot)
    for lane in range(V):
        vectors = batch.vectors[member(batch, number, lane, V)]
        for wire in range(wires):
            for digit in range(4):
                work.state[(4 * wire + digit) * V + lane] = vectors[wire, digit]
    if not tables.whole and tables.meeting.b_mask == 0:
        work.state[tables.meeting.b * V : (tables.meeting.b + 1) * V] = 1.0
    run_path(tables.states, False, own, work.state, work.copies, work.places, back)
    return own


@kernel
def values_of_tiles(
    tables: Tables, batch: Batch, matrices: Matrices, observables: Array, first: int, last: int, work: Work,
    values: Array,
) -> None:  # fmt: skip
    """Write the values (N, O) of the samples in tiles [first, last)."""
    V, count = width(work.state), values.shape[1]
    for number in range(first, last):
        _run_states(tables, batch, matrices, number, work, False)
        _read(tables, observables, count, work)
        for lane in range(min(V, len(batch.members) - number * V)):
            sample = batch.members[number * V + lane]
            for o in range(count):
                values[sample, o] = work.totals[o * V + lane]


@kernel
def _read(tables: Tables, observables: Array, count: int, work: Work) -> None:
    V = width(work.state)
    work.totals[:] = 0.0
    if tables.whole:
        read_strings(tables.strings, tables.meeting.a, work.state, work.totals)
        return
    for tile in range(len(observables)):
        here = min(V, count - tile * V)
        meet_values(tables.meeting, work.state, observables[tile], here, work.totals[tile * V * V :])


@kernel
def gradients_of_tiles(
    tables: Tables, batch: Batch, matrices: Matrices, wanted: Array, observables: Array, first: int, last: int,
    work: Work, upstream: Array, to_observables: bool, d_observables: Array, to_states: bool, d_matrices: Array,
    d_vectors: Array,
) -> None:  # fmt: skip
    """Add the gradients of sum(upstream (N, O) * values) of tiles [first, last) of samples.

    They go to the observables at the meeting (d_observables, where `to_observables`), and where `to_states` to the
    shared blocks' matrices (B, 16, 16) and the wires' vectors (N, k, 4); those of spread blocks are left in `work`.
    """
    V, count, wires = width(work.state), upstream.shape[1], batch.vectors.shape[1]
    meeting, steps = tables.meeting, tables.states
    for number in range(first, last):
        own = _run_states(tables, batch, matrices, number, work, True)
        members = min(V, len(batch.members) - number * V)
        _spread_upstream(batch, number, members, upstream, work)
        if to_observables:
            for tile in range(len(d_observables)):
                to = work.transposed[tile * V * V : (tile + 1) * V * V]
                meet_observables(meeting, work.state, d_observables[tile], to)
        if not to_states:
            continue
        work.adjoint[:] = 0.0
        if tables.whole:
            seed_strings(tables.strings, meeting.a, work.adjoint, work.upstream)
        else:
            for tile in range(len(observables)):
                weights = work.upstream[tile * V * V :]
                here = min(V, count - tile * V)
                meet_states(meeting, work.state, work.adjoint, observables[tile], here, weights)
        for t in range(len(steps) - 1, -1, -1):
            step = steps[t]
            block = step[NUMBER]
            of_block = step[KIND] == BLOCK and wanted[block]
            slot, sums = matrices.slot[block] if of_block else -1, work.sums
            if slot >= 0:
                sums = work.moments[slot * 256 * V : (slot + 1) * 256 * V]
            step_back(step, False, own, work.state, work.adjoint, work.copies, work.places, of_block, sums)
            if of_block and slot < 0:
                add_lanes(sums, V, d_matrices[block], False)
        for lane in range(members):
            sample = batch.members[number * V + lane]
            for wire in range(wires):
                for digit in range(4):
                    d_vectors[sample, wire, digit] = work.adjoint[(4 * wire + digit) * V + lane]


@internal
def _spread_upstream(batch: Batch, number: int, members: int, upstream: Array, work: Work) -> None:
    """Write a tile's upstream slopes in lanes of samples and in lanes of observables; 0 for idle lanes."""
    V, count = width(work.state), upstream.shape[1]
    work.upstream[:] = 0.0
    work.transposed[:] = 0.0
    for lane in range(members):
        sample = batch.members[number * V + lane]
        for o in range(count):
            slope = upstream[sample, o]
            work.upstream[o * V + lane] = slope
            work.transposed[((o // V) * V + lane) * V + o % V] = slope
