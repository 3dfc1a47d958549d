"""Pauli vectors along a path of blocks and merges: forward, and back with the adjoint. See NOISE.md.

One path serves both pictures: of states, which blocks act on by their matrices R, and of observables, which they act on
by R^T, last block first. Its adjoint runs the other way: it undoes the vector, by R^-1 or from a copy that was kept,
sums lambda (x) vector for each block, and takes lambda through the block's transpose.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from qgen.backends.noisy.block_lanes import PLAIN, PLAIN_LANES, TRANSPOSED, TRANSPOSED_LANES, add_moments, apply_groups
from qgen.backends.noisy.components import (
    AT,
    BLOCK,
    FIRST,
    FIRST_MASK,
    FREE,
    HIGH,
    KEPT,
    KIND,
    LOW,
    NUMBER,
    SECOND,
    SECOND_MASK,
    SIZE,
)
from qgen.backends.statevector.lanes import kernel, load, store, width, zeros_like

Array = Any
CHUNK = 16  # groups at a time: their rows stay in the first cache while a block is undone, summed and passed


class Matrices(NamedTuple):
    """The blocks' transfer matrices, flat.

    shared: (B, 256), of blocks with one matrix for all lanes; lanes: (·, 256, V), of the others; slot: (B,), the place
    of a block's matrix in `lanes`, -1 for a shared one; inverses and lane_inverses: the same of the inverse matrices,
    where blocks are undone by them.
    """

    shared: Array
    lanes: Array
    inverses: Array
    lane_inverses: Array
    slot: Array


@kernel
def _choose(matrices: Matrices, number: int, V: int, transposed: bool) -> tuple[int, int]:
    """Where a block's matrix begins, and how `apply_groups` has to read it."""
    slot = matrices.slot[number]
    if slot < 0:
        return number * 256, TRANSPOSED if transposed else PLAIN
    return slot * 256 * V, TRANSPOSED_LANES if transposed else PLAIN_LANES


@kernel
def _collect(places: Array, start: int, at: int, free: int, V: int) -> tuple[int, int]:
    """Write the next CHUNK groups of a component to `places`; returns how many, and where to go on (0: at the end)."""
    count = 0
    while True:
        places[count] = (at + start) * V
        count += 1
        start = (start - free) & free
        if start == 0 or count == CHUNK:
            return count, start


@kernel
def _copy(source: Array, at: int, to: Array, to_at: int, rows: int) -> None:
    V = width(source)
    for row in range(rows):
        store(to, (to_at + row) * V, load(source, (at + row) * V))


@kernel
def _merge(state: Array, step: Array) -> None:
    """The product of two components."""
    V = width(state)
    first, second, to = step[FIRST] * V, step[SECOND] * V, step[AT]
    i, row = 0, first
    while True:
        left = load(state, row)
        j, other = 0, second
        while True:
            store(state, (to + (i | j)) * V, left * load(state, other))
            other += V
            j = (j - step[SECOND_MASK]) & step[SECOND_MASK]
            if j == 0:
                break
        row += V
        i = (i - step[FIRST_MASK]) & step[FIRST_MASK]
        if i == 0:
            return


@kernel
def _split(state: Array, adjoint: Array, step: Array) -> None:
    """The adjoint of `_merge`: lambda of the product becomes that of its parts."""
    V = width(state)
    first, second, to = step[FIRST] * V, step[SECOND] * V, step[AT]
    fresh = True
    i, row = 0, first
    while True:
        left = load(state, row)
        total = zeros_like(left)
        j, other = 0, second
        while True:
            slope = load(adjoint, (to + (i | j)) * V)
            total = total + slope * load(state, other)
            if fresh:
                store(adjoint, other, slope * left)
            else:
                store(adjoint, other, load(adjoint, other) + slope * left)
            other += V
            j = (j - step[SECOND_MASK]) & step[SECOND_MASK]
            if j == 0:
                break
        store(adjoint, row, total)
        fresh = False
        row += V
        i = (i - step[FIRST_MASK]) & step[FIRST_MASK]
        if i == 0:
            return


@kernel
def run_path(
    steps: Array, transposed: bool, matrices: Matrices, state: Array, copies: Array, places: Array, keep: bool
) -> None:
    """Take a state through all steps; `keep`: keep the copies that its adjoint needs."""
    V = width(state)
    for t in range(len(steps)):
        step = steps[t]
        if step[KIND] != BLOCK:
            _merge(state, step)
            continue
        if keep and step[KEPT] >= 0:
            _copy(state, step[AT], copies, step[KEPT], step[SIZE])
        first, how = _choose(matrices, step[NUMBER], V, transposed)
        low, high, start = step[LOW] * V, step[HIGH] * V, 0
        while True:
            count, start = _collect(places, start, step[AT], step[FREE], V)
            if how in (PLAIN, TRANSPOSED):
                apply_groups(state, places, count, low, high, matrices.shared, first, how)
            else:
                apply_groups(state, places, count, low, high, matrices.lanes, first, how)
            if start == 0:
                break


@kernel
def step_back(
    step: Array, transposed: bool, matrices: Matrices, state: Array, adjoint: Array, copies: Array, places: Array,
    wanted: bool, sums: Array,
) -> None:  # fmt: skip
    """Undo one step, and take lambda back through it; where `wanted`, set `sums` to the sum of lambda (x) state.

    `sums` is (256, V): entry 16 r + c belongs to row r and column c of the matrix that the step multiplied by.
    """
    V = width(state)
    if step[KIND] != BLOCK:
        _split(state, adjoint, step)
        return
    if wanted:
        sums[:] = 0.0
    first, how = _choose(matrices, step[NUMBER], V, transposed)
    _, back = _choose(matrices, step[NUMBER], V, not transposed)
    shared = how in (PLAIN, TRANSPOSED)
    low, high, start = step[LOW] * V, step[HIGH] * V, 0
    if step[KEPT] >= 0:
        _copy(copies, step[KEPT], state, step[AT], step[SIZE])
    while True:
        count, start = _collect(places, start, step[AT], step[FREE], V)
        if step[KEPT] < 0:
            if shared:
                apply_groups(state, places, count, low, high, matrices.inverses, first, how)
            else:
                apply_groups(state, places, count, low, high, matrices.lane_inverses, first, how)
        if wanted:
            add_moments(adjoint, state, places, count, low, high, sums)
        if shared:
            apply_groups(adjoint, places, count, low, high, matrices.shared, first, back)
        else:
            apply_groups(adjoint, places, count, low, high, matrices.lanes, first, back)
        if start == 0:
            return
