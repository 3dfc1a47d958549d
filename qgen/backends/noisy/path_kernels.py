"""A 4 x 4 matrix on two wires of one state, forward and adjoint: where the time of a path goes.

The lowest bits of an amplitude number the lanes of a vector, the others the rows; a row is V real parts, then V
imaginary parts. At most one of the two wires lies in the lanes (see `path_layout.py`). A matrix is kept as its
coefficients: 32 numbers where both wires are row bits, 16 vectors where one is a lane bit.
"""

from __future__ import annotations

from typing import Any

from qgen.backends.statevector.complex_lanes import (
    accumulate_pair,
    add_times_conjugate,
    flip_pair,
    load_pair,
    row_of_lanes_times,
    row_times,
    store_pair,
    zero_pair,
)
from qgen.backends.statevector.lanes import inlined, internal, load, store, width

Array = Any


@inlined
def _insert(i, low, high):  # type: ignore[no-untyped-def]
    """The number `i` with a zero put in at the bits `low` < `high` (as masks)."""
    i = (i & (low - 1)) | ((i & ~(low - 1)) << 1)
    return (i & (high - 1)) | ((i & ~(high - 1)) << 1)


@internal
def apply_rows(s: Array, rows: int, low: int, high: int, c: Array, at: int) -> None:
    """The matrix on two row bits, given as masks; bit 0 of its index belongs to `low`."""
    size = 2 * width(s)
    below, above = min(low, high), max(low, high)
    for i in range(rows >> 2):
        p = _insert(i, below, above)
        p0, p1, p2, p3 = p * size, (p | low) * size, (p | high) * size, (p | low | high) * size
        x0, x1, x2, x3 = load_pair(s, p0), load_pair(s, p1), load_pair(s, p2), load_pair(s, p3)
        store_pair(s, p0, row_times(c, at, x0, x1, x2, x3))
        store_pair(s, p1, row_times(c, at + 8, x0, x1, x2, x3))
        store_pair(s, p2, row_times(c, at + 16, x0, x1, x2, x3))
        store_pair(s, p3, row_times(c, at + 24, x0, x1, x2, x3))


@internal
def undo_rows(
    s: Array, t: Array, rows: int, low: int, high: int, inverse: Array, adjoint: Array, at: int, sums: Array, to: int
) -> None:  # fmt: skip
    """psi (`s`) by the inverse, lambda (`t`) by the adjoint; adds lambda_a conj(psi_b), before and after, to `sums`.

    lambda is that after the matrix, psi that before it. The sums are 16 complex numbers, a vector each for real and
    imaginary part. Two passes, so that what is summed stays in registers.
    """
    size = 2 * width(s)
    below, above = min(low, high), max(low, high)
    m0 = m1 = m2 = m3 = n0 = n1 = n2 = n3 = zero_pair(s)
    for i in range(rows >> 2):
        p = _insert(i, below, above)
        p0, p1, p2, p3 = p * size, (p | low) * size, (p | high) * size, (p | low | high) * size
        x0, x1, x2, x3 = load_pair(s, p0), load_pair(s, p1), load_pair(s, p2), load_pair(s, p3)
        y0, y1 = load_pair(t, p0), load_pair(t, p1)
        u = row_times(inverse, at, x0, x1, x2, x3)
        store_pair(s, p0, u)
        m0, n0 = add_times_conjugate(m0, y0, u), add_times_conjugate(n0, y1, u)
        u = row_times(inverse, at + 8, x0, x1, x2, x3)
        store_pair(s, p1, u)
        m1, n1 = add_times_conjugate(m1, y0, u), add_times_conjugate(n1, y1, u)
        u = row_times(inverse, at + 16, x0, x1, x2, x3)
        store_pair(s, p2, u)
        m2, n2 = add_times_conjugate(m2, y0, u), add_times_conjugate(n2, y1, u)
        u = row_times(inverse, at + 24, x0, x1, x2, x3)
        store_pair(s, p3, u)
        m3, n3 = add_times_conjugate(m3, y0, u), add_times_conjugate(n3, y1, u)
    _add(sums, to, size, m0, m1, m2, m3)
    _add(sums, to + 4 * size, size, n0, n1, n2, n3)
    m0 = m1 = m2 = m3 = n0 = n1 = n2 = n3 = zero_pair(s)
    for i in range(rows >> 2):
        p = _insert(i, below, above)
        p0, p1, p2, p3 = p * size, (p | low) * size, (p | high) * size, (p | low | high) * size
        y2, y3 = load_pair(t, p2), load_pair(t, p3)
        u = load_pair(s, p0)
        m0, n0 = add_times_conjugate(m0, y2, u), add_times_conjugate(n0, y3, u)
        u = load_pair(s, p1)
        m1, n1 = add_times_conjugate(m1, y2, u), add_times_conjugate(n1, y3, u)
        u = load_pair(s, p2)
        m2, n2 = add_times_conjugate(m2, y2, u), add_times_conjugate(n2, y3, u)
        u = load_pair(s, p3)
        m3, n3 = add_times_conjugate(m3, y2, u), add_times_conjugate(n3, y3, u)
        y0, y1 = load_pair(t, p0), load_pair(t, p1)
        store_pair(t, p0, row_times(adjoint, at, y0, y1, y2, y3))
        store_pair(t, p1, row_times(adjoint, at + 8, y0, y1, y2, y3))
        store_pair(t, p2, row_times(adjoint, at + 16, y0, y1, y2, y3))
        store_pair(t, p3, row_times(adjoint, at + 24, y0, y1, y2, y3))
    _add(sums, to + 8 * size, size, m0, m1, m2, m3)
    _add(sums, to + 12 * size, size, n0, n1, n2, n3)


