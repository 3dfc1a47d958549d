"""From angles to the coefficients of a tile, and from the adjoint's sums back to the gradients of angles.

The samples of a tile may have angles of their own; gates whose angles come from weights alone are computed once for
all samples that share a row of weights.
"""

from __future__ import annotations

from typing import Any

from qgen.backends.statevector import pauli, sweep
from qgen.backends.statevector.gates import Kind
from qgen.backends.statevector.lanes import inlined, internal, kernel, spread, store, width
from qgen.backends.statevector.op_tables import OWN, SHARED

FIRST, LAST, PER_ROW = sweep.FIRST, sweep.LAST, sweep.PER_ROW
LANE_CONTROLS, LANE_VALUES, LANE_TARGET = sweep.LANE_CONTROLS, sweep.LANE_VALUES, sweep.LANE_TARGET
RX, RY, RZ, P, PHASE, CONST = (int(kind) for kind in Kind)
OBSERVABLE = pauli.OBSERVABLE

Array = Any


@internal
def _factor(kind: int, half: complex, k0: complex, k1: complex, k2: complex, k3: complex) -> Any:
    """The entries 00, 01, 10, 11 of an elementary factor; half is exp(i angle / 2), k the entries of a constant."""
    c, s = half.real, half.imag
    if kind == RX:
        return complex(c), complex(0, -s), complex(0, -s), complex(c)
    if kind == RY:
        return complex(c), complex(-s), complex(s), complex(c)
    if kind == RZ:
        return complex(c, -s), 0j, 0j, complex(c, s)
    if kind == CONST:
        return k0, k1, k2, k3
    turn = complex(c * c - s * s, 2 * c * s)
    return 1 + 0j if kind == P else turn, 0j, 0j, turn


@internal
def _slope(kind: int, half: complex, m: Any) -> float:
    """Re sum conj(m) dF/d(angle), for the gradient m of a factor's entries."""
    c, s = half.real, half.imag
    m0, m1, m2, m3 = m
    if kind == RX:
        return -0.5 * (s * (m0.real + m3.real) + c * (m1.imag + m2.imag))
    if kind == RY:
        return -0.5 * (s * (m0.real + m3.real) + c * (m1.real - m2.real))
    if kind == RZ:
        return -0.5 * (s * (m0.real + m3.real) + c * (m0.imag - m3.imag))
    turned = m3 if kind == P else m0 + m3
    return turned.imag * (c * c - s * s) - turned.real * 2 * c * s


@internal
def _times(a: Any, b: Any) -> Any:
    return (
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
    )


@internal
def _plus(a: Any, b: Any) -> Any:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


@internal
def _dagger(a: Any) -> Any:
    return a[0].conjugate(), a[2].conjugate(), a[1].conjugate(), a[3].conjugate()


# The helpers below take arrays and numbers, not tuples or rows of arrays: numba counts references to those in each
# call, which takes longer than the arithmetic.


@inlined
def _get(factors, constants, shared, own, f, row, sample):  # type: ignore[no-untyped-def]
    """Factor f, and the half turn that it makes."""
    half = 1 + 0j
    if factors[f, 1] == SHARED:
        half = shared[row, factors[f, 2]]
    elif factors[f, 1] == OWN:
        half = own[sample, factors[f, 2]]
    k0, k1, k2, k3 = constants[f, 0], constants[f, 1], constants[f, 2], constants[f, 3]
    return half, _factor(factors[f, 0], half, k0, k1, k2, k3)


@inlined
def _matrix(factors, constants, shared, own, first, last, row, sample):  # type: ignore[no-untyped-def]
    """The product of factors [first, last), for a row of weights and a sample."""
    product = (1 + 0j, 0j, 0j, 1 + 0j)
    for f in range(first, last):
        _, factor = _get(factors, constants, shared, own, f, row, sample)
        product = factor if f == first else _times(factor, product)
    return product


@inlined
def _write(coefficients, at, u, samples, sample, target, controls, values):  # type: ignore[no-untyped-def]
    """Put a sample's 2 x 2 matrix into its lanes, as the loops of sweep.py want it."""
    V = width(coefficients)
    if target < 0 and controls == 0:
        first = at + sample
        coefficients[first] = u[0].real
        coefficients[first + V] = u[0].imag
        coefficients[first + 2 * V] = u[1].real
        coefficients[first + 3 * V] = u[1].imag
        coefficients[first + 4 * V] = u[2].real
        coefficients[first + 5 * V] = u[2].imag
        coefficients[first + 6 * V] = u[3].real
        coefficients[first + 7 * V] = u[3].imag
        for entry in range(first, first + 8 * V, V):
            if samples == 1:
                store(coefficients, entry, spread(coefficients, entry))
            else:
                for lane in range(entry + samples, entry - sample + V, samples):
                    coefficients[lane] = coefficients[entry]
        return
    amplitude = -1
    for lane in range(at + sample, at + V, samples):
        amplitude += 1
        met = amplitude & controls == values
        if target >= 0:
            upper = amplitude >> target & 1 == 1
            own, across = (u[3], u[2]) if upper else (u[0], u[1])
            coefficients[lane] = own.real if met else 1.0
            coefficients[lane + V] = own.imag if met else 0.0
            coefficients[lane + 2 * V] = across.real if met else 0.0
            coefficients[lane + 3 * V] = across.imag if met else 0.0
        else:
            coefficients[lane] = u[0].real if met else 1.0
            coefficients[lane + V] = u[0].imag if met else 0.0
            coefficients[lane + 2 * V] = u[1].real if met else 0.0
            coefficients[lane + 3 * V] = u[1].imag if met else 0.0
            coefficients[lane + 4 * V] = u[2].real if met else 0.0
            coefficients[lane + 5 * V] = u[2].imag if met else 0.0
            coefficients[lane + 6 * V] = u[3].real if met else 1.0
            coefficients[lane + 7 * V] = u[3].imag if met else 0.0


