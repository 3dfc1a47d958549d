"""A 4 x 4 matrix on two wires of one state, forward and adjoint: where the time of a path goes.

The lowest bits of an amplitude number the lanes of a vector, the others the rows; a row is V real parts, then V
imaginary parts. At most one of the two wires lies in the lanes (see `path_layout.py`). A matrix is kept as its
coefficients: 32 numbers where both wires are row bits, 16 vectors where one is a lane bit.
"""

from __future__ import annotations

from typing import Any

from qgen.backends.statevector.lanes import accumulate, flip, inlined, kernel, load, spread, store, width, zeros_like

Array = Any


@inlined
def _insert(i, low, high):  # type: ignore[no-untyped-def]
    """The number `i` with a zero put in at the bits `low` < `high` (as masks)."""
    i = (i & (low - 1)) | ((i & ~(low - 1)) << 1)
    return (i & (high - 1)) | ((i & ~(high - 1)) << 1)


@inlined
def _real4(c, at, ar, ai, br, bi, cr, ci, dr, di):  # type: ignore[no-untyped-def]
    """The real part of a row of four coefficients times four numbers."""
    total = spread(c, at) * ar - spread(c, at + 1) * ai
    total = total + spread(c, at + 2) * br - spread(c, at + 3) * bi
    total = total + spread(c, at + 4) * cr - spread(c, at + 5) * ci
    return total + spread(c, at + 6) * dr - spread(c, at + 7) * di


@inlined
def _imag4(c, at, ar, ai, br, bi, cr, ci, dr, di):  # type: ignore[no-untyped-def]
    """The imaginary part of a row of four coefficients times four numbers."""
    total = spread(c, at) * ai + spread(c, at + 1) * ar
    total = total + spread(c, at + 2) * bi + spread(c, at + 3) * br
    total = total + spread(c, at + 4) * ci + spread(c, at + 5) * cr
    return total + spread(c, at + 6) * di + spread(c, at + 7) * dr


@kernel
def apply_rows(s: Array, rows: int, low: int, high: int, c: Array, at: int) -> None:
    """The matrix on two row bits, given as masks; bit 0 of its index belongs to `low`."""
    V = width(s)
    below, above = min(low, high), max(low, high)
    for i in range(rows >> 2):
        p = _insert(i, below, above)
        p0, p1, p2, p3 = p * 2 * V, (p | low) * 2 * V, (p | high) * 2 * V, (p | low | high) * 2 * V
        ar, ai, br, bi = load(s, p0), load(s, p0 + V), load(s, p1), load(s, p1 + V)
        cr, ci, dr, di = load(s, p2), load(s, p2 + V), load(s, p3), load(s, p3 + V)
        store(s, p0, _real4(c, at, ar, ai, br, bi, cr, ci, dr, di))
        store(s, p0 + V, _imag4(c, at, ar, ai, br, bi, cr, ci, dr, di))
        store(s, p1, _real4(c, at + 8, ar, ai, br, bi, cr, ci, dr, di))
        store(s, p1 + V, _imag4(c, at + 8, ar, ai, br, bi, cr, ci, dr, di))
        store(s, p2, _real4(c, at + 16, ar, ai, br, bi, cr, ci, dr, di))
        store(s, p2 + V, _imag4(c, at + 16, ar, ai, br, bi, cr, ci, dr, di))
        store(s, p3, _real4(c, at + 24, ar, ai, br, bi, cr, ci, dr, di))
        store(s, p3 + V, _imag4(c, at + 24, ar, ai, br, bi, cr, ci, dr, di))


