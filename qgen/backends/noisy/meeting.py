"""Where states and observables meet: values <O, r>, and the adjoint of both.

The states of a tile of samples (lanes are samples) are products of two vectors A and B on complementary wires, an
observable (lanes are observables) is one vector on all wires: value = sum over i, j of O[i | j] A[i] B[j], where i and
j run through the index bits of each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from qgen.backends.noisy.strings import Strings
from qgen.backends.statevector.lanes import accumulate, internal, load, spread, store, width, zeros_like

Array = Any


class Meeting(NamedTuple):
    """Addresses and index bits of A and B in the states, and the address of the vector in the observables (rows)."""

    a: int
    a_mask: int
    b: int
    b_mask: int
    observable: int


@internal
def meet_values(meeting: Meeting, state: Array, observables: Array, count: int, totals: Array) -> None:
    """Add the values of `count` observables, lanes of `observables`, to totals (count, V), float64, lanes of samples.

    Both are filled up to a multiple of four.
    """
    V = width(state)
    at, a_mask, b_mask = meeting.observable, meeting.a_mask, meeting.b_mask
    zero = zeros_like(load(state, 0))
    for o in range(0, count, 4):
        j, b = 0, meeting.b * V
        while True:
            sum0, sum1, sum2, sum3 = zero, zero, zero, zero
            i, a = 0, meeting.a * V
            while True:
                left, p = load(state, a), (at + (i | j)) * V + o
                sum0 = sum0 + spread(observables, p) * left
                sum1 = sum1 + spread(observables, p + 1) * left
                sum2 = sum2 + spread(observables, p + 2) * left
                sum3 = sum3 + spread(observables, p + 3) * left
                a += V
                i = (i - a_mask) & a_mask
                if i == 0:
                    break
            right = load(state, b)
            accumulate(totals, o * V, sum0 * right)
            accumulate(totals, (o + 1) * V, sum1 * right)
            accumulate(totals, (o + 2) * V, sum2 * right)
            accumulate(totals, (o + 3) * V, sum3 * right)
            b += V
            j = (j - b_mask) & b_mask
            if j == 0:
                break


@internal
def meet_states(
    meeting: Meeting, state: Array, adjoint: Array, observables: Array, count: int, upstream: Array
) -> None:
    """Add the slopes of sum(upstream * values) by A and B to `adjoint`; upstream is (count, V), lanes of samples."""
    V = width(state)
    at, a_mask, b_mask = meeting.observable, meeting.a_mask, meeting.b_mask
    j, b = 0, meeting.b * V
    while True:
        right = load(state, b)
        total = zeros_like(right)
        i, a = 0, meeting.a * V
        while True:
            p = (at + (i | j)) * V
            slope = zeros_like(right)
            for o in range(0, count, 4):
                slope = slope + spread(observables, p + o) * load(upstream, o * V)
                slope = slope + spread(observables, p + o + 1) * load(upstream, (o + 1) * V)
                slope = slope + spread(observables, p + o + 2) * load(upstream, (o + 2) * V)
                slope = slope + spread(observables, p + o + 3) * load(upstream, (o + 3) * V)
            store(adjoint, a, load(adjoint, a) + slope * right)
            total = total + slope * load(state, a)
            a += V
            i = (i - a_mask) & a_mask
            if i == 0:
                break
        store(adjoint, b, load(adjoint, b) + total)
        b += V
        j = (j - b_mask) & b_mask
        if j == 0:
            return


@internal
def meet_observables(meeting: Meeting, state: Array, adjoint: Array, upstream: Array) -> None:
    """Add the slopes of sum(upstream * values) by the observables to `adjoint`.

    These are the states of the samples, weighted; upstream is (samples of the tile, V), lanes of observables.
    """
    V = width(state)
    at, a_mask, b_mask = meeting.observable, meeting.a_mask, meeting.b_mask
    for s in range(0, V, 4):
        j, b = 0, meeting.b * V + s
        while True:
            right0 = spread(state, b) * load(upstream, s * V)
            right1 = spread(state, b + 1) * load(upstream, (s + 1) * V)
            right2 = spread(state, b + 2) * load(upstream, (s + 2) * V)
            right3 = spread(state, b + 3) * load(upstream, (s + 3) * V)
            i, a = 0, meeting.a * V + s
            while True:
                p = (at + (i | j)) * V
                total = load(adjoint, p) + spread(state, a) * right0
                total = total + spread(state, a + 1) * right1
                total = total + spread(state, a + 2) * right2
                total = total + spread(state, a + 3) * right3
                store(adjoint, p, total)
                a += V
                i = (i - a_mask) & a_mask
                if i == 0:
                    break
            b += V
            j = (j - b_mask) & b_mask
            if j == 0:
                break


@internal
def read_strings(strings: Strings, at: int, state: Array, totals: Array) -> None:
    """Add the values of all observables in whole states at row `at` to totals (O, V), float64."""
    V = width(state)
    for o in range(len(strings.start) - 1):
        for k in range(strings.start[o], strings.start[o + 1]):
            row, coefficient = (at + strings.key[k]) * V, strings.coefficient[k]
            for lane in range(V):
                totals[o * V + lane] += coefficient * state[row + lane]


@internal
def seed_strings(strings: Strings, at: int, adjoint: Array, upstream: Array) -> None:
    """Add the slopes of sum(upstream * values) by whole states; upstream is (O, V), lanes of samples."""
    V = width(adjoint)
    for o in range(len(strings.start) - 1):
        for k in range(strings.start[o], strings.start[o + 1]):
            row, coefficient = (at + strings.key[k]) * V, strings.coefficient[k]
            for lane in range(V):
                adjoint[row + lane] += coefficient * upstream[o * V + lane]
