"""Values and gradients of samples by paths: what is the same before a path's first event is done once a sample.

An item is a sample and some of its paths. Its ideal state, without any event, moves through the blocks; a path leaves
it at the block of its first event. Backwards, the lambdas of all paths add up where they have joined the ideal one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qgen.backends.noisy.path_blocks import build, invert, pull_back
from qgen.backends.noisy.path_events import draw_path
from qgen.backends.noisy.path_kernels import add_to, apply_mixed, apply_rows, copy, undo_mixed, undo_rows
from qgen.backends.noisy.path_layout import LANE_IS_0, ROWS, read_moments, write_coefficients
from qgen.backends.statevector import pauli
from qgen.backends.statevector.lanes import inlined, internal, kernel, width

Array = Any


@internal
def _apply(s, rows, place, wire_0, wire_1, c, at):  # type: ignore[no-untyped-def]
    if place == ROWS:
        apply_rows(s, rows, wire_0, wire_1, c, at)
    elif place == LANE_IS_0:
        apply_mixed(s, rows, wire_0, wire_1, c, at)
    else:
        apply_mixed(s, rows, wire_1, wire_0, c, at)


@internal
def _undo(s, t, rows, place, wire_0, wire_1, inverse, adjoint, at, wanted, sums, to):  # type: ignore[no-untyped-def]
    if not wanted:
        _apply(s, rows, place, wire_0, wire_1, inverse, at)
        _apply(t, rows, place, wire_0, wire_1, adjoint, at)
    elif place == ROWS:
        undo_rows(s, t, rows, wire_0, wire_1, inverse, adjoint, at, sums, to)
    elif place == LANE_IS_0:
        undo_mixed(s, t, rows, wire_0, wire_1, inverse, adjoint, at, sums, to)
    else:
        undo_mixed(s, t, rows, wire_1, wire_0, inverse, adjoint, at, sums, to)


@internal
def prepare(circuit: Any, work: Any, angles: Array, row: int, own: bool, gradient: bool) -> None:
    """Make the matrices of the blocks that depend on the inputs (`own`), or of the others, as if nothing happens."""
    nothing = np.zeros(0, dtype=np.int64)
    scratch, slot = np.empty((4, 4), dtype=np.complex128), 16 * width(work.forward)
    for block in range(len(circuit.own)):
        if circuit.own[block] != own:
            continue
        place, wire_0, wire_1 = circuit.place[block, 0], circuit.place[block, 1], circuit.place[block, 2]
        matrix = work.matrices[block]
        build(matrix, circuit.segments, circuit.events, block, angles, row, nothing, nothing, 0, 0)
        write_coefficients(matrix, place, wire_0, wire_1, False, work.forward, block * slot)
        if gradient:
            inverse = work.inverses[block]
            work.loss[block] = np.log(invert(matrix, inverse, scratch))
            write_coefficients(matrix, place, wire_0, wire_1, True, work.adjoint, block * slot)
            write_coefficients(inverse, place, wire_0, wire_1, False, work.inverse, block * slot)


@internal
def _start(psi: Array) -> None:
    psi[:] = 0.0
    psi[0] = 1.0


@internal
def _advance(circuit: Any, work: Any, psi: Array, rows: int, first: int, last: int) -> None:
    """Blocks [first, last) without events."""
    slot = 16 * width(psi)
    for block in range(first, last):
        place, wire_0, wire_1 = circuit.place[block, 0], circuit.place[block, 1], circuit.place[block, 2]
        _apply(psi, rows, place, wire_0, wire_1, work.forward, block * slot)


@internal
def _follow(circuit: Any, work: Any, angles: Array, sample: int, psi: Array, rows: int, first: int, count: int) -> None:
    """The blocks from `first` on, with the events of the path in `work.at` and `work.code`."""
    slot, blocks = 16 * width(psi), len(circuit.own)
    matrix = np.empty((4, 4), dtype=np.complex128)
    done, block = 0, first
    while block < blocks:
        place, wire_0, wire_1 = circuit.place[block, 0], circuit.place[block, 1], circuit.place[block, 2]
        where = block
        if done < count and circuit.events.block[work.at[done]] == block:
            end = done + 1
            while end < count and circuit.events.block[work.at[end]] == block:
                end += 1
            build(matrix, circuit.segments, circuit.events, block, angles, sample, work.at, work.code, done, end)
            done, where = end, blocks
            write_coefficients(matrix, place, wire_0, wire_1, False, work.forward, blocks * slot)
        _apply(psi, rows, place, wire_0, wire_1, work.forward, where * slot)
        block += 1


@internal
def _measure(circuit: Any, states: Any, shape: Any, factor: float, values: Array, line: int) -> None:
    """Add `factor` times the observables of `states.psi`, without their constants, to a row of `values`."""
    states.totals[:] = 0.0
    pauli.measure(states, states, circuit, shape, 0, 0, shape.chunks)
    V = width(states.psi)
    for k in range(len(circuit.strings)):
        total = 0.0
        for lane in range(V):
            total += circuit.signed[k, lane] * states.totals[k * V + lane]
        values[line, circuit.strings[k, pauli.OBSERVABLE]] += factor * total


@internal
def _seed(circuit: Any, states: Any, shape: Any, factor: float, upstream: Array, sample: int) -> None:
    """lambda = factor * sum over observables of upstream * O psi."""
    V = width(states.psi)
    for k in range(len(circuit.strings)):
        g = factor * upstream[sample, circuit.strings[k, pauli.OBSERVABLE]]
        for lane in range(V):
            states.weights[k * V + lane] = g * circuit.signed[k, lane]
    pauli.seed_adjoint(states, states, circuit, shape, 0, 0, shape.chunks)


@kernel
def values_of_items(
    circuit: Any, work: Any, ideal: Any, path: Any, shape: Any, plan: Any, angles: Array, order: Array,
    weight_rows: Array, keys: Array, first: int, last: int, values: Array,
) -> None:  # fmt: skip
    """Write the values of items [first, last), each its part of its sample's: (items, O), without constants."""
    before = -1
    for item in range(first, last):
        n, part = order[item // plan.parts], item % plan.parts
        if weight_rows[n] != before:
            prepare(circuit, work, angles, n, False, False)
            before = weight_rows[n]
        prepare(circuit, work, angles, n, True, False)
        _start(ideal.psi)
        reached = 0
        for number in range(part * plan.size, min((part + 1) * plan.size, plan.paths)):
            count = draw_path(circuit.events, keys[n], number, plan.paths, work.at, work.code)
            block = circuit.events.block[work.at[0]]
            _advance(circuit, work, ideal.psi, shape.rows, reached, block)
            reached = block
            copy(ideal.psi, path.psi)
            _follow(circuit, work, angles, n, path.psi, shape.rows, block, count)
            _measure(circuit, path, shape, plan.weight, values, item)
        if part == plan.parts - 1:
            _advance(circuit, work, ideal.psi, shape.rows, reached, len(circuit.own))
            _measure(circuit, ideal, shape, plan.ideal_weight, values, item)


@internal
def _grown(kept: Array, count: int) -> Array:
    if count < len(kept):
        return kept
    larger = np.empty((2 * len(kept), kept.shape[1]), dtype=kept.dtype)
    for state in range(count):
        copy(kept[state], larger[state])
    return larger


@inlined
def _path_gradient(
    circuit: Any, work: Any, path: Any, shape: Any, plan: Any, angles: Array, sample: int, line: int, own_line: int,
    first: int, count: int, upstream: Array, d_shared: Array, d_own: Array,
) -> None:  # fmt: skip
    """Run a path from block `first` on, where `path.psi` is, and back; leaves its lambda before that block."""
    psi, slot, blocks, rows = path.psi, 16 * width(path.psi), len(circuit.own), shape.rows
    events, V = circuit.events, width(path.psi)
    scratch, moments = np.empty((4, 4), dtype=np.complex128), np.empty((4, 4), dtype=np.complex128)
    kept = np.empty((2, len(psi)), dtype=psi.dtype)
    saved, lost, done = 0, 0.0, 0
    for block in range(first, blocks):
        place, wire_0, wire_1 = circuit.place[block, 0], circuit.place[block, 1], circuit.place[block, 2]
        where, loss, end = block, work.loss[block], done
        while end < count and events.block[work.at[end]] == block:
            end += 1
        work.events_until[block] = end
        if end > done:
            matrix, inverse = work.path_matrices[block], work.path_inverses[block]
            build(matrix, circuit.segments, events, block, angles, sample, work.at, work.code, done, end)
            loss = np.log(invert(matrix, inverse, scratch))
            write_coefficients(matrix, place, wire_0, wire_1, False, work.forward, blocks * slot)
            done, where = end, blocks
        lost += loss
        work.keeps[block] = lost > plan.most_lost
        if work.keeps[block]:
            kept = _grown(kept, saved)
            copy(psi, kept[saved])
            saved, lost = saved + 1, 0.0
        _apply(psi, rows, place, wire_0, wire_1, work.forward, where * slot)
    _seed(circuit, path, shape, plan.weight, upstream, sample)
    for block in range(blocks - 1, first - 1, -1):
        place, wire_0, wire_1 = circuit.place[block, 0], circuit.place[block, 1], circuit.place[block, 2]
        begin, end = work.events_until[block - 1] if block > first else 0, work.events_until[block]
        happens, where, to = end > begin, block, block
        if happens or work.keeps[block]:
            where = blocks
            matrix = work.path_matrices[block] if happens else work.matrices[block]
            write_coefficients(matrix, place, wire_0, wire_1, True, work.adjoint, where * slot)
            if work.keeps[block]:
                saved -= 1
                copy(kept[saved], psi)
                write_coefficients(work.identity, place, wire_0, wire_1, False, work.inverse, where * slot)
            else:
                write_coefficients(work.path_inverses[block], place, wire_0, wire_1, False, work.inverse, where * slot)
        if happens:
            to = blocks
        _undo(
            psi, path.adjoint, rows, place, wire_0, wire_1, work.inverse, work.adjoint, where * slot,
            circuit.wanted[block], work.sums, to * 32 * V,
        )  # fmt: skip
        if happens and circuit.wanted[block]:
            read_moments(work.sums, blocks * 32 * V, V, place, wire_0, wire_1, moments)
            pull_back(
                moments, work.products, circuit.segments, events, block, angles, sample, work.at, work.code,
                begin, end, circuit.own_columns, d_shared, d_own, line, own_line,
            )  # fmt: skip


@internal
def _pull_blocks(
    circuit: Any, work: Any, V: int, own: bool, angles: Array, row: int, line: int, own_line: int, d_shared: Array,
    d_own: Array,
) -> None:  # fmt: skip
    """Pull the sums of the blocks that depend on the inputs (`own`), or of the others, back to angles."""
    nothing = np.zeros(0, dtype=np.int64)
    moments = np.empty((4, 4), dtype=np.complex128)
    for block in range(len(circuit.own)):
        if circuit.own[block] != own or not circuit.wanted[block]:
            continue
        place, wire_0, wire_1 = circuit.place[block, 0], circuit.place[block, 1], circuit.place[block, 2]
        read_moments(work.sums, block * 32 * V, V, place, wire_0, wire_1, moments)
        pull_back(
            moments, work.products, circuit.segments, circuit.events, block, angles, row, nothing, nothing,
            0, 0, circuit.own_columns, d_shared, d_own, line, own_line,
        )  # fmt: skip


@inlined
def _item_gradient(
    circuit: Any, work: Any, ideal: Any, path: Any, shape: Any, plan: Any, angles: Array, n: int, part: int, key: Array,
    line: int, own_line: int, upstream: Array, d_shared: Array, d_own: Array,
) -> None:  # fmt: skip
    psi, slot, blocks, rows, V = ideal.psi, 16 * width(ideal.psi), len(circuit.own), shape.rows, width(ideal.psi)
    events = circuit.events
    kept = np.empty((1, len(psi)), dtype=psi.dtype)
    saved, lost = 0, 0.0
    _start(psi)
    for block in range(blocks):
        lost += work.loss[block]
        work.ideal_keeps[block] = lost > plan.most_lost
        if work.ideal_keeps[block]:
            kept = _grown(kept, saved)
            copy(psi, kept[saved])
            saved, lost = saved + 1, 0.0
        _advance(circuit, work, psi, rows, block, block + 1)
    if part == 0:
        _seed(circuit, ideal, shape, plan.ideal_weight, upstream, n)
    else:
        ideal.adjoint[:] = 0.0
    number = min((part + 1) * plan.size, plan.paths) - 1
    count, leaves = 0, -1
    if number >= part * plan.size:
        count = draw_path(events, key, number, plan.paths, work.at, work.code)
        leaves = events.block[work.at[0]]
    for block in range(blocks - 1, -1, -1):
        place, wire_0, wire_1 = circuit.place[block, 0], circuit.place[block, 1], circuit.place[block, 2]
        where = block
        if work.ideal_keeps[block]:
            where = blocks
            saved -= 1
            copy(kept[saved], psi)
            write_coefficients(work.identity, place, wire_0, wire_1, False, work.inverse, where * slot)
            write_coefficients(work.matrices[block], place, wire_0, wire_1, True, work.adjoint, where * slot)
        _undo(
            psi, ideal.adjoint, rows, place, wire_0, wire_1, work.inverse, work.adjoint, where * slot,
            circuit.wanted[block], work.sums, block * 32 * V,
        )  # fmt: skip
        while leaves == block:
            copy(psi, path.psi)
            _path_gradient(
                circuit, work, path, shape, plan, angles, n, line, own_line, block, count, upstream, d_shared, d_own
            )
            add_to(ideal.adjoint, path.adjoint)
            number -= 1
            leaves = -1
            if number >= part * plan.size:
                count = draw_path(events, key, number, plan.paths, work.at, work.code)
                leaves = events.block[work.at[0]]


@kernel
def gradients_of_items(
    circuit: Any, work: Any, ideal: Any, path: Any, shape: Any, plan: Any, angles: Array, order: Array,
    weight_rows: Array, keys: Array, first: int, last: int, upstream: Array, d_shared: Array, offset: int, d_own: Array,
) -> None:  # fmt: skip
    """Add the gradients of items [first, last).

    Columns of weights are added to row (row of weights) - offset of `d_shared`, columns that depend on the inputs to
    `d_own` (parts, N, C).
    """
    V, before, latest = width(ideal.psi), -1, 0
    for item in range(first, last):
        n, part = order[item // plan.parts], item % plan.parts
        if weight_rows[n] != before:
            if before >= 0:
                _pull_blocks(circuit, work, V, False, angles, latest, before - offset, 0, d_shared, d_own[0])
            prepare(circuit, work, angles, n, False, True)
            before, latest = weight_rows[n], n
        prepare(circuit, work, angles, n, True, True)
        line, of_part = before - offset, d_own[part]
        _item_gradient(
            circuit, work, ideal, path, shape, plan, angles, n, part, keys[n], line, n, upstream, d_shared, of_part
        )
        _pull_blocks(circuit, work, V, True, angles, n, line, n, d_shared, of_part)
    if before >= 0:
        _pull_blocks(circuit, work, V, False, angles, latest, before - offset, 0, d_shared, d_own[0])
