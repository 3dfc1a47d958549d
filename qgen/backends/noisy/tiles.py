"""The exact engine's kernels: tiles of observables, and tiles of samples, through their blocks and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qgen.backends.noisy.components import BLOCK, KIND, NUMBER
from qgen.backends.noisy.meeting import (
    Meeting,
    meet_observables,
    meet_states,
    meet_values,
    read_strings,
    seed_strings,
)
from qgen.backends.noisy.pauli_blocks import build_ptms, pull_back
from qgen.backends.noisy.program import Blocks
from qgen.backends.noisy.strings import Strings
from qgen.backends.noisy.sweeps import CHUNK, Matrices, run_path, step_back
from qgen.backends.statevector.lanes import kernel, width

Array = Any


class Batch(NamedTuple):
    """Samples that share a row of weights, or each with their own.

    angles: (N, C), of all samples; vectors: (N, k, 4), their wires after the prefix; members: (M,), the samples of the
    batch; spread: the blocks that have a matrix of their own in each lane.
    """

    angles: Array
    vectors: Array
    members: Array
    spread: Array


class Work(NamedTuple):
    """The memory of one tile: flat arrays of the numbers' type, but for `places`, and `sums` and `totals` (float64).

    state, adjoint, copies: along a path; lanes, lane_inverses: matrices of the `spread` blocks; upstream: (O, V);
    transposed: (V, O), in vectors of observables; sums: (256, V) of one block; totals: (O, V).
    """

    state: Array
    adjoint: Array
    copies: Array
    lanes: Array
    lane_inverses: Array
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

    blocks, strings: of the circuit; states, observables: the steps of both paths; meeting: of their ends; whole:
    whether all blocks act on states; undone: (B,), the blocks that are undone by inverse matrices.
    """

    blocks: Blocks
    strings: Strings
    states: Array
    observables: Array
    meeting: Meeting
    whole: bool
    undone: Array


@kernel
def invert(matrix: Array, inverse: Array) -> None:
    """Write the inverse of a square matrix; `matrix` is overwritten. Gauss-Jordan elimination with row pivots."""
    n = len(matrix)
    inverse[:] = 0.0
    for k in range(n):
        inverse[k, k] = 1.0
    for k in range(n):
        pivot = k
        for r in range(k + 1, n):
            if abs(matrix[r, k]) > abs(matrix[pivot, k]):
                pivot = r
        if pivot != k:
            for c in range(n):
                matrix[k, c], matrix[pivot, c] = matrix[pivot, c], matrix[k, c]
                inverse[k, c], inverse[pivot, c] = inverse[pivot, c], inverse[k, c]
        scale = 1.0 / matrix[k, k]
        for c in range(n):
            matrix[k, c] *= scale
            inverse[k, c] *= scale
        for r in range(n):
            factor = matrix[r, k]
            if r != k and factor != 0.0:
                for c in range(n):
                    matrix[r, c] -= factor * matrix[k, c]
                    inverse[r, c] -= factor * inverse[k, c]


@kernel
def build_shared(tables: Tables, angles: Array, which: Array, back: bool, matrices: Matrices) -> None:
    """Write the matrices of the blocks `which` at one row of angles (C,), and for the way `back` their inverses."""
    built, inverse = np.empty((1, 16, 16)), np.empty((16, 16))
    for k in range(len(which)):
        b = which[k]
        build_ptms(tables.blocks, angles, which[k : k + 1], built)
        for r in range(16):
            for c in range(16):
                matrices.shared[b * 256 + r * 16 + c] = built[0, r, c]
        if back and tables.undone[b]:
            invert(built[0], inverse)
            for r in range(16):
                for c in range(16):
                    matrices.inverses[b * 256 + r * 16 + c] = inverse[r, c]


@kernel
def _build_lanes(tables: Tables, batch: Batch, number: int, work: Work, back: bool) -> None:
    """The matrices of the spread blocks, lane by lane, and for the way `back` their inverses."""
    V, spread = width(work.state), batch.spread
    built, inverse = np.empty((1, 16, 16)), np.empty((16, 16))
    for lane in range(V if len(spread) else 0):
        angles = batch.angles[_member(batch, number, lane, V)]
        for k in range(len(spread)):
            build_ptms(tables.blocks, angles, spread[k : k + 1], built)
            for r in range(16):
                for c in range(16):
                    work.lanes[(k * 256 + r * 16 + c) * V + lane] = built[0, r, c]
            if back and tables.undone[spread[k]]:
                invert(built[0], inverse)
                for r in range(16):
                    for c in range(16):
                        work.lane_inverses[(k * 256 + r * 16 + c) * V + lane] = inverse[r, c]


