"""From angles to the coefficients of a tile, and from the adjoint's sums back to the gradients of angles.

The samples of a tile may have angles of their own; gates whose angles come from weights alone are computed once for
all samples that share a row of weights.
"""

from __future__ import annotations

import cmath
from typing import Any

import numpy as np
from numba import njit

from qgen.backends.statevector import pauli, sweep
from qgen.backends.statevector.lanes import width

FIRST, LAST, PER_ROW = sweep.FIRST, sweep.LAST, sweep.PER_ROW
LANE_CONTROLS, LANE_VALUES, LANE_TARGET = sweep.LANE_CONTROLS, sweep.LANE_VALUES, sweep.LANE_TARGET
RX, RY, RZ, P, PHASE, CONST = range(6)  # gates.Kind
SHARED = 1  # layout.SHARED
OBSERVABLE = pauli.OBSERVABLE

Array = Any


@njit(nogil=True, cache=True)
def _factor(kind: int, angle: float, constant: Array) -> Any:
    """The entries 00, 01, 10, 11 of an elementary factor."""
    half = 0.5 * angle
    c, s = complex(np.cos(half)), np.sin(half)
    if kind == RX:
        return c, -1j * s, -1j * s, c
    if kind == RY:
        return c, complex(-s), complex(s), c
    if kind == RZ:
        return c - 1j * s, 0j, 0j, c + 1j * s
    if kind == P:
        return 1 + 0j, 0j, 0j, cmath.exp(1j * angle)
    if kind == PHASE:
        return cmath.exp(1j * angle), 0j, 0j, cmath.exp(1j * angle)
    return constant[0], constant[1], constant[2], constant[3]


@njit(nogil=True, cache=True)
def _slope(kind: int, angle: float, m: Any) -> float:
    """Re sum conj(m) dF/d(angle), for the gradient m of a factor's entries."""
    half = 0.5 * angle
    c, s = 0.5 * np.cos(half), 0.5 * np.sin(half)
    m0, m1, m2, m3 = m
    if kind == RX:
        return -s * (m0.real + m3.real) - c * (m1.imag + m2.imag)
    if kind == RY:
        return -s * (m0.real + m3.real) + c * (m2.real - m1.real)
    if kind == RZ:
        return -s * (m0.real + m3.real) + c * (m3.imag - m0.imag)
    turn = 1j * cmath.exp(1j * angle)
    if kind == P:
        return (m3.conjugate() * turn).real
    return ((m0 + m3).conjugate() * turn).real


@njit(nogil=True, cache=True)
def _times(a: Any, b: Any) -> Any:
    return (
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
    )


@njit(nogil=True, cache=True)
def _dagger(a: Any) -> Any:
    return a[0].conjugate(), a[2].conjugate(), a[1].conjugate(), a[3].conjugate()


@njit(nogil=True, cache=True)
def _turn(factor: Array, shared: Array, own: Array) -> Any:
    """A factor's kind and angle."""
    if factor[0] == CONST:
        return factor[0], 0.0
    return factor[0], shared[factor[2]] if factor[1] == SHARED else own[factor[2]]


@njit(nogil=True, cache=True)
def _matrix(op: Array, tables: Any, shared: Array, own: Array) -> Any:
    product = (1 + 0j, 0j, 0j, 1 + 0j)
    for f in range(op[FIRST], op[LAST]):
        kind, angle = _turn(tables.factors[f], shared, own)
        product = _times(_factor(kind, angle, tables.constants[f]), product)
    return product


