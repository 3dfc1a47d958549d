"""Gates on a tile of states: the inner loops of the engine, forward and adjoint.

A tile holds `S` samples. Its numbers are rows of `V` lanes (16 float32 or 8 float64); a lane is one sample and the
amplitude's lowest bits, a row the other bits, stored as V real parts then V imaginary parts. A gate on a row bit
combines two rows, a gate on a lane bit shuffles within a row; controls on row bits are skipped rows, controls on lane
bits are lanes whose coefficients are the identity. ADJOINT.md derives what the adjoint loops sum.
"""

from __future__ import annotations

from typing import Any

from qgen.backends.statevector.join import deposit
from qgen.backends.statevector.lanes import accumulate, flip, inlined, internal, kernel, load, store, width, zeros_like

# Columns of the integer table that describes an op (see layout.py).
CODE, BIT, FREE, BASE, OUTER, OUTER_VALUE, LANE_CONTROLS, LANE_VALUES, LANE_TARGET, FIRST, LAST, PER_ROW = range(12)
# What the loop over an op's rows does.
PAIR, PAIR_DIAGONAL, PAIR_FLIP, LANE, LANE_DIAGONAL = range(5)
# Columns of the table of sweeps.
SWEEP_FIRST, SWEEP_LAST, SWEEP_INNER, SWEEP_DEAD, SWEEP_OUTSIDE, SWEEP_OFFSET = range(6)

Array = Any


@internal
def _copy(source: Array, to: Array, inner: int, outer: int, gather: bool) -> None:
    """Rows outer | (any bits of inner), in rising order, to the front of `to`; or back again."""
    V = width(source)
    row, local = 0, 0
    while True:
        far, near = (row | outer) * 2 * V, local * 2 * V
        if gather:
            store(to, near, load(source, far))
            store(to, near + V, load(source, far + V))
        else:
            store(source, far, load(to, near))
            store(source, far + V, load(to, near + V))
        local += 1
        row = (row - inner) & inner
        if row == 0:
            return


@internal
def _pair(s: Array, free: int, base: int, bit: int, ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any, dr: Any, di: Any) -> None:  # fmt: skip  # noqa: E501
    """[[a, b], [c, d]] on every pair of rows that differ in `bit`; the other bits are `base` and any of `free`."""
    V = width(s)
    i = 0
    while True:
        p = (i | base) * 2 * V
        q = (i | base | bit) * 2 * V
        xr, xi, yr, yi = load(s, p), load(s, p + V), load(s, q), load(s, q + V)
        store(s, p, ar * xr - ai * xi + br * yr - bi * yi)
        store(s, p + V, ar * xi + ai * xr + br * yi + bi * yr)
        store(s, q, cr * xr - ci * xi + dr * yr - di * yi)
        store(s, q + V, cr * xi + ci * xr + dr * yi + di * yr)
        i = (i - free) & free
        if i == 0:
            return


@internal
def _rows(s: Array, free: int, base: int, dr: Any, di: Any) -> None:
    """Multiply rows by one complex number a lane."""
    V = width(s)
    i = 0
    while True:
        p = (i | base) * 2 * V
        xr, xi = load(s, p), load(s, p + V)
        store(s, p, dr * xr - di * xi)
        store(s, p + V, dr * xi + di * xr)
        i = (i - free) & free
        if i == 0:
            return


@internal
def _swap(s: Array, free: int, base: int, bit: int) -> None:
    """Exchange the rows that differ in `bit`."""
    V = width(s)
    i = 0
    while True:
        p = (i | base) * 2 * V
        q = (i | base | bit) * 2 * V
        xr, xi = load(s, p), load(s, p + V)
        store(s, p, load(s, q))
        store(s, p + V, load(s, q + V))
        store(s, q, xr)
        store(s, q + V, xi)
        i = (i - free) & free
        if i == 0:
            return


