"""The loop of `resynthesis`, compiled: parts of a circuit are written anew, and kept by what the circuit then loses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qgen.compilation import internal, kernel
from qgen.transpilation.kernels.arrays import chance
from qgen.transpilation.kernels.frames import SITES
from qgen.transpilation.kernels.parts import copy, draw_part, rewrite

#: Prices that differ by less are equal.
_SAME = 1e-9


class SitePrices(NamedTuple):
    """What is lost, minus the logarithms of fidelities, and how long gates take.

    Attributes:
        pair: (S, S), lost by a two-qubit gate.
        pair_seconds: (S, S), of the same.
        one: (S,), lost by a one-qubit gate that takes time.
        one_seconds: (S,), of the same.
        waiting: (S,), lost by a qubit that waits there for a second.
    """

    pair: np.ndarray
    pair_seconds: np.ndarray
    one: np.ndarray
    one_seconds: np.ndarray
    waiting: np.ndarray


@kernel
def shorten(
    operations: Any, measured: Any, is_open: Any, prices: Any,
    seed: int, kept: int, parts: int, patience: int, warmth: float,
) -> int:  # fmt: skip
    """Write parts anew, with fewer gates or as many, on the couplers that the circuit uses; find a low price.

    Args:
        operations: (N, 4), see `parts`; is changed in place.
        measured: (S,), for each site the Pauli that is its Z after the gates that were moved to the end.
        is_open: (R,), whether the angle of each rotation is open.
        prices: `SitePrices`.
        seed: of all that is drawn.
        kept: see `find_gates`.
        parts: that are tried, at most.
        patience: parts without success before the search ends.
        warmth: what a part may cost more than before, in the mean.

    Returns:
        The number of operations, which are the first ones of the array.
    """
    count, failures, sites = len(operations), 0, len(measured)
    random = np.array([np.uint64(seed) << np.uint64(1) | np.uint64(1)], np.uint64)
    coupled = np.zeros((sites, sites), np.bool_)
    for k in range(count):
        if operations[k, 1] >= 0:
            coupled[operations[k, 0], operations[k, 1]] = coupled[operations[k, 1], operations[k, 0]] = True
    where, chosen, closed = np.empty(count, np.int8), np.empty(SITES, np.int64), np.empty(sites, np.bool_)
    place = np.full(sites, -1, np.int64)
    ends = _Ends(np.empty(sites), np.empty(sites, np.int64), np.empty(sites, np.int64), np.empty(sites, np.bool_))
    now, written, measured_then = operations.copy(), np.empty_like(operations), measured.copy()
    price = best = _price(now, count, measured, is_open, prices, ends)
    best_count = count
    for _ in range(parts):
        if failures >= patience:
            break
        failures += 1
        size = draw_part(now, count, random, where, chosen, closed)
        if size == 0:
            continue
        for k in range(size):
            place[chosen[k]] = k
        for k in range(sites):
            measured_then[k] = measured[k]
        end = rewrite(now, count, where, chosen[:size], place, coupled, kept, random, written, measured_then)
        for k in range(size):
            place[chosen[k]] = -1
        if end < 0:
            continue
        then = _price(written, end, measured_then, is_open, prices, ends)
        if then > price - warmth * np.log(1 - chance(random)):
            continue
        now, written, price, count = written, now, then, end
        for k in range(sites):
            measured[k] = measured_then[k]
        if price < best * (1 - _SAME):
            best, best_count, failures = price, count, 0
            for k in range(count):
                copy(now[k], operations, k)
    return best_count


class _Ends(NamedTuple):
    """Where a circuit is that is read from its end, by site: what comes next.

    Attributes:
        began: (S,), seconds from there to the end.
        axis: (S,), the Pauli that the next operation is about.
        turns: (S,), one-qubit gates before the next two-qubit gate.
        has_open: (S,), whether an open rotation lies between them.
    """

    began: Any
    axis: Any
    turns: Any
    has_open: Any


@internal
def _price(operations: Any, count: int, measured: Any, is_open: Any, prices: Any, ends: Any) -> float:
    """Price a circuit: its gates, and what its sites wait, everything being as late as possible.

    A one-qubit gate lies between two operations of a site that are about different Paulis. Where no angle is open, two
    are enough between two-qubit gates.
    """
    price = 0.0
    for site in range(len(measured)):
        ends.began[site], ends.axis[site], ends.turns[site], ends.has_open[site] = 0.0, measured[site], 0, False
    for k in range(count - 1, -1, -1):
        one, other, p, q = operations[k]
        _turn(one, p, ends)
        if other < 0:
            ends.has_open[one] |= is_open[q]
            continue
        _turn(other, q, ends)
        price += _gates_between(one, prices, ends) + _gates_between(other, prices, ends)
        start = max(ends.began[one], ends.began[other])
        for site in (one, other):
            price += (start - ends.began[site]) * prices.waiting[site]
        price += prices.pair[one, other]
        ends.began[one] = ends.began[other] = start + prices.pair_seconds[one, other]
    for site in range(len(measured)):
        _turn(site, 2, ends)
        price += _gates_between(site, prices, ends)
    return price


@internal
def _turn(site: int, pauli: int, ends: Any) -> None:
    ends.turns[site] += ends.axis[site] != pauli
    ends.axis[site] = pauli


@internal
def _gates_between(site: int, prices: Any, ends: Any) -> float:
    """Price the one-qubit gates between two two-qubit gates of a site."""
    gates = ends.turns[site] if ends.has_open[site] else min(ends.turns[site], 2)
    ends.turns[site], ends.has_open[site] = 0, False
    ends.began[site] += gates * prices.one_seconds[site]
    return float(gates * prices.one[site])
