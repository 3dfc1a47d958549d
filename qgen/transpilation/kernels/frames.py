"""The beam search of `resynthesis`, compiled.

Sites are those of a part, up to `SITES` of them. Gates of the part change the Pauli operators of the part's beginning,
an X and a Z for each site, up to signs, which do not matter here. What they have become is kept by site: its column has
a bit for each of these 2 K operators that has an X there, in the low half, and a Z there, in the high half. A Pauli of
a site is 1, 2 or 3 for X, Z and Y; an operator of the beginning is a number, too: its bit 2 k is the X of site k, bit
2 k + 1 the Z.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qgen.compilation import inlined, internal
from qgen.transpilation.kernels.arrays import chance

#: Of a part, at most.
SITES, ROTATIONS = 8, 128
_HALF = 16
#: States are compared with those that have done as many rotations; of the most rotations and this many fewer, some
#: are kept.
STRATA = 20
#: Weight of a rotation that is next, by the rotations that are ahead of it; and how many are looked at.
DECAY, LOOK = 0.8, 12
#: Weight of what is left of the Clifford operator at the end, and of chance, which decides between equals.
LAST, CHANCE = 0.05, 1e-3


@internal
def find_gates(
    couplers: Any, spans: Any, rotations: Any, behind: Any, goals: Any, most: int, kept: int, random: Any, gates: Any
) -> int:
    """Find few two-qubit gates after each of which the rotations that are on one site can be done.

    Args:
        couplers: (C, 2).
        spans: (2^K,), couplers that connect a set of sites, given as bits.
        rotations: (R,), the operators of the beginning that they are about, in an order in which they can be done.
        behind: (R, 2), as bits, those that each has to come after.
        goals: (2 K,), the operators of the beginning that have to be the X and the Z of each site in the end.
        most: gates, at most.
        kept: states that are kept for each number of rotations that are done.
        random: (1,), see `chance`.
        gates: (most, 3), is filled with coupler and Pauli of its first site and of its second.

    Returns:
        The number of gates; -1 if that is more than `most`.
    """
    sites, total = len(goals) // 2, len(rotations)
    now, following = np.empty((STRATA * kept, sites), np.uint32), np.empty((STRATA * kept, sites), np.uint32)
    done, done_then = np.zeros((STRATA * kept, 2), np.uint64), np.zeros((STRATA * kept, 2), np.uint64)
    steps = np.empty((most + 1, STRATA * kept, 4), np.int32)  # the state before, and the gate
    sizes, scores = np.zeros(total + 1, np.int64), np.empty((total + 1, kept))
    hashes, entries = np.empty((total + 1, kept), np.uint64), np.empty((total + 1, kept, 4), np.int32)
    pending, supports = np.empty(total, np.int64), np.empty(total + 2 * sites, np.int64)
    word, entry = np.zeros(2, np.uint64), np.empty(4, np.int32)
    for site in range(sites):
        now[0, site] = np.uint32(1) << np.uint32(2 * site) | np.uint32(1) << np.uint32(2 * site + 1 + _HALF)
    count = 1
    advance(now[0], done[0], rotations, behind)
    for level in range(1, most + 1):
        sizes[:] = 0
        for index in range(count):
            left = _list_pending(now[index], done[index], rotations, goals, pending, supports)
            for kind in range(9 * len(couplers)):
                coupler, p, q = kind // 9, kind // 3 % 3 + 1, kind % 3 + 1
                first, second = couplers[coupler]
                one, other = _controlled(now[index, first], now[index, second], p, q)
                word[0], word[1] = done[index]
                undone, end, ahead, score = _look_ahead(
                    first, second, one, other, word, rotations, behind, goals, spans, pending, supports, left
                )
                entry[0], entry[1], entry[2], entry[3] = index, coupler, p, q
                if undone == 0 and end == 0.0:
                    _trace(steps, entry, level, gates)
                    return level
                stratum, score = total - undone, score + CHANCE * chance(random)
                if level + ahead <= most and (sizes[stratum] < kept or score < scores[stratum, kept - 1]):
                    mixed = _mixed(now[index], word, first, second, one, other)
                    _insert(sizes, scores, hashes, entries, stratum, score, mixed, entry)
        count = _follow(now, done, sizes, entries, couplers, rotations, behind, following, done_then, steps[level])
        now, following, done, done_then = following, now, done_then, done
    return -1


@internal
def _follow(
    states: Any, done: Any, sizes: Any, entries: Any, couplers: Any, rotations: Any, behind: Any,
    following: Any, done_then: Any, steps: Any,
) -> int:  # fmt: skip
    """Fill in the states after the gates that are kept, those with the most rotations done first; return how many."""
    count = strata = 0
    for stratum in range(len(sizes) - 1, -1, -1):
        strata += strata > 0 or sizes[stratum] > 0
        for k in range(sizes[stratum] if strata <= STRATA else 0):
            index, coupler, p, q = entries[stratum, k]
            for site in range(states.shape[1]):
                following[count, site] = states[index, site]
            done_then[count, 0], done_then[count, 1] = done[index]
            apply(following[count], couplers[coupler, 0], couplers[coupler, 1], p, q)
            advance(following[count], done_then[count], rotations, behind)
            for place in range(4):
                steps[count, place] = entries[stratum, k, place]
            count += 1
    return count


@internal
def _trace(steps: Any, last: Any, level: int, gates: Any) -> None:
    """Fill in the gates that lead to a state, the last one first."""
    index = last[0]
    for place in range(3):
        gates[level - 1, place] = last[place + 1]
    for k in range(level - 1, 0, -1):
        for place in range(3):
            gates[k - 1, place] = steps[k, index, place + 1]
        index = steps[k, index, 0]


@internal
def _list_pending(columns: Any, done: Any, rotations: Any, goals: Any, pending: Any, supports: Any) -> int:
    """List the rotations that are left, and on which sites each, and each goal, is; return how many are left."""
    left = 0
    for k in range(len(rotations)):
        if not done[k >> 6] >> np.uint64(k & 63) & np.uint64(1):
            pending[left], supports[left] = k, support(columns, rotations[k])
            left += 1
    for k in range(len(goals)):
        supports[left + k] = support(columns, goals[k])
    return left


@internal
def _look_ahead(
    first: int, second: int, one: Any, other: Any, done: Any, rotations: Any, behind: Any, goals: Any,
    spans: Any, pending: Any, supports: Any, left: int,
) -> tuple[int, float, float, float]:  # fmt: skip
    """Do what can be done after a gate that leaves two sites with new columns.

    Returns:
        The rotations that are left, what is left of the Clifford operator, the fewest gates that are left, by what was
        looked at, and a score of them, which is to be low.
    """
    others = ~(1 << first | 1 << second)
    undone, seen, weight, score, ahead, end = 0, 0, 1.0, 0.0, 0.0, 0.0
    for j in range(left):
        k = pending[j]
        is_ready = not (behind[k, 0] & ~done[0] or behind[k, 1] & ~done[1])
        if not is_ready and seen >= LOOK:
            undone += 1
            continue
        mask = rotations[k]
        sites = supports[j] & others | _is_on(one, mask) << first | _is_on(other, mask) << second
        if is_ready and not sites & (sites - 1):
            done[k >> 6] |= np.uint64(1) << np.uint64(k & 63)
            continue
        undone += 1
        if seen < LOOK:
            score += weight * spans[sites]
            ahead = max(ahead, spans[sites])
            weight *= DECAY
            seen += 1
    for k in range(len(goals)):
        mask = goals[k]
        sites = supports[left + k] & others | _is_on(one, mask) << first | _is_on(other, mask) << second
        span = spans[sites | 1 << (k >> 1)]
        end += span
        ahead = max(ahead, span)
    return undone, end, ahead, score + LAST * end


@internal
def _insert(
    sizes: Any, scores: Any, hashes: Any, entries: Any, stratum: int, score: float, mixed: Any, entry: Any
) -> None:
    """Add a state to those of its stratum, which are in order, if it is new; the last one may have to go."""
    size, most = sizes[stratum], scores.shape[1]
    for k in range(size):
        if hashes[stratum, k] == mixed:
            return
    k = min(size, most - 1)
    sizes[stratum] = k + 1
    while k > 0 and scores[stratum, k - 1] > score:
        scores[stratum, k], hashes[stratum, k] = scores[stratum, k - 1], hashes[stratum, k - 1]
        for place in range(4):
            entries[stratum, k, place] = entries[stratum, k - 1, place]
        k -= 1
    scores[stratum, k], hashes[stratum, k] = score, mixed
    for place in range(4):
        entries[stratum, k, place] = entry[place]


@internal
def advance(columns: Any, done: Any, rotations: Any, behind: Any) -> None:
    """Do all rotations that are on one site, and not behind others."""
    for k in range(len(rotations)):
        if not done[k >> 6] >> np.uint64(k & 63) & np.uint64(1) and is_free(columns, done, rotations, behind, k):
            done[k >> 6] |= np.uint64(1) << np.uint64(k & 63)


@internal
def is_free(columns: Any, done: Any, rotations: Any, behind: Any, k: int) -> bool:
    """Whether a rotation is on one site and not behind others."""
    sites = support(columns, rotations[k])
    return not sites & (sites - 1) and not (behind[k, 0] & ~done[0] or behind[k, 1] & ~done[1])


@internal
def apply(columns: Any, first: int, second: int, p: int, q: int) -> None:
    """Conjugate by the gate that a Pauli of one site controls a Pauli of another with."""
    columns[first], columns[second] = _controlled(columns[first], columns[second], p, q)


@inlined
def _controlled(one: Any, other: Any, p: int, q: int) -> Any:
    """Return the columns of the two sites after such a gate."""
    with_one, with_other = anticommuting(one, p), anticommuting(other, q)
    return one ^ _spread(with_other, p), other ^ _spread(with_one, q)


@inlined
def anticommuting(column: Any, pauli: int) -> Any:
    """Return the operators, as bits, that anticommute with a Pauli of this column's site."""
    mask = np.uint32(0)
    if pauli & 1:
        mask ^= column >> np.uint32(_HALF)
    if pauli & 2:
        mask ^= column & np.uint32((1 << _HALF) - 1)
    return mask