@inlined
def _lane_rows(s, free, base, bit, dr, di, hr, hi):  # type: ignore[no-untyped-def]
    V = width(s)
    i = 0
    while True:
        p = (i | base) * 2 * V
        xr, xi = load(s, p), load(s, p + V)
        yr, yi = flip(xr, bit), flip(xi, bit)
        store(s, p, dr * xr - di * xi + hr * yr - hi * yi)
        store(s, p + V, dr * xi + di * xr + hr * yi + hi * yr)
        i = (i - free) & free
        if i == 0:
            break


@internal
def _lane(s: Array, free: int, base: int, bit: int, dr: Any, di: Any, hr: Any, hi: Any) -> None:
    """d * (own lane) + h * (the lane across `bit`), within each row."""
    if bit == 0:
        _lane_rows(s, free, base, 0, dr, di, hr, hi)
    elif bit == 1:
        _lane_rows(s, free, base, 1, dr, di, hr, hi)
    elif bit == 2:
        _lane_rows(s, free, base, 2, dr, di, hr, hi)
    else:
        _lane_rows(s, free, base, 3, dr, di, hr, hi)


@internal
def _apply(s: Array, op: Array, c: Array, at: int, inverse: bool) -> None:
    """One op, or its inverse, on the rows of one block; `at` is where its coefficients begin."""
    V = width(s)
    code, bit, free, base = op[CODE], op[BIT], op[FREE], op[BASE]
    if code == PAIR_FLIP:
        _swap(s, free, base, bit)
        return
    ar, ai, br, bi = load(c, at), load(c, at + V), load(c, at + 2 * V), load(c, at + 3 * V)
    zero = zeros_like(ar)
    if code in (LANE, LANE_DIAGONAL):
        if inverse:
            ai, br, bi = zero - ai, flip(br, bit), zero - flip(bi, bit)
        if code == LANE:
            _lane(s, free, base, bit, ar, ai, br, bi)
        else:
            _rows(s, free, base, ar, ai)
        return
    cr, ci = load(c, at + 4 * V), load(c, at + 5 * V)
    dr, di = load(c, at + 6 * V), load(c, at + 7 * V)
    if inverse:
        ai, di = zero - ai, zero - di
        br, bi, cr, ci = cr, zero - ci, br, zero - bi
    if code == PAIR:
        _pair(s, free, base, bit, ar, ai, br, bi, cr, ci, dr, di)
    else:
        _rows(s, free, base, ar, ai)
        _rows(s, free, base | bit, dr, di)


@kernel
def forward_sweep(states: Any, own: Any, tables: Any, number: int, first: int, last: int) -> None:
    """Apply sweep `number` to blocks [first, last) of its register; each block is brought into cache once.

    Args:
        states: the workspace that holds the tile's states and coefficients.
        own: the workspace of this thread.
        tables: the layout's tables.
        number: of the sweep.
        first: the first block.
        last: the block after the last.
    """
    psi, sweep, ops = states.psi, tables.sweeps[number], tables.ops
    V, inner, outside, offset = width(psi), sweep[SWEEP_INNER], sweep[SWEEP_OUTSIDE], sweep[SWEEP_OFFSET]
    block_rows = own.scratch if outside else psi
    for block in range(first, last):
        outer = deposit(block, outside)
        if outer & sweep[SWEEP_DEAD]:
            continue
        if outside:
            _copy(psi, block_rows, inner, outer | offset, True)
        for k in range(sweep[SWEEP_FIRST], sweep[SWEEP_LAST]):
            if outer & ops[k, OUTER] == ops[k, OUTER_VALUE]:
                _apply(block_rows, ops[k], states.coefficients, k * 8 * V, False)
        if outside:
            _copy(psi, block_rows, inner, outer | offset, False)