@kernel
def _member(batch: Batch, number: int, lane: int, V: int) -> int:
    """The sample in a lane; the last tile repeats its last sample to be full."""
    member: int = batch.members[min(number * V + lane, len(batch.members) - 1)]
    return member


@kernel
def run_observables(
    tables: Tables, matrices: Matrices, starts: Starts, first: int, last: int, states: Array, copies: Array, back: bool
) -> None:
    """Take tiles [first, last) of observables from the end of the circuit to the meeting: states (tiles, rows * V)."""
    V, places = width(states), np.empty(CHUNK, dtype=np.int64)
    for number in range(first, last):
        state = states[number]
        state[:] = 0.0
        for k in range(len(starts.row)):
            lane = starts.observable[k] - number * V
            if 0 <= lane < V:
                state[starts.row[k] * V + lane] += starts.value[k]
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
                _add_lanes(sums, V, d_matrices[number, block], True)


@kernel
def _add_lanes(sums: Array, V: int, total: Array, transposed: bool) -> None:
    for r in range(16):
        for c in range(16):
            at, part = (r * 16 + c) * V, 0.0
            for lane in range(V):
                part += sums[at + lane]
            if transposed:
                total[c, r] += part
            else:
                total[r, c] += part


@kernel
def _run_states(tables: Tables, batch: Batch, matrices: Matrices, number: int, work: Work, back: bool) -> Matrices:
    """Take the states of a tile of samples to the meeting; returns the matrices of their blocks."""
    V, wires = width(work.state), batch.vectors.shape[1]
    _build_lanes(tables, batch, number, work, back)
    own = Matrices(matrices.shared, work.lanes, matrices.inverses, work.lane_inverses, matrices.slot)
    for lane in range(V):
        vectors = batch.vectors[_member(batch, number, lane, V)]
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
            member = batch.members[number * V + lane]
            for o in range(count):
                values[member, o] = work.totals[o * V + lane]


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
    d_vectors: Array, d_own: Array,
) -> None:  # fmt: skip
    """Add the gradients of sum(upstream (N, O) * values) of tiles [first, last) of samples.

    They go to the observables at the meeting (d_observables, where `to_observables`), and where `to_states` to the
    shared blocks' matrices (B, 16, 16), the wires' vectors (N, k, 4) and, of spread blocks, the angles (N, C).
    """
    V, count, wires = width(work.state), upstream.shape[1], batch.vectors.shape[1]
    meeting, steps, moments = tables.meeting, tables.states, np.empty((16, 16))
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
            step_back(step, False, own, work.state, work.adjoint, work.copies, work.places, of_block, work.sums)
            if not of_block:
                continue
            if matrices.slot[block] < 0:
                _add_lanes(work.sums, V, d_matrices[block], False)
                continue
            for lane in range(members):
                for r in range(16):
                    for c in range(16):
                        moments[r, c] = work.sums[(r * 16 + c) * V + lane]
                member = batch.members[number * V + lane]
                pull_back(tables.blocks, block, batch.angles[member], moments, d_own[member])
        for lane in range(members):
            member = batch.members[number * V + lane]
            for wire in range(wires):
                for digit in range(4):
                    d_vectors[member, wire, digit] = work.adjoint[(4 * wire + digit) * V + lane]


@kernel
def _spread_upstream(batch: Batch, number: int, members: int, upstream: Array, work: Work) -> None:
    """Write a tile's upstream slopes in lanes of samples and in lanes of observables; 0 for idle lanes."""
    V, count = width(work.state), upstream.shape[1]
    work.upstream[:] = 0.0
    work.transposed[:] = 0.0
    for lane in range(members):
        member = batch.members[number * V + lane]
        for o in range(count):
            slope = upstream[member, o]
            work.upstream[o * V + lane] = slope
            work.transposed[((o // V) * V + lane) * V + o % V] = slope


@kernel
def pull_back_shared(blocks: Blocks, angles: Array, which: Array, d_matrices: Array, d_angles: Array) -> None:
    """Add the gradients of the blocks `which` from d_matrices (parts, B, 16, 16), which add up, to d_angles (C,)."""
    for k in range(len(which)):
        total = np.zeros((16, 16))
        for part in range(len(d_matrices)):
            total += d_matrices[part, which[k]]
        pull_back(blocks, which[k], angles, total, d_angles)
