"""Pauli vectors along a path of blocks and merges: forward, and back with the adjoint. See NOISE.md.

One path serves both pictures: of states, which blocks act on by their matrices R, and of observables, which they act on
by R^T, last block first. Its adjoint runs the other way: it undoes the vector, by R^-1 or from a copy that was kept,
sums lambda (x) vector for each block, and takes lambda through the block's transpose.
"""

from __future__ import annotations

from typing import Any

from qgen.backends.noisy.block_lanes import (
    GROUP,
    PLAIN,
    PLAIN_LANES,
    TRANSPOSED,
    TRANSPOSED_LANES,
    add_moments,
    apply_groups,
)
from qgen.backends.noisy.block_matrices import Matrices
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
from qgen.backends.statevector.join import deposit
from qgen.backends.statevector.lanes import internal, kernel, load, store, width, zeros_like

Array = Any
CHUNK = 16  # groups at a time: their rows stay in the first cache while a block is undone, summed and passed


@internal
def _choose(matrices: Matrices, number: int, V: int, transposed: bool) -> tuple[int, int]:
    """Where a block's matrix begins, and how `apply_groups` has to read it."""
    slot = matrices.slot[number]
    if slot < 0:
        return number * 256, TRANSPOSED if transposed else PLAIN
    return slot * 256 * V, TRANSPOSED_LANES if transposed else PLAIN_LANES


@internal
def _collect(places: Array, start: int, most: int, at: int, free: int, V: int) -> tuple[int, int]:
    """Write at most CHUNK of the next groups of a component to `places`; returns how many, and where to go on."""
    count = min(CHUNK, most)
    for k in range(count):
        places[k] = (at + start) * V
        start = (start - free) & free
    return count, start


@internal
def _copy_groups(source: Array, to: Array, places: Array, count: int, low: int, high: int, back: bool, by: int) -> None:
    """Copy groups of `source` to `to`, where they are `by` further on; `back`: the other way."""
    for k in range(count):
        for p1 in range(4):
            for p0 in range(4):
                row = places[k] + p0 * low + p1 * high
                if back:
                    store(source, row, load(to, row + by))
                else:
                    store(to, row + by, load(source, row))


@internal
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


@internal
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


@internal
def pass_groups(
    step: Array, transposed: bool, matrices: Matrices, state: Array, copies: Array, places: Array, keep: bool,
    first: int, last: int,
) -> None:  # fmt: skip
    """A block on the groups [first, last) of its component; `keep`: keep the copy that its adjoint needs."""
    V = width(state)
    at, how = _choose(matrices, step[NUMBER], V, transposed)
    low, high, start = step[LOW] * V, step[HIGH] * V, deposit(first, step[FREE])
    while first < last:
        count, start = _collect(places, start, last - first, step[AT], step[FREE], V)
        if keep and step[KEPT] >= 0:
            _copy_groups(state, copies, places, count, low, high, False, (step[KEPT] - step[AT]) * V)
        if how in (PLAIN, TRANSPOSED):
            apply_groups(state, places, count, low, high, matrices.shared, at, how)
        else:
            apply_groups(state, places, count, low, high, matrices.lanes, at, how)
        first += count


@kernel
def run_path(
    steps: Array, transposed: bool, matrices: Matrices, state: Array, copies: Array, places: Array, keep: bool
) -> None:
    """Take a state through all steps; `keep`: keep the copies that its adjoint needs."""
    for t in range(len(steps)):
        step = steps[t]
        if step[KIND] == BLOCK:
            pass_groups(step, transposed, matrices, state, copies, places, keep, 0, step[SIZE] // GROUP)
        else:
            _merge(state, step)


@internal
def groups_back(
    step: Array, transposed: bool, matrices: Matrices, state: Array, adjoint: Array, copies: Array, places: Array,
    wanted: bool, sums: Array, first: int, last: int,
) -> None:  # fmt: skip
    """`step_back` for the groups [first, last) of a block's component."""
    V = width(state)
    if wanted:
        sums[:] = 0.0
    at, how = _choose(matrices, step[NUMBER], V, transposed)
    _, back = _choose(matrices, step[NUMBER], V, not transposed)
    shared = how in (PLAIN, TRANSPOSED)
    low, high, start = step[LOW] * V, step[HIGH] * V, deposit(first, step[FREE])
    while first < last:
        count, start = _collect(places, start, last - first, step[AT], step[FREE], V)
        if step[KEPT] >= 0:
            _copy_groups(state, copies, places, count, low, high, True, (step[KEPT] - step[AT]) * V)
        elif shared:
            apply_groups(state, places, count, low, high, matrices.inverses, at, how)
        else:
            apply_groups(state, places, count, low, high, matrices.lane_inverses, at, how)
        if wanted:
            add_moments(adjoint, state, places, count, low, high, sums)
        if shared:
            apply_groups(adjoint, places, count, low, high, matrices.shared, at, back)
        else:
            apply_groups(adjoint, places, count, low, high, matrices.lanes, at, back)
        first += count


@kernel
def step_back(
    step: Array, transposed: bool, matrices: Matrices, state: Array, adjoint: Array, copies: Array, places: Array,
    wanted: bool, sums: Array,
) -> None:  # fmt: skip
    """Undo one step, and take lambda back through it; where `wanted`, set `sums` to the sum of lambda (x) state.

    `sums` is (256, V): entry 16 r + c belongs to row r and column c of the matrix that the step multiplied by.
    """
    if step[KIND] == BLOCK:
        groups = step[SIZE] // GROUP
        groups_back(step, transposed, matrices, state, adjoint, copies, places, wanted, sums, 0, groups)
    else:
        _split(state, adjoint, step)