@kernel
def fill(tables: Any, angles: Any, members: Array, coefficients: Array, fresh: bool) -> None:
    """Coefficients of all ops for the tile of samples `members`; where not `fresh`, only of those with inputs."""
    V, samples = width(coefficients), len(members)
    ops, factors, constants = tables.ops, tables.factors, tables.constants
    shared, own, rows = angles.shared, angles.own, angles.weight_rows
    for k in range(len(ops)):
        per_row, first, last = ops[k, PER_ROW], ops[k, FIRST], ops[k, LAST]
        if not (fresh or per_row):
            continue
        u = (1 + 0j, 0j, 0j, 1 + 0j)
        before = -1
        for s in range(samples):
            n = members[s]
            row = rows[n]
            if per_row or row != before:
                u = _matrix(factors, constants, shared, own, first, last, row, n)
                before = row
            target, controls, values = ops[k, LANE_TARGET], ops[k, LANE_CONTROLS], ops[k, LANE_VALUES]
            _write(coefficients, k * 8 * V, u, samples, s, target, controls, values)


@inlined
def _read(sums, at, V, samples, sample, target, controls, values):  # type: ignore[no-untyped-def]
    """A sample's 2 x 2 gradient 2 sum lambda_a conj(psi_b), gathered from its lanes."""
    m0 = m1 = m2 = m3 = 0j
    amplitude = -1
    for lane in range(at + sample, at + V, samples):
        amplitude += 1
        if amplitude & controls != values:
            continue
        a, b = complex(sums[lane], sums[lane + V]), complex(sums[lane + 2 * V], sums[lane + 3 * V])
        if target < 0:
            m0 += a
            m1 += b
            m2 += complex(sums[lane + 4 * V], sums[lane + 5 * V])
            m3 += complex(sums[lane + 6 * V], sums[lane + 7 * V])
        elif amplitude >> target & 1:
            m3 += a
            m2 += b
        else:
            m0 += a
            m1 += b
    return 2 * m0, 2 * m1, 2 * m2, 2 * m3


@inlined
def _pull_back(factors, constants, shared, own, first, last, row, sample, m, d_shared, d_own):  # type: ignore[no-untyped-def]
    """Add the gradient of each factor's angle, given that of their product: the product rule, last factor first."""
    alone = last - first == 1
    before = (1 + 0j, 0j, 0j, 1 + 0j)
    if not alone:
        before = _matrix(factors, constants, shared, own, first, last, row, sample)
    for f in range(last - 1, first - 1, -1):
        half, factor = _get(factors, constants, shared, own, f, row, sample)
        share = m
        if not alone:
            inverse = _dagger(factor)
            before = _times(inverse, before)  # the factors that act before this one
            share = _times(m, _dagger(before))
            m = _times(inverse, m)
        if factors[f, 1] == SHARED:
            d_shared[row, factors[f, 2]] += _slope(factors[f, 0], half, share)
        elif factors[f, 1] == OWN:
            d_own[sample, factors[f, 2]] += _slope(factors[f, 0], half, share)


@kernel
def reduce(
    tables: Any, angles: Any, wanted: Array, members: Array, count: int, sums: Array, flush: bool, d_shared: Array,
    d_own: Array,
) -> None:  # fmt: skip
    """Turn a tile's sums into gradients of angles, and clear them.

    Sums of ops without inputs go on growing over tiles with the same weights until they are flushed (`flush`); their
    lanes may then be added up whatever the sample.
    """
    ops, factors, constants, V = tables.ops, tables.factors, tables.constants, tables.signed.shape[1]
    shared, own, rows, samples = angles.shared, angles.own, angles.weight_rows, len(members)
    for k in range(len(ops)):
        per_row, first, last = ops[k, PER_ROW], ops[k, FIRST], ops[k, LAST]
        if wanted[k] <= 0 or not (flush or per_row):
            continue
        target, controls, values = ops[k, LANE_TARGET], ops[k, LANE_CONTROLS], ops[k, LANE_VALUES]
        at = k * 8 * V
        m = (0j, 0j, 0j, 0j)
        for s in range(samples):
            n = members[s]
            row = rows[n]
            m = _plus(m, _read(sums, at, V, samples, s, target, controls, values))
            more = s + 1 < samples and rows[members[s + 1]] == row
            if (per_row and s < count) or not (per_row or more):
                _pull_back(factors, constants, shared, own, first, last, row, n, m, d_shared, d_own)
                m = (0j, 0j, 0j, 0j)
        sums[at : at + 8 * V] = 0.0


@kernel
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


@kernel
def upstream_weights(tables: Any, upstream: Array, members: Array, count: int, weights: Array) -> None:
    """Each string's coefficient times the upstream gradient of its observable, lane by lane; 0 for idle samples."""
    strings, signed = tables.strings, tables.signed
    V, samples = signed.shape[1], len(members)
    for k in range(len(strings)):
        for s in range(samples):
            g = upstream[members[s], strings[k, OBSERVABLE]] if s < count else 0.0
            for lane in range(s, V, samples):
                weights[k * V + lane] = g * signed[k, lane]
