"""The forward and the backward pass over tiles of samples, on one thread."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgen.backends.statevector import join, pauli, sweep, tile
from qgen.backends.statevector.join import BLOCKS, CHUNKS, FIRST_GROUP, FIRST_SWEEP, LAST_GROUP, LAST_SWEEP, LEFT, RIGHT
from qgen.backends.statevector.lanes import (
    flush_denormals,
    internal,
    kernel,
    load,
    restore_denormals,
    store,
    width,
)

ROWS = join.ROWS

Array = Any


@kernel
def choose_members(order: Array, number: int, members: Array) -> int:
    """The samples of tile `number`; the last tile repeats its last sample to be full. Returns how many count."""
    samples = len(members)
    for s in range(samples):
        members[s] = order[min(number * samples + s, len(order) - 1)]
    return min(samples, len(order) - number * samples)


@internal
def _uniform_row(angles: Any, number: int, samples: int) -> int:
    """The row of weights that all samples of a tile share, or -1."""
    first = number * samples
    last = min(first + samples, len(angles.order)) - 1
    row = angles.weight_rows[angles.order[first]]
    return row if angles.weight_rows[angles.order[last]] == row else -1  # samples are ordered by their row of weights


@internal
def _prepare(tables: Any, angles: Any, work: Any, shape: Any, number: int, members: Array, before: int) -> Any:
    """Choose the samples of tile `number`, and fill the coefficients; `before` is the row of weights of the last tile.

    Returns how many of `members` count, and the row of weights that they share, or -1.
    """
    count = choose_members(angles.order, number, members)
    row = _uniform_row(angles, number, shape.samples)
    tile.fill(tables, angles, members, work.coefficients, row < 0 or row != before)
    return count, row


@internal
def _forward(tables: Any, work: Any, shape: Any) -> None:
    """Bring the states of all registers of a tile into `work.psi`."""
    registers = tables.registers
    for r in range(len(registers)):
        if registers[r, LEFT] < 0:
            join.start(work.psi, registers, r, shape.samples)
        else:
            join.join(work.psi, registers, r, 0, registers[registers[r, LEFT], ROWS])
        for k in range(registers[r, FIRST_SWEEP], registers[r, LAST_SWEEP]):
            sweep.forward_sweep(work, work, tables, k, 0, registers[r, BLOCKS])


@internal
def _backward(tables: Any, work: Any, shape: Any, wanted: Array, leads: Array) -> None:
    """Undo the ops of all registers that lead to a wanted one, last register first, adding to `work.sums`."""
    registers = tables.registers
    for r in range(len(registers) - 1, -1, -1):
        if not leads[r]:
            continue
        if registers[r, FIRST_GROUP] < registers[r, LAST_GROUP]:
            pauli.seed_adjoint(work, work, tables, shape, r, 0, registers[r, CHUNKS])
        for k in range(registers[r, LAST_SWEEP] - 1, registers[r, FIRST_SWEEP] - 1, -1):
            sweep.adjoint_sweep(work, work, tables, wanted, k, 0, registers[r, BLOCKS])
        left, right = registers[r, LEFT], registers[r, RIGHT]
        if left >= 0 and leads[left]:
            join.contract(work.psi, work.adjoint, registers, r, True, 0, registers[left, ROWS])
        if right >= 0 and leads[right]:
            join.contract(work.psi, work.adjoint, registers, r, False, 0, registers[right, ROWS])


@internal
def _copy(source: Array, to: Array) -> None:
    for at in range(0, len(source), width(source)):
        store(to, at, load(source, at))


@kernel
def values_of_tiles(
    tables: Any, angles: Any, work: Any, shape: Any, first: int, last: int, values: Array, kept: Array
) -> None:
    """Expectation values of the samples of tiles [first, last).

    Their states are copied into `kept` (tiles, numbers of a state), unless it is empty.
    """
    mode = flush_denormals()
    members = np.empty(shape.samples, dtype=np.int64)
    registers = tables.registers
    row = -1
    for number in range(first, last):
        count, row = _prepare(tables, angles, work, shape, number, members, row)
        _forward(tables, work, shape)
        work.totals[:] = 0.0
        for r in range(len(registers)):
            if registers[r, FIRST_GROUP] < registers[r, LAST_GROUP]:
                pauli.measure(work, work, tables, shape, r, 0, registers[r, CHUNKS])
        tile.write_values(tables, work.totals, members, count, values)
        if len(kept):
            _copy(work.psi, kept[number])
    restore_denormals(mode)


@kernel
def gradients_of_tiles(
    tables: Any, angles: Any, work: Any, shape: Any, first: int, last: int, kept: Array, wanted: Array, leads: Array,
    upstream: Array, d_shared: Array, d_own: Array,
) -> None:  # fmt: skip
    """Gradients of the angles of tiles [first, last), for an upstream gradient (samples, observables).

    Args:
        tables: of the layout.
        angles: of the batch.
        work: the workspace of this thread.
        shape: of a tile.
        first: the first tile.
        last: the tile after the last.
        kept: the states that `values_of_tiles` left; where it is empty, they are computed.
        wanted: for each op 1 where a gradient is wanted, 0 where the op is only undone, -1 where not even that.
        leads: for each register, whether a wanted op ran on it, or on one that it was joined from.
        upstream: (N, O).
        d_shared: (R, .), to which the gradients of the weights' angles are added.
        d_own: (N, .), to which those of the samples' angles are added.
    """
    mode = flush_denormals()
    members = np.empty(shape.samples, dtype=np.int64)
    row = -1
    for number in range(first, last):
        count, row = _prepare(tables, angles, work, shape, number, members, row)
        if len(kept):
            _copy(kept[number], work.psi)
        else:
            _forward(tables, work, shape)
        tile.upstream_weights(tables, upstream, members, count, work.weights)
        _backward(tables, work, shape, wanted, leads)
        ends = number == last - 1 or row < 0 or _uniform_row(angles, number + 1, shape.samples) != row
        tile.reduce(tables, angles, wanted, members, count, work.sums, ends, d_shared, d_own)
    restore_denormals(mode)