@internal
def _pair_adjoint(s: Array, t: Array, free: int, base: int, bit: int, c: Array, at: int, sums: Array) -> None:
    """Undo a pair op on psi (`s`) and lambda (`t`), adding lambda_a conj(psi_b) of all pairs to `sums`."""
    V = width(s)
    ar, ai, br, bi = load(c, at), load(c, at + V), load(c, at + 2 * V), load(c, at + 3 * V)
    cr, ci, dr, di = load(c, at + 4 * V), load(c, at + 5 * V), load(c, at + 6 * V), load(c, at + 7 * V)
    m0r = m0i = m1r = m1i = m2r = m2i = m3r = m3i = zeros_like(ar)
    i = 0
    while True:
        p = (i | base) * 2 * V
        q = (i | base | bit) * 2 * V
        xr, xi, yr, yi = load(s, p), load(s, p + V), load(s, q), load(s, q + V)
        ur = ar * xr + ai * xi + cr * yr + ci * yi
        ui = ar * xi - ai * xr + cr * yi - ci * yr
        vr = br * xr + bi * xi + dr * yr + di * yi
        vi = br * xi - bi * xr + dr * yi - di * yr
        store(s, p, ur)
        store(s, p + V, ui)
        store(s, q, vr)
        store(s, q + V, vi)
        xr, xi, yr, yi = load(t, p), load(t, p + V), load(t, q), load(t, q + V)
        m0r += xr * ur + xi * ui
        m0i += xi * ur - xr * ui
        m1r += xr * vr + xi * vi
        m1i += xi * vr - xr * vi
        m2r += yr * ur + yi * ui
        m2i += yi * ur - yr * ui
        m3r += yr * vr + yi * vi
        m3i += yi * vr - yr * vi
        store(t, p, ar * xr + ai * xi + cr * yr + ci * yi)
        store(t, p + V, ar * xi - ai * xr + cr * yi - ci * yr)
        store(t, q, br * xr + bi * xi + dr * yr + di * yi)
        store(t, q + V, br * xi - bi * xr + dr * yi - di * yr)
        i = (i - free) & free
        if i == 0:
            break
    accumulate(sums, at, m0r)
    accumulate(sums, at + V, m0i)
    accumulate(sums, at + 2 * V, m1r)
    accumulate(sums, at + 3 * V, m1i)
    accumulate(sums, at + 4 * V, m2r)
    accumulate(sums, at + 5 * V, m2i)
    accumulate(sums, at + 6 * V, m3r)
    accumulate(sums, at + 7 * V, m3i)


@internal
def _rows_adjoint(s: Array, t: Array, free: int, base: int, c: Array, at: int, sums: Array) -> None:
    """Undo a diagonal op on the rows of one value of its bit, adding lambda conj(psi) to `sums`."""
    V = width(s)
    dr, di = load(c, at), load(c, at + V)
    mr = mi = zeros_like(dr)
    i = 0
    while True:
        p = (i | base) * 2 * V
        xr, xi, yr, yi = load(s, p), load(s, p + V), load(t, p), load(t, p + V)
        ur = dr * xr + di * xi
        ui = dr * xi - di * xr
        mr += yr * ur + yi * ui
        mi += yi * ur - yr * ui
        store(s, p, ur)
        store(s, p + V, ui)
        store(t, p, dr * yr + di * yi)
        store(t, p + V, dr * yi - di * yr)
        i = (i - free) & free
        if i == 0:
            break
    accumulate(sums, at, mr)
    accumulate(sums, at + V, mi)


@inlined
def _lane_rows_adjoint(s, t, free, base, bit, c, at, sums):  # type: ignore[no-untyped-def]
    V = width(s)
    dr, di, hr, hi = load(c, at), load(c, at + V), flip(load(c, at + 2 * V), bit), flip(load(c, at + 3 * V), bit)
    mr = mi = nr = ni = zeros_like(dr)
    i = 0
    while True:
        p = (i | base) * 2 * V
        xr, xi = load(s, p), load(s, p + V)
        yr, yi = flip(xr, bit), flip(xi, bit)
        ur = dr * xr + di * xi + hr * yr + hi * yi
        ui = dr * xi - di * xr + hr * yi - hi * yr
        store(s, p, ur)
        store(s, p + V, ui)
        vr, vi = flip(ur, bit), flip(ui, bit)
        xr, xi = load(t, p), load(t, p + V)
        yr, yi = flip(xr, bit), flip(xi, bit)
        mr += xr * ur + xi * ui
        mi += xi * ur - xr * ui
        nr += xr * vr + xi * vi
        ni += xi * vr - xr * vi
        store(t, p, dr * xr + di * xi + hr * yr + hi * yi)
        store(t, p + V, dr * xi - di * xr + hr * yi - hi * yr)
        i = (i - free) & free
        if i == 0:
            break
    accumulate(sums, at, mr)
    accumulate(sums, at + V, mi)
    accumulate(sums, at + 2 * V, nr)
    accumulate(sums, at + 3 * V, ni)


