"""Pauli observables on a tile: expectation values, and the vector that the adjoint pass starts from.

A Pauli string with flips x and signs z maps amplitude i to i^x with the sign (-1)^(z.i) and the phase i^(number of Y).
Strings with the same x share their products of amplitudes; a Walsh-Hadamard transform of these products, chunk by
chunk, gives the sums for all z at once, pairwise and hence with few rounding errors. What no string reads of it is
left out.
"""

from __future__ import annotations

from typing import Any

from qgen.backends.statevector.join import FIRST_GROUP, IS_ROOT, LAST_GROUP, OFFSET, ROWS
from qgen.backends.statevector.lanes import accumulate, flip, internal, kernel, load, store, width, zeros_like

# Columns of the table of groups (strings with equal x) and of the table of strings.
GROUP_FIRST, GROUP_LAST, X_ROW, X_LANE, HAS_REAL, HAS_IMAG, FIRST_STEP, LAST_STEP, GROUP_COLUMNS = range(9)
Z_ROW, OBSERVABLE, IMAG = range(3)
# Columns of the table of steps, and what a step leaves: sums in the first half, differences in the second, or either.
STEP_FIRST, STEP_HALF, STEP_KIND = range(3)
BOTH, SUMS, DIFFERENCES, ALL = range(4)  # ALL: the whole transform of the rows
CHUNK = 128  # rows in a Walsh-Hadamard transform: its buffers stay in the first-level cache

Array = Any


@kernel
def odd(x: int) -> bool:
    """Whether `x` has an odd number of one bits."""
    x ^= x >> 32
    x ^= x >> 16
    x ^= x >> 8
    x ^= x >> 4
    x ^= x >> 2
    x ^= x >> 1
    return x & 1 == 1


@internal
def _walsh_hadamard(buffer: Array, start: int, rows: int) -> None:
    V = width(buffer)
    step = 1
    while step < rows:
        for i in range(rows):
            if i & step == 0:
                p, q = start + i * V, start + (i | step) * V
                a, b = load(buffer, p), load(buffer, q)
                store(buffer, p, a + b)
                store(buffer, q, a - b)
        step *= 2


@kernel
def _transform(buffer: Array, origin: int, steps: Array, first: int, last: int) -> None:
    """The transform of a chunk's rows, as far as its steps [first, last) go; entry z is left in row z."""
    V = width(buffer)
    for step in range(first, last):
        half, kind = steps[step, STEP_HALF], steps[step, STEP_KIND]
        start = origin + steps[step, STEP_FIRST] * V
        if kind == ALL:
            _walsh_hadamard(buffer, start, 2 * half)
            continue
        for p in range(start, start + half * V, V):
            q = p + half * V
            a, b = load(buffer, p), load(buffer, q)
            if kind != DIFFERENCES:
                store(buffer, p, a + b)
            if kind != SUMS:
                store(buffer, q, a - b)


@kernel
def _transform_back(buffer: Array, origin: int, steps: Array, first: int, last: int) -> None:
    """The transpose of `_transform`: from entries z, where a step reads them, to all rows."""
    V = width(buffer)
    for step in range(last - 1, first - 1, -1):
        half, kind = steps[step, STEP_HALF], steps[step, STEP_KIND]
        start = origin + steps[step, STEP_FIRST] * V
        if kind == ALL:
            _walsh_hadamard(buffer, start, 2 * half)
            continue
        for p in range(start, start + half * V, V):
            q = p + half * V
            if kind == SUMS:
                store(buffer, q, load(buffer, p))
            elif kind == DIFFERENCES:
                b = load(buffer, q)
                store(buffer, p, b)
                store(buffer, q, zeros_like(b) - b)
            else:
                a, b = load(buffer, p), load(buffer, q)
                store(buffer, p, a + b)
                store(buffer, q, a - b)


@internal
def _across(value: Any, x_lane: int, first_bit: int) -> Any:
    for k in range(4):
        if x_lane >> k & 1:
            value = flip(value, first_bit + k)
    return value


