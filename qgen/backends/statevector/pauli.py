"""Pauli observables on a tile: expectation values, and the vector that the adjoint pass starts from.

A Pauli string with flips x and signs z maps amplitude i to i^x with the sign (-1)^(z.i) and the phase i^(number of Y).
Strings with the same x share their products of amplitudes; a Walsh-Hadamard transform of these products, chunk by
chunk, gives the sums for all z at once, pairwise and hence with few rounding errors.
"""

from __future__ import annotations

from typing import Any

from qgen.backends.statevector.lanes import accumulate, flip, kernel, load, store, width, zeros_like

# Columns of the table of groups (strings with equal x) and of the table of strings.
GROUP_FIRST, GROUP_LAST, X_ROW, X_LANE, HAS_REAL, HAS_IMAG = range(6)
Z_ROW, OBSERVABLE, IMAG = range(3)
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


@kernel
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
def _across(value: Any, x_lane: int, first_bit: int) -> Any:
    for k in range(4):
        if x_lane >> k & 1:
            value = flip(value, first_bit + k)
    return value


@kernel
def measure(states: Any, own: Any, tables: Any, shape: Any, first: int, last: int) -> None:
    """Add every string's lane sums over chunks [first, last) of the rows of `states.psi` to `own.totals`."""
    psi, buffer, groups, strings = states.psi, own.buffer, tables.groups, tables.strings
    V = width(psi)
    chunk = min(shape.rows, CHUNK)
    imag = chunk * V
    for block in range(first, last):
        origin = block * chunk
        for g in range(len(groups)):
            x_row, x_lane = groups[g, X_ROW], groups[g, X_LANE]
            for i in range(chunk):
                at, other = (origin + i) * 2 * V, ((origin + i) ^ x_row) * 2 * V
                re, im = load(psi, at), load(psi, at + V)
                pr = _across(load(psi, other), x_lane, shape.sample_bits)
                pi = _across(load(psi, other + V), x_lane, shape.sample_bits)
                if groups[g, HAS_REAL]:
                    store(buffer, i * V, pr * re + pi * im)
                if groups[g, HAS_IMAG]:
                    store(buffer, imag + i * V, pr * im - pi * re)
            if groups[g, HAS_REAL]:
                _walsh_hadamard(buffer, 0, chunk)
            if groups[g, HAS_IMAG]:
                _walsh_hadamard(buffer, imag, chunk)
            for k in range(groups[g, GROUP_FIRST], groups[g, GROUP_LAST]):
                z = strings[k, Z_ROW]
                value = load(buffer, (imag if strings[k, IMAG] else 0) + (z & (chunk - 1)) * V)
                if odd(z & origin):
                    value = zeros_like(value) - value
                accumulate(own.totals, k * V, value)


@kernel
def seed_adjoint(states: Any, own: Any, tables: Any, shape: Any, first: int, last: int) -> None:
    """lambda = sum over strings of weight * P psi, for chunks [first, last) of lambda's rows.

    The weights (a vector a string) are the upstream gradient times the string's coefficient, with the lanes' signs.
    """
    psi, adjoint, weights, buffer = states.psi, states.adjoint, states.weights, own.buffer
    groups, strings = tables.groups, tables.strings
    V = width(psi)
    chunk = min(shape.rows, CHUNK)
    imag = chunk * V
    zero = zeros_like(load(psi, 0))
    for block in range(first, last):
        origin = block * chunk
        for g in range(len(groups)):
            x_row, x_lane = groups[g, X_ROW], groups[g, X_LANE]
            for i in range(chunk):
                store(buffer, i * V, zero)
                store(buffer, imag + i * V, zero)
            for k in range(groups[g, GROUP_FIRST], groups[g, GROUP_LAST]):
                z = strings[k, Z_ROW]
                at = (imag if strings[k, IMAG] else 0) + (z & (chunk - 1)) * V
                weight = load(weights, k * V)
                if odd(z & origin):
                    weight = zero - weight
                store(buffer, at, load(buffer, at) + weight)
            if groups[g, HAS_REAL]:
                _walsh_hadamard(buffer, 0, chunk)
            if groups[g, HAS_IMAG]:
                _walsh_hadamard(buffer, imag, chunk)
            for i in range(chunk):
                at, other = (origin + i) * 2 * V, ((origin + i) ^ x_row) * 2 * V
                pr = _across(load(psi, other), x_lane, shape.sample_bits)
                pi = _across(load(psi, other + V), x_lane, shape.sample_bits)
                dr, di = load(buffer, i * V), load(buffer, imag + i * V)
                re, im = dr * pr - di * pi, dr * pi + di * pr
                if g > 0:
                    re += load(adjoint, at)
                    im += load(adjoint, at + V)
                store(adjoint, at, re)
                store(adjoint, at + V, im)