@kernel
def undo_rows(
    s: Array, t: Array, rows: int, low: int, high: int, inverse: Array, adjoint: Array, at: int, sums: Array, to: int
) -> None:  # fmt: skip
    """psi (`s`) by the inverse, lambda (`t`) by the adjoint; adds lambda_a conj(psi_b), before and after, to `sums`.

    lambda is that after the matrix, psi that before it. The sums are 16 complex numbers, a vector each for real and
    imaginary part. Two passes, so that what is summed stays in registers.
    """
    V = width(s)
    below, above = min(low, high), max(low, high)
    zero = zeros_like(load(s, 0))
    m0r = m0i = m1r = m1i = m2r = m2i = m3r = m3i = zero
    n0r = n0i = n1r = n1i = n2r = n2i = n3r = n3i = zero
    for i in range(rows >> 2):
        p = _insert(i, below, above)
        p0, p1, p2, p3 = p * 2 * V, (p | low) * 2 * V, (p | high) * 2 * V, (p | low | high) * 2 * V
        ar, ai, br, bi = load(s, p0), load(s, p0 + V), load(s, p1), load(s, p1 + V)
        cr, ci, dr, di = load(s, p2), load(s, p2 + V), load(s, p3), load(s, p3 + V)
        xr, xi, yr, yi = load(t, p0), load(t, p0 + V), load(t, p1), load(t, p1 + V)
        ur = _real4(inverse, at, ar, ai, br, bi, cr, ci, dr, di)
        ui = _imag4(inverse, at, ar, ai, br, bi, cr, ci, dr, di)
        store(s, p0, ur)
        store(s, p0 + V, ui)
        m0r = m0r + xr * ur + xi * ui
        m0i = m0i + xi * ur - xr * ui
        n0r = n0r + yr * ur + yi * ui
        n0i = n0i + yi * ur - yr * ui
        ur = _real4(inverse, at + 8, ar, ai, br, bi, cr, ci, dr, di)
        ui = _imag4(inverse, at + 8, ar, ai, br, bi, cr, ci, dr, di)
        store(s, p1, ur)
        store(s, p1 + V, ui)
        m1r = m1r + xr * ur + xi * ui
        m1i = m1i + xi * ur - xr * ui
        n1r = n1r + yr * ur + yi * ui
        n1i = n1i + yi * ur - yr * ui
        ur = _real4(inverse, at + 16, ar, ai, br, bi, cr, ci, dr, di)
        ui = _imag4(inverse, at + 16, ar, ai, br, bi, cr, ci, dr, di)
        store(s, p2, ur)
        store(s, p2 + V, ui)
        m2r = m2r + xr * ur + xi * ui
        m2i = m2i + xi * ur - xr * ui
        n2r = n2r + yr * ur + yi * ui
        n2i = n2i + yi * ur - yr * ui
        ur = _real4(inverse, at + 24, ar, ai, br, bi, cr, ci, dr, di)
        ui = _imag4(inverse, at + 24, ar, ai, br, bi, cr, ci, dr, di)
        store(s, p3, ur)
        store(s, p3 + V, ui)
        m3r = m3r + xr * ur + xi * ui
        m3i = m3i + xi * ur - xr * ui
        n3r = n3r + yr * ur + yi * ui
        n3i = n3i + yi * ur - yr * ui
    _add8(sums, to, V, m0r, m0i, m1r, m1i, m2r, m2i, m3r, m3i)
    _add8(sums, to + 8 * V, V, n0r, n0i, n1r, n1i, n2r, n2i, n3r, n3i)
    m0r = m0i = m1r = m1i = m2r = m2i = m3r = m3i = zero
    n0r = n0i = n1r = n1i = n2r = n2i = n3r = n3i = zero
    for i in range(rows >> 2):
        p = _insert(i, below, above)
        p0, p1, p2, p3 = p * 2 * V, (p | low) * 2 * V, (p | high) * 2 * V, (p | low | high) * 2 * V
        cr, ci, dr, di = load(t, p2), load(t, p2 + V), load(t, p3), load(t, p3 + V)
        ur, ui = load(s, p0), load(s, p0 + V)
        m0r = m0r + cr * ur + ci * ui
        m0i = m0i + ci * ur - cr * ui
        n0r = n0r + dr * ur + di * ui
        n0i = n0i + di * ur - dr * ui
        ur, ui = load(s, p1), load(s, p1 + V)
        m1r = m1r + cr * ur + ci * ui
        m1i = m1i + ci * ur - cr * ui
        n1r = n1r + dr * ur + di * ui
        n1i = n1i + di * ur - dr * ui
        ur, ui = load(s, p2), load(s, p2 + V)
        m2r = m2r + cr * ur + ci * ui
        m2i = m2i + ci * ur - cr * ui
        n2r = n2r + dr * ur + di * ui
        n2i = n2i + di * ur - dr * ui
        ur, ui = load(s, p3), load(s, p3 + V)
        m3r = m3r + cr * ur + ci * ui
        m3i = m3i + ci * ur - cr * ui
        n3r = n3r + dr * ur + di * ui
        n3i = n3i + di * ur - dr * ui
        ar, ai, br, bi = load(t, p0), load(t, p0 + V), load(t, p1), load(t, p1 + V)
        store(t, p0, _real4(adjoint, at, ar, ai, br, bi, cr, ci, dr, di))
        store(t, p0 + V, _imag4(adjoint, at, ar, ai, br, bi, cr, ci, dr, di))
        store(t, p1, _real4(adjoint, at + 8, ar, ai, br, bi, cr, ci, dr, di))
        store(t, p1 + V, _imag4(adjoint, at + 8, ar, ai, br, bi, cr, ci, dr, di))
        store(t, p2, _real4(adjoint, at + 16, ar, ai, br, bi, cr, ci, dr, di))
        store(t, p2 + V, _imag4(adjoint, at + 16, ar, ai, br, bi, cr, ci, dr, di))
        store(t, p3, _real4(adjoint, at + 24, ar, ai, br, bi, cr, ci, dr, di))
        store(t, p3 + V, _imag4(adjoint, at + 24, ar, ai, br, bi, cr, ci, dr, di))
    _add8(sums, to + 16 * V, V, m0r, m0i, m1r, m1i, m2r, m2i, m3r, m3i)
    _add8(sums, to + 24 * V, V, n0r, n0i, n1r, n1i, n2r, n2i, n3r, n3i)