@kernel
def measure(states: Any, own: Any, tables: Any, shape: Any, number: int, first: int, last: int) -> None:
    """Add the lane sums of register `number`'s strings over chunks [first, last) of its rows to `own.totals`."""
    psi, buffer, groups, strings = states.psi, own.buffer, tables.groups, tables.strings
    register = tables.registers[number]
    V, offset = width(psi), register[OFFSET]
    chunk = min(register[ROWS], CHUNK)
    imag = chunk * V
    for block in range(first, last):
        origin = block * chunk
        for g in range(register[FIRST_GROUP], register[LAST_GROUP]):
            x_row, x_lane = groups[g, X_ROW], groups[g, X_LANE]
            for i in range(chunk):
                at, other = (offset + origin + i) * 2 * V, (offset + ((origin + i) ^ x_row)) * 2 * V
                re, im = load(psi, at), load(psi, at + V)
                pr = _across(load(psi, other), x_lane, shape.sample_bits)
                pi = _across(load(psi, other + V), x_lane, shape.sample_bits)
                if groups[g, HAS_REAL]:
                    store(buffer, i * V, pr * re + pi * im)
                if groups[g, HAS_IMAG]:
                    store(buffer, imag + i * V, pr * im - pi * re)
            if groups[g, HAS_REAL]:
                _transform(buffer, 0, tables.steps, groups[g, FIRST_STEP], groups[g, LAST_STEP])
            if groups[g, HAS_IMAG]:
                _transform(buffer, imag, tables.steps, groups[g, FIRST_STEP], groups[g, LAST_STEP])
            for k in range(groups[g, GROUP_FIRST], groups[g, GROUP_LAST]):
                z = strings[k, Z_ROW]
                value = load(buffer, (imag if strings[k, IMAG] else 0) + (z & (chunk - 1)) * V)
                if odd(z & origin):
                    value = zeros_like(value) - value
                accumulate(own.totals, k * V, value)


@kernel
def seed_adjoint(states: Any, own: Any, tables: Any, shape: Any, number: int, first: int, last: int) -> None:
    """Sum over the strings of register `number` of weight * P psi, for chunks [first, last) of lambda's rows.

    It is added to what lambda is already, unless nothing is joined from this register.

    The weights (a vector a string) are the upstream gradient times the string's coefficient, with the lanes' signs.
    """
    psi, adjoint, weights, buffer = states.psi, states.adjoint, states.weights, own.buffer
    groups, strings, register = tables.groups, tables.strings, tables.registers[number]
    V, offset, first_group = width(psi), register[OFFSET], register[FIRST_GROUP]
    chunk = min(register[ROWS], CHUNK)
    imag = chunk * V
    zero = zeros_like(load(psi, 0))
    for block in range(first, last):
        origin = block * chunk
        for g in range(register[FIRST_GROUP], register[LAST_GROUP]):
            x_row, x_lane = groups[g, X_ROW], groups[g, X_LANE]
            for i in range(0, 2 * imag, V):
                store(buffer, i, zero)
            for k in range(groups[g, GROUP_FIRST], groups[g, GROUP_LAST]):
                z = strings[k, Z_ROW]
                at = (imag if strings[k, IMAG] else 0) + (z & (chunk - 1)) * V
                weight = load(weights, k * V)
                if odd(z & origin):
                    weight = zero - weight
                store(buffer, at, load(buffer, at) + weight)
            if groups[g, HAS_REAL]:
                _transform_back(buffer, 0, tables.steps, groups[g, FIRST_STEP], groups[g, LAST_STEP])
            if groups[g, HAS_IMAG]:
                _transform_back(buffer, imag, tables.steps, groups[g, FIRST_STEP], groups[g, LAST_STEP])
            for i in range(chunk):
                at, other = (offset + origin + i) * 2 * V, (offset + ((origin + i) ^ x_row)) * 2 * V
                pr = _across(load(psi, other), x_lane, shape.sample_bits)
                pi = _across(load(psi, other + V), x_lane, shape.sample_bits)
                dr, di = load(buffer, i * V), load(buffer, imag + i * V)
                re, im = dr * pr - di * pi, dr * pi + di * pr
                if g > first_group or not register[IS_ROOT]:
                    re += load(adjoint, at)
                    im += load(adjoint, at + V)
                store(adjoint, at, re)
                store(adjoint, at + V, im)