@internal
def _lane_adjoint(s: Array, t: Array, free: int, base: int, bit: int, c: Array, at: int, sums: Array) -> None:
    """The same for an op across lanes: own-lane sums first, then the sums with the lane across `bit`."""
    if bit == 0:
        _lane_rows_adjoint(s, t, free, base, 0, c, at, sums)
    elif bit == 1:
        _lane_rows_adjoint(s, t, free, base, 1, c, at, sums)
    elif bit == 2:
        _lane_rows_adjoint(s, t, free, base, 2, c, at, sums)
    else:
        _lane_rows_adjoint(s, t, free, base, 3, c, at, sums)


@internal
def _apply_adjoint(s: Array, t: Array, op: Array, c: Array, at: int, sums: Array) -> None:
    V = width(s)
    code, bit, free, base = op[CODE], op[BIT], op[FREE], op[BASE]
    if code == PAIR:
        _pair_adjoint(s, t, free, base, bit, c, at, sums)
    elif code == PAIR_DIAGONAL:
        _rows_adjoint(s, t, free, base, c, at, sums)
        _rows_adjoint(s, t, free, base | bit, c, at + 6 * V, sums)
    elif code == LANE:
        _lane_adjoint(s, t, free, base, bit, c, at, sums)
    elif code == LANE_DIAGONAL:
        _rows_adjoint(s, t, free, base, c, at, sums)


@kernel
def adjoint_sweep(states: Any, own: Any, tables: Any, wanted: Array, number: int, first: int, last: int) -> None:
    """Undo sweep `number` on blocks [first, last) of psi and lambda, summing for the ops that are `wanted`.

    Ops before the first wanted one are not undone: nothing needs the states there. The rest is as for
    `forward_sweep`; the sums go to this thread's own.
    """
    psi, adjoint, sweep, ops = states.psi, states.adjoint, tables.sweeps[number], tables.ops
    V, inner, outside, offset = width(psi), sweep[SWEEP_INNER], sweep[SWEEP_OUTSIDE], sweep[SWEEP_OFFSET]
    start = sweep[SWEEP_FIRST]
    while start < sweep[SWEEP_LAST] and wanted[start] < 0:
        start += 1
    if start == sweep[SWEEP_LAST]:
        return
    half = len(own.scratch) // 2
    s = own.scratch[:half] if outside else psi
    t = own.scratch[half:] if outside else adjoint
    for block in range(first, last):
        outer = deposit(block, outside)
        if outer & sweep[SWEEP_DEAD]:
            continue
        if outside:
            _copy(psi, s, inner, outer | offset, True)
            _copy(adjoint, t, inner, outer | offset, True)
        for k in range(sweep[SWEEP_LAST] - 1, start - 1, -1):
            if outer & ops[k, OUTER] != ops[k, OUTER_VALUE]:
                continue
            if wanted[k] > 0:
                _apply_adjoint(s, t, ops[k], states.coefficients, k * 8 * V, own.sums)
            else:
                _apply(s, ops[k], states.coefficients, k * 8 * V, True)
                _apply(t, ops[k], states.coefficients, k * 8 * V, True)
        if outside:
            _copy(psi, s, inner, outer | offset, False)
            _copy(adjoint, t, inner, outer | offset, False)