@inlined
def _spread(mask: Any, pauli: int) -> Any:
    """Return a column that has the Pauli for these operators."""
    column = np.uint32(0)
    if pauli & 1:
        column ^= mask
    if pauli & 2:
        column ^= mask << np.uint32(_HALF)
    return column


@inlined
def pauli_at(column: Any, mask: Any) -> int:
    """Return the Pauli that a product of operators of the beginning has at this column's site; 0 if it has none."""
    both = column & (mask | mask << np.uint32(_HALF))
    both ^= both >> np.uint32(8)  # from here on, the low byte of each half counts
    both ^= both >> np.uint32(4)
    both ^= both >> np.uint32(2)
    both ^= both >> np.uint32(1)
    return int(both & np.uint32(1) | both >> np.uint32(_HALF - 1) & np.uint32(2))


@inlined
def _is_on(column: Any, mask: Any) -> int:
    return int(pauli_at(column, mask) != 0)


@internal
def support(columns: Any, mask: Any) -> int:
    """Return the sites, as bits, that a product of operators of the beginning is on."""
    sites = 0
    for site in range(len(columns)):
        sites |= _is_on(columns[site], mask) << site
    return sites


@internal
def _mixed(columns: Any, done: Any, first: int, second: int, one: Any, other: Any) -> Any:
    """Mix columns, two of which are new, up to one-qubit gates, which exchange the Paulis of a site."""
    prime, mixed = np.uint64(1099511628211), np.uint64(14695981039346656037)
    for site in range(len(columns)):
        column = one if site == first else other if site == second else columns[site]
        x, z = column & np.uint32((1 << _HALF) - 1), column >> np.uint32(_HALF)
        y = x ^ z
        least, greatest = min(x, min(y, z)), max(x, max(y, z))
        mixed = (mixed ^ np.uint64(least << np.uint32(_HALF) | greatest)) * prime
        mixed ^= mixed >> np.uint64(31)
    for k in range(2):
        mixed = (mixed ^ done[k]) * prime
        mixed ^= mixed >> np.uint64(29)
    return mixed