@inlined
def _add(sums, to, size, a, b, c, d):  # type: ignore[no-untyped-def]
    accumulate_pair(sums, to, a)
    accumulate_pair(sums, to + size, b)
    accumulate_pair(sums, to + 2 * size, c)
    accumulate_pair(sums, to + 3 * size, d)


@inlined
def _apply_mixed(s, rows, lane, high, c, at):  # type: ignore[no-untyped-def]
    size = 2 * width(s)
    for i in range(rows >> 1):
        p = (i & (high - 1)) | ((i & ~(high - 1)) << 1)
        p0, p1 = p * size, (p | high) * size
        x0, x2 = load_pair(s, p0), load_pair(s, p1)
        x1, x3 = flip_pair(x0, lane), flip_pair(x2, lane)
        store_pair(s, p0, row_of_lanes_times(c, at, x0, x1, x2, x3))
        store_pair(s, p1, row_of_lanes_times(c, at + 4 * size, x0, x1, x2, x3))


@internal
def apply_mixed(s: Array, rows: int, lane: int, high: int, c: Array, at: int) -> None:
    """The matrix on lane bit number `lane` and the row bit with the mask `high`."""
    if lane == 0:
        _apply_mixed(s, rows, 0, high, c, at)
    elif lane == 1:
        _apply_mixed(s, rows, 1, high, c, at)
    elif lane == 2:
        _apply_mixed(s, rows, 2, high, c, at)
    else:
        _apply_mixed(s, rows, 3, high, c, at)


@inlined
def _undo_mixed(s, t, rows, lane, high, inverse, adjoint, at, sums, to):  # type: ignore[no-untyped-def]
    size = 2 * width(s)
    m0 = m1 = m2 = m3 = n0 = n1 = n2 = n3 = zero_pair(s)
    for i in range(rows >> 1):
        p = (i & (high - 1)) | ((i & ~(high - 1)) << 1)
        p0, p1 = p * size, (p | high) * size
        x0, x2, y0, y2 = load_pair(s, p0), load_pair(s, p1), load_pair(t, p0), load_pair(t, p1)
        x1, x3, y1, y3 = flip_pair(x0, lane), flip_pair(x2, lane), flip_pair(y0, lane), flip_pair(y2, lane)
        u = row_of_lanes_times(inverse, at, x0, x1, x2, x3)
        store_pair(s, p0, u)
        m0, n0 = add_times_conjugate(m0, y0, u), add_times_conjugate(n0, y2, u)
        u = flip_pair(u, lane)
        m1, n1 = add_times_conjugate(m1, y0, u), add_times_conjugate(n1, y2, u)
        u = row_of_lanes_times(inverse, at + 4 * size, x0, x1, x2, x3)
        store_pair(s, p1, u)
        m2, n2 = add_times_conjugate(m2, y0, u), add_times_conjugate(n2, y2, u)
        u = flip_pair(u, lane)
        m3, n3 = add_times_conjugate(m3, y0, u), add_times_conjugate(n3, y2, u)
        store_pair(t, p0, row_of_lanes_times(adjoint, at, y0, y1, y2, y3))
        store_pair(t, p1, row_of_lanes_times(adjoint, at + 4 * size, y0, y1, y2, y3))
    _add(sums, to, size, m0, m1, m2, m3)
    _add(sums, to + 4 * size, size, n0, n1, n2, n3)


@internal
def undo_mixed(
    s: Array, t: Array, rows: int, lane: int, high: int, inverse: Array, adjoint: Array, at: int, sums: Array, to: int
) -> None:  # fmt: skip
    """The same as `undo_rows` for a lane bit and a row bit.

    The sums are 8 complex vectors: lambda in the row with bit `high` off, then on, by psi in the row where it is off
    and the same lane, the lane across, then where it is on.
    """
    if lane == 0:
        _undo_mixed(s, t, rows, 0, high, inverse, adjoint, at, sums, to)
    elif lane == 1:
        _undo_mixed(s, t, rows, 1, high, inverse, adjoint, at, sums, to)
    elif lane == 2:
        _undo_mixed(s, t, rows, 2, high, inverse, adjoint, at, sums, to)
    else:
        _undo_mixed(s, t, rows, 3, high, inverse, adjoint, at, sums, to)


@internal
def add_to(s: Array, t: Array) -> None:
    """s += t."""
    for i in range(0, len(s), width(s)):
        store(s, i, load(s, i) + load(t, i))


@internal
def copy(s: Array, t: Array) -> None:
    """t = s."""
    for i in range(0, len(s), width(s)):
        store(t, i, load(s, i))