@inlined
def _add8(sums, to, V, a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    accumulate(sums, to, a)
    accumulate(sums, to + V, b)
    accumulate(sums, to + 2 * V, c)
    accumulate(sums, to + 3 * V, d)
    accumulate(sums, to + 4 * V, e)
    accumulate(sums, to + 5 * V, f)
    accumulate(sums, to + 6 * V, g)
    accumulate(sums, to + 7 * V, h)


@inlined
def _mixed_real(c, at, V, ar, ai, br, bi, cr, ci, dr, di):  # type: ignore[no-untyped-def]
    """As `_real4` with a coefficient for each lane."""
    total = load(c, at) * ar - load(c, at + V) * ai
    total = total + load(c, at + 2 * V) * br - load(c, at + 3 * V) * bi
    total = total + load(c, at + 4 * V) * cr - load(c, at + 5 * V) * ci
    return total + load(c, at + 6 * V) * dr - load(c, at + 7 * V) * di


@inlined
def _mixed_imag(c, at, V, ar, ai, br, bi, cr, ci, dr, di):  # type: ignore[no-untyped-def]
    total = load(c, at) * ai + load(c, at + V) * ar
    total = total + load(c, at + 2 * V) * bi + load(c, at + 3 * V) * br
    total = total + load(c, at + 4 * V) * ci + load(c, at + 5 * V) * cr
    return total + load(c, at + 6 * V) * di + load(c, at + 7 * V) * dr


@inlined
def _apply_mixed(s, rows, lane, high, c, at):  # type: ignore[no-untyped-def]
    V = width(s)
    for i in range(rows >> 1):
        p = (i & (high - 1)) | ((i & ~(high - 1)) << 1)
        p0, p1 = p * 2 * V, (p | high) * 2 * V
        ar, ai, br, bi = load(s, p0), load(s, p0 + V), load(s, p1), load(s, p1 + V)
        cr, ci, dr, di = flip(ar, lane), flip(ai, lane), flip(br, lane), flip(bi, lane)
        store(s, p0, _mixed_real(c, at, V, ar, ai, cr, ci, br, bi, dr, di))
        store(s, p0 + V, _mixed_imag(c, at, V, ar, ai, cr, ci, br, bi, dr, di))
        store(s, p1, _mixed_real(c, at + 8 * V, V, ar, ai, cr, ci, br, bi, dr, di))
        store(s, p1 + V, _mixed_imag(c, at + 8 * V, V, ar, ai, cr, ci, br, bi, dr, di))


@kernel
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
    V = width(s)
    zero = zeros_like(load(s, 0))
    m0r = m0i = m1r = m1i = m2r = m2i = m3r = m3i = zero
    n0r = n0i = n1r = n1i = n2r = n2i = n3r = n3i = zero
    for i in range(rows >> 1):
        p = (i & (high - 1)) | ((i & ~(high - 1)) << 1)
        p0, p1 = p * 2 * V, (p | high) * 2 * V
        ar, ai, br, bi = load(s, p0), load(s, p0 + V), load(s, p1), load(s, p1 + V)
        cr, ci, dr, di = flip(ar, lane), flip(ai, lane), flip(br, lane), flip(bi, lane)
        xr, xi, yr, yi = load(t, p0), load(t, p0 + V), load(t, p1), load(t, p1 + V)
        ur = _mixed_real(inverse, at, V, ar, ai, cr, ci, br, bi, dr, di)
        ui = _mixed_imag(inverse, at, V, ar, ai, cr, ci, br, bi, dr, di)
        store(s, p0, ur)
        store(s, p0 + V, ui)
        m0r = m0r + xr * ur + xi * ui
        m0i = m0i + xi * ur - xr * ui
        n0r = n0r + yr * ur + yi * ui
        n0i = n0i + yi * ur - yr * ui
        ur, ui = flip(ur, lane), flip(ui, lane)
        m1r = m1r + xr * ur + xi * ui
        m1i = m1i + xi * ur - xr * ui
        n1r = n1r + yr * ur + yi * ui
        n1i = n1i + yi * ur - yr * ui
        ur = _mixed_real(inverse, at + 8 * V, V, ar, ai, cr, ci, br, bi, dr, di)
        ui = _mixed_imag(inverse, at + 8 * V, V, ar, ai, cr, ci, br, bi, dr, di)
        store(s, p1, ur)
        store(s, p1 + V, ui)
        m2r = m2r + xr * ur + xi * ui
        m2i = m2i + xi * ur - xr * ui
        n2r = n2r + yr * ur + yi * ui
        n2i = n2i + yi * ur - yr * ui
        ur, ui = flip(ur, lane), flip(ui, lane)
        m3r = m3r + xr * ur + xi * ui
        m3i = m3i + xi * ur - xr * ui
        n3r = n3r + yr * ur + yi * ui
        n3i = n3i + yi * ur - yr * ui
        cr, ci, dr, di = flip(xr, lane), flip(xi, lane), flip(yr, lane), flip(yi, lane)
        store(t, p0, _mixed_real(adjoint, at, V, xr, xi, cr, ci, yr, yi, dr, di))
        store(t, p0 + V, _mixed_imag(adjoint, at, V, xr, xi, cr, ci, yr, yi, dr, di))
        store(t, p1, _mixed_real(adjoint, at + 8 * V, V, xr, xi, cr, ci, yr, yi, dr, di))
        store(t, p1 + V, _mixed_imag(adjoint, at + 8 * V, V, xr, xi, cr, ci, yr, yi, dr, di))
    _add8(sums, to, V, m0r, m0i, m1r, m1i, m2r, m2i, m3r, m3i)
    _add8(sums, to + 8 * V, V, n0r, n0i, n1r, n1i, n2r, n2i, n3r, n3i)


@kernel
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


@kernel
def add_to(s: Array, t: Array) -> None:
    """s += t."""
    V = width(s)
    for i in range(0, len(s), V):
        store(s, i, load(s, i) + load(t, i))
