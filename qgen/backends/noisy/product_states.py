"""Sums of Pauli strings on product states, whose wires each have a Bloch vector, and their gradients.

A string's expectation value is the product over its wires of one component each. Samples are lanes here: a tile is 16
samples (float32) or 8 (float64).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.propagation import Slots
from qgen.backends.statevector.lanes import accumulate, internal, kernel, load, spread, store, width, zeros_like

Array = Any
CHUNK = 64  # strings whose products stay in the first-level cache
GRAIN = 4  # observables that share a load of a product


class StringSum(NamedTuple):
    """T strings with their coefficients in up to as many observables as a vector has lanes.

    Attributes:
        slots: int64 (T,), where each string was in the list that it comes from.
        coefficients: flat, a vector of lanes a string; a lane is an observable.
        start: int64 (T + 1,), the factors of string t are start[t] to start[t + 1].
        factors: int64, 4 wire + digit of the digits that are not zero.
    """

    slots: Array
    coefficients: Array
    start: Array
    factors: Array


@kernel
def collect(slots: Slots, top: int, wires: int, lanes: int) -> tuple[Array, Array, Array, Array]:
    """Return the parts of a `StringSum` of the strings in slots [0, top)."""
    strings, factors = 0, 0
    for t in range(top):
        if slots.keys[t] >= 0:
            strings += 1
            for wire in range(wires):
                factors += slots.keys[t] >> 2 * wire & 3 != 0
    where, start = np.empty(strings, np.int64), np.zeros(strings + 1, np.int64)
    coefficients, flat = np.empty(strings * lanes, slots.coefficients.dtype), np.empty(factors, np.int64)
    n, at = 0, 0
    for t in range(top):
        key = slots.keys[t]
        if key >= 0:
            where[n] = t
            for lane in range(lanes):
                coefficients[n * lanes + lane] = slots.coefficients[t * lanes + lane]
            for wire in range(wires):
                digit = key >> 2 * wire & 3
                if digit:
                    flat[at] = 4 * wire + digit
                    at += 1
            n += 1
            start[n] = at
    return where, coefficients, start, flat


def in_tiles(vectors: npt.NDArray[np.float64], dtype: np.dtype[Any], lanes: int) -> npt.NDArray[Any]:
    """Return Bloch vectors (N, k, 4) as flat tiles (tiles, k, 4, lanes); what samples are missing is zero."""
    samples, wires = vectors.shape[:2]
    padded = np.zeros((-(-samples // lanes) * lanes, wires, 4), dtype=dtype)
    padded[:samples] = vectors
    return np.ascontiguousarray(padded.reshape(-1, lanes, wires, 4).transpose(0, 2, 3, 1)).reshape(-1)


@internal
def _products(strings: StringSum, vectors: Array, tile: int, first: int, last: int, out: Array) -> None:
    """Write the expectation value of each string [first, last) in the samples of a tile."""
    V, one = width(vectors), np.ones(1, vectors.dtype)
    for t in range(first, last):
        value = spread(one, 0)
        for k in range(strings.start[t], strings.start[t + 1]):
            value = value * load(vectors, tile + strings.factors[k] * V)
        store(out, (t - first) * V, value)


@kernel
def expectations(
    strings: StringSum, vectors: Array, wires: int, observables: int, first: int, last: int, out: Array
) -> None:
    """Write the observables' values in tiles [first, last) of samples.

    Args:
        strings: the observables.
        vectors: see `in_tiles`.
        wires: the number k.
        observables: how many lanes are wanted.
        first: the first tile.
        last: the tile after the last.
        out: float64 (samples, observables): rows beyond the last sample are left out.
    """
    V = width(vectors)
    products, totals = np.empty(CHUNK * V, vectors.dtype), np.empty((V + GRAIN) * V)
    coefficients, count = strings.coefficients, len(strings.slots)
    zero = zeros_like(load(products, 0))
    for tile in range(first, last):
        totals[:] = 0
        for begin in range(0, count, CHUNK):
            end = min(begin + CHUNK, count)
            _products(strings, vectors, tile * 4 * wires * V, begin, end, products)
            for o in range(0, observables, GRAIN):
                y0 = y1 = y2 = y3 = zero
                for t in range(begin, end):
                    x, at = load(products, (t - begin) * V), t * V + o
                    y0 += spread(coefficients, at) * x
                    y1 += spread(coefficients, at + 1) * x
                    y2 += spread(coefficients, at + 2) * x
                    y3 += spread(coefficients, at + 3) * x
                accumulate(totals, o * V, y0)
                accumulate(totals, (o + 1) * V, y1)
                accumulate(totals, (o + 2) * V, y2)
                accumulate(totals, (o + 3) * V, y3)
        for lane in range(min(V, len(out) - tile * V)):
            for o in range(observables):
                out[tile * V + lane, o] = totals[o * V + lane]


@kernel
def cotangents(
    strings: StringSum, vectors: Array, wires: int, upstream: Array, first: int, last: int, out: Array
) -> None:
    """Write the gradient for the coefficients of strings [first, last): the sum over samples.

    Args:
        strings: the observables.
        vectors: see `in_tiles`.
        wires: the number k.
        upstream: flat, a vector of lanes a sample, zero for samples that are missing.
        first: the first string.
        last: the string after the last.
        out: flat, a vector a slot: written at the strings' slots.
    """
    V = width(vectors)
    products, tile_size = np.empty(CHUNK * V, vectors.dtype), 4 * wires * V
    zero = zeros_like(load(products, 0))
    for begin in range(first, last, CHUNK):
        end = min(begin + CHUNK, last)
        for t in range(begin, end):
            store(out, strings.slots[t] * V, zero)
        for tile in range(len(upstream) // (V * V)):
            _products(strings, vectors, tile * tile_size, begin, end, products)
            for t in range(begin, end):
                at = strings.slots[t] * V
                value = load(out, at)
                for lane in range(V):
                    value += spread(products, (t - begin) * V + lane) * load(upstream, (tile * V + lane) * V)
                store(out, at, value)


@kernel
def vector_gradients(
    strings: StringSum, vectors: Array, wires: int, upstream: Array, observables: int, first: int, last: int, out: Array
) -> None:
    """Add the gradient for the Bloch vectors in tiles [first, last) of samples.

    Args:
        strings: the observables.
        vectors: see `in_tiles`.
        wires: the number k.
        upstream: flat, a vector of lanes a sample.
        observables: how many of its lanes are not zero.
        first: the first tile.
        last: the tile after the last.
        out: float64 (samples, k, 4), added to; the components of I are left out.
    """
    V = width(vectors)
    before, by_observable = np.empty(wires * V, vectors.dtype), np.empty(V * V, vectors.dtype)
    sums, one, totals = np.zeros(4 * wires * V, vectors.dtype), np.ones(1, vectors.dtype), np.empty(4 * wires * V)
    coefficients, zero, count = strings.coefficients, zeros_like(load(upstream, 0)), len(strings.slots)
    for tile in range(first, last):
        base = tile * 4 * wires * V
        totals[:] = 0
        for lane in range(V):
            for o in range(V):
                by_observable[o * V + lane] = upstream[(tile * V + lane) * V + o]
        for begin in range(0, count, CHUNK):
            for t in range(begin, min(begin + CHUNK, count)):
                even = odd = zero
                for o in range(0, observables, 2):
                    even += spread(coefficients, t * V + o) * load(by_observable, o * V)
                    odd += spread(coefficients, t * V + o + 1) * load(by_observable, (o + 1) * V)
                value, start, end = even + odd, strings.start[t], strings.start[t + 1]
                for k in range(start, end):
                    store(before, (k - start) * V, value)
                    value = value * load(vectors, base + strings.factors[k] * V)
                after = spread(one, 0)
                for k in range(end - 1, start - 1, -1):
                    at = strings.factors[k] * V
                    store(sums, at, load(sums, at) + load(before, (k - start) * V) * after)
                    after = after * load(vectors, base + at)
            for k in range(4 * wires):
                accumulate(totals, k * V, load(sums, k * V))
                store(sums, k * V, zero)
        for lane in range(min(V, len(out) - tile * V)):
            for wire in range(wires):
                for digit in range(1, 4):
                    out[tile * V + lane, wire, digit] += totals[(4 * wire + digit) * V + lane]