@njit(nogil=True, cache=True)
def _write(op: Array, u: Any, coefficients: Array, at: int, sample: int, samples: int) -> None:
    """Put a sample's 2 x 2 matrix into its lanes, as the loops of sweep.py want it."""
    V = width(coefficients)
    target = op[LANE_TARGET]
    for amplitude in range(V // samples):
        lane = at + amplitude * samples + sample
        met = amplitude & op[LANE_CONTROLS] == op[LANE_VALUES]
        if target >= 0:
            upper = amplitude >> target & 1 == 1
            own, across = (u[3], u[2]) if upper else (u[0], u[1])
            coefficients[lane] = own.real if met else 1.0
            coefficients[lane + V] = own.imag if met else 0.0
            coefficients[lane + 2 * V] = across.real if met else 0.0
            coefficients[lane + 3 * V] = across.imag if met else 0.0
        else:
            for k in range(4):
                one = 1.0 if k == 0 or k == 3 else 0.0
                coefficients[lane + 2 * k * V] = u[k].real if met else one
                coefficients[lane + (2 * k + 1) * V] = u[k].imag if met else 0.0


@njit(nogil=True, cache=True)
def fill(tables: Any, angles: Any, members: Array, coefficients: Array, fresh: bool) -> None:
    """Coefficients of all ops for the tile of samples `members`; where not `fresh`, only of those with inputs."""
    V, samples = width(coefficients), len(members)
    ops, rows = tables.ops, angles.weight_rows
    for k in range(len(ops)):
        if not (fresh or ops[k, PER_ROW]):
            continue
        u = (1 + 0j, 0j, 0j, 1 + 0j)
        for s in range(samples):
            row = rows[members[s]]
            if s == 0 or ops[k, PER_ROW] or row != rows[members[s - 1]]:
                u = _matrix(ops[k], tables, angles.shared[row], angles.own[members[s]])
            _write(ops[k], u, coefficients, k * 8 * V, s, samples)



@njit(nogil=True, cache=True)
def _read(op: Array, sums: Array, at: int, V: int, sample: int, samples: int) -> Any:
    """A sample's 2 x 2 gradient 2 sum lambda_a conj(psi_b), gathered from its lanes."""
    m0 = m1 = m2 = m3 = 0j
    target = op[LANE_TARGET]
    for amplitude in range(V // samples):
        if amplitude & op[LANE_CONTROLS] != op[LANE_VALUES]:
            continue
        lane = at + amplitude * samples + sample
        if target < 0:
            m0 += complex(sums[lane], sums[lane + V])
            m1 += complex(sums[lane + 2 * V], sums[lane + 3 * V])
            m2 += complex(sums[lane + 4 * V], sums[lane + 5 * V])
            m3 += complex(sums[lane + 6 * V], sums[lane + 7 * V])
        elif amplitude >> target & 1:
            m3 += complex(sums[lane], sums[lane + V])
            m2 += complex(sums[lane + 2 * V], sums[lane + 3 * V])
        else:
            m0 += complex(sums[lane], sums[lane + V])
            m1 += complex(sums[lane + 2 * V], sums[lane + 3 * V])
    return 2 * m0, 2 * m1, 2 * m2, 2 * m3


@njit(nogil=True, cache=True)
def _pull_back(op: Array, m: Any, tables: Any, shared: Array, own: Array, d_shared: Array, d_own: Array) -> None:
    """Add the gradient of each of an op's angles, given that of its matrix: the product rule, last factor first."""
    before = _matrix(op, tables, shared, own)
    for f in range(op[LAST] - 1, op[FIRST] - 1, -1):
        kind, angle = _turn(tables.factors[f], shared, own)
        inverse = _dagger(_factor(kind, angle, tables.constants[f]))
        before = _times(inverse, before)  # the factors that act before this one
        if kind != CONST:
            slope = _slope(kind, angle, _times(m, _dagger(before)))
            number = tables.factors[f, 2]
            if tables.factors[f, 1] == SHARED:
                d_shared[number] += slope
            else:
                d_own[number] += slope
        m = _times(inverse, m)


@njit(nogil=True, cache=True)
def reduce(
    tables: Any, angles: Any, wanted: Array, members: Array, count: int, sums: Array, flush: bool, d_shared: Array,
    d_own: Array,
) -> None:  # fmt: skip
    """Turn a tile's sums into gradients of angles, and clear them.

    Sums of ops without inputs go on growing over tiles with the same weights until they are flushed (`flush`); their
    lanes may then be added up whatever the sample.
    """
    ops, V, samples = tables.ops, tables.signed.shape[1], len(members)
    for k in range(len(ops)):
        if wanted[k] <= 0 or not (flush or ops[k, PER_ROW]):
            continue
        at = k * 8 * V
        for s in range(samples):
            if s < count or not ops[k, PER_ROW]:
                m = _read(ops[k], sums, at, V, s, samples)
                n = members[s]
                row = angles.weight_rows[n]
                _pull_back(ops[k], m, tables, angles.shared[row], angles.own[n], d_shared[row], d_own[n])
        sums[at : at + 8 * V] = 0.0


@njit(nogil=True, cache=True)
def start(psi: Array, samples: int) -> None:
    """|0...0> for every sample."""
    psi[:] = 0.0
    psi[:samples] = 1.0


@njit(nogil=True, cache=True)
def write_values(tables: Any, totals: Array, members: Array, count: int, values: Array) -> None:
    """Add the measured strings, times their coefficients, to the observables' values of the tile's samples."""
    strings, signed = tables.strings, tables.signed
    V, samples = signed.shape[1], len(members)
    for k in range(len(strings)):
        for s in range(count):
            total = 0.0
            for lane in range(s, V, samples):
                total += signed[k, lane] * totals[k * V + lane]
            values[members[s], strings[k, OBSERVABLE]] += total


@njit(nogil=True, cache=True)
def upstream_weights(tables: Any, upstream: Array, members: Array, count: int, weights: Array) -> None:
    """Each string's coefficient times the upstream gradient of its observable, lane by lane; 0 for idle samples."""
    strings, signed = tables.strings, tables.signed
    V, samples = signed.shape[1], len(members)
    for k in range(len(strings)):
        for lane in range(V):
            s = lane % samples
            g = upstream[members[s], strings[k, OBSERVABLE]] if s < count else 0.0
            weights[k * V + lane] = g * signed[k, lane]


@njit(nogil=True, cache=True)
def choose_members(order: Array, number: int, members: Array) -> int:
    """The samples of tile `number`; the last tile repeats its last sample to be full. Returns how many count."""
    samples = len(members)
    for s in range(samples):
        members[s] = order[min(number * samples + s, len(order) - 1)]
    return min(samples, len(order) - number * samples)


@njit(nogil=True, cache=True)
def _uniform_row(angles: Any, number: int, samples: int) -> int:
    """The row of weights that all samples of a tile share, or -1."""
    first = number * samples
    last = min(first + samples, len(angles.order)) - 1
    row = angles.weight_rows[angles.order[first]]
    return row if angles.weight_rows[angles.order[last]] == row else -1  # samples are ordered by their row of weights


@njit(nogil=True, cache=True)
def values_of_tiles(tables: Any, angles: Any, work: Any, shape: Any, first: int, last: int, values: Array) -> None:
    """Expectation values of the samples of tiles [first, last)."""
    members = np.empty(shape.samples, dtype=np.int64)
    row = -1
    for number in range(first, last):
        count = choose_members(angles.order, number, members)
        before, row = row, _uniform_row(angles, number, shape.samples)
        fill(tables, angles, members, work.coefficients, row < 0 or row != before)
        start(work.psi, shape.samples)
        for k in range(len(tables.sweeps)):
            sweep.forward_sweep(work, work, tables, k, shape, 0, shape.blocks)
        work.totals[:] = 0.0
        pauli.measure(work, work, tables, shape, 0, shape.chunks)
        write_values(tables, work.totals, members, count, values)


@njit(nogil=True, cache=True)
def gradients_of_tiles(
    tables: Any, angles: Any, work: Any, shape: Any, first: int, last: int, wanted: Array, upstream: Array,
    d_shared: Array, d_own: Array,
) -> None:  # fmt: skip
    """Gradients of the angles of tiles [first, last), for an upstream gradient (samples, observables)."""
    members = np.empty(shape.samples, dtype=np.int64)
    row = -1
    for number in range(first, last):
        count = choose_members(angles.order, number, members)
        before, row = row, _uniform_row(angles, number, shape.samples)
        fill(tables, angles, members, work.coefficients, row < 0 or row != before)
        start(work.psi, shape.samples)
        for k in range(len(tables.sweeps)):
            sweep.forward_sweep(work, work, tables, k, shape, 0, shape.blocks)
        upstream_weights(tables, upstream, members, count, work.weights)
        pauli.seed_adjoint(work, work, tables, shape, 0, shape.chunks)
        for k in range(len(tables.sweeps) - 1, -1, -1):
            sweep.adjoint_sweep(work, work, tables, wanted, k, shape, 0, shape.blocks)
        ends = number == last - 1 or row < 0 or _uniform_row(angles, number + 1, shape.samples) != row
        reduce(tables, angles, wanted, members, count, work.sums, ends, d_shared, d_own)
