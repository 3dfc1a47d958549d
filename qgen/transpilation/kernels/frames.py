"""The beam search of `resynthesis`, compiled.

A Pauli operator of up to 16 sites is a number: its X part in the low 16 bits, its Z part in those above.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qgen.compilation import internal, kernel

BITS = 16
_X = (1 << BITS) - 1
#: Weight of a rotation that is next, by the rotations that are ahead of it; and how many are looked at.
DECAY, LOOK = 0.75, 12
#: Weight of what is left of the Clifford operator at the end.
LAST = 0.05


@kernel
def find_gates(
    rows: Any, rotations: Any, ends: Any, before: Any, couplers: Any, spans: Any, most: int, width: int, gates: Any
) -> int:
    """Find few two-qubit gates after each of which the rotations that are on one site can be done.

    Level by level, one gate more in each, it keeps the states that have done the most, and have the least ahead.

    Args:
        rows: (2 K,), for each of K sites the operators that have to be its X and its Z in the end, before the first
            gate.
        rotations: (R,), likewise, in an order in which they can be done.
        ends: (R + 1,), where `before` ends for each rotation, 0 first.
        before: those before rotation r are before[ends[r]:ends[r + 1]].
        couplers: (C, 2).
        spans: (2^K,), couplers that connect a set of sites.
        most: gates, at most.
        width: states that are kept.
        gates: (most,), is filled with 9 coupler + 3 (Pauli of its first site) + (of its second): X, Z or Y.

    Returns:
        The number of gates; -1 if that is more than `most`.
    """
    total, kinds = len(rows) + len(rotations), 9 * len(couplers)
    now = np.empty((width, total), np.uint32)
    following = np.empty((width, total), np.uint32)
    done, done_then = np.zeros((width, len(rotations)), np.uint8), np.zeros((width, len(rotations)), np.uint8)
    scores, order = np.empty(width * kinds), np.empty(width * kinds, np.int64)
    hashes = np.empty(width * kinds, np.uint64)
    parents, chosen = np.zeros((most + 1, width), np.int32), np.zeros((most + 1, width), np.int32)
    trial, trial_done = np.empty(total, np.uint32), np.empty(len(rotations), np.uint8)
    now[0, : len(rows)], now[0, len(rows) :] = rows, rotations
    _advance(now[0], done[0], ends, before, len(rows))
    count = 1
    for level in range(1, most + 1):
        for index in range(count):
            for kind in range(kinds):
                trial[:], trial_done[:] = now[index], done[index]
                _apply(trial, trial_done, len(rows), couplers, kind)
                _advance(trial, trial_done, ends, before, len(rows))
                place = index * kinds + kind
                scores[place] = _score(trial, trial_done, spans, len(rows))
                hashes[place] = _hash(trial, trial_done, len(rows))
                order[place] = place
                if scores[place] == 0:
                    gates[level - 1] = kind
                    for k in range(level - 1, 0, -1):
                        gates[k - 1] = chosen[k, index]
                        index = parents[k, index]
                    return level
        candidates = np.argsort(scores[: count * kinds])
        kept, seen = 0, set([np.uint64(0)])  # noqa: C405  # numba knows no empty set
        for place in candidates:
            if hashes[place] in seen:
                continue
            seen.add(hashes[place])
            index, kind = place // kinds, place % kinds
            following[kept], done_then[kept] = now[index], done[index]
            _apply(following[kept], done_then[kept], len(rows), couplers, kind)
            _advance(following[kept], done_then[kept], ends, before, len(rows))
            parents[level, kept], chosen[level, kept] = index, kind
            kept += 1
            if kept == width:
                break
        now, following, done, done_then, count = following, now, done_then, done, kept
    return -1


@internal
def _apply(paulis: Any, done: Any, rows: int, couplers: Any, kind: int) -> None:
    """Conjugate by the gate that a Pauli of one site controls a Pauli of another with."""
    first, second = couplers[kind // 9]
    p, q = kind % 9 // 3 + 1, kind % 3 + 1
    one = np.uint32(((p & 1) << first) | ((p >> 1) << (first + BITS)))
    other = np.uint32(((q & 1) << second) | ((q >> 1) << (second + BITS)))
    for k in range(len(paulis)):
        if k >= rows and done[k - rows]:
            continue
        pauli = paulis[k]
        with_one, with_other = _anticommute(pauli, one, first), _anticommute(pauli, other, second)
        if with_one:
            paulis[k] ^= other
        if with_other:
            paulis[k] ^= one


@internal
def _anticommute(pauli: Any, one: Any, site: int) -> bool:
    """Whether a Pauli anticommutes with one of a single site."""
    x, z = pauli >> np.uint32(site) & np.uint32(1), pauli >> np.uint32(site + BITS) & np.uint32(1)
    of_x, of_z = one >> np.uint32(site) & np.uint32(1), one >> np.uint32(site + BITS) & np.uint32(1)
    return (x & of_z) != (z & of_x)


@internal
def _support(pauli: Any) -> int:
    return int((pauli | pauli >> np.uint32(BITS)) & np.uint32(_X))


@internal
def _advance(paulis: Any, done: Any, ends: Any, before: Any, rows: int) -> None:
    """Do all rotations that are on one site, and not behind others."""
    for k in range(len(done)):
        if done[k]:
            continue
        support = _support(paulis[rows + k])
        if support & (support - 1):
            continue
        free = True
        for j in range(ends[k], ends[k + 1]):
            if not done[before[j]]:
                free = False
                break
        if free:
            done[k] = 1


@internal
def _score(paulis: Any, done: Any, spans: Any, rows: int) -> float:
    """What is ahead; 0 if nothing is."""
    score, weight, looked = 0.0, 1.0, 0
    for k in range(len(done)):
        if not done[k]:
            score += 1.0
            if looked < LOOK:
                score += weight * spans[_support(paulis[rows + k])]
                weight *= DECAY
                looked += 1
    for k in range(rows):
        score += LAST * spans[_support(paulis[k]) | 1 << k // 2]
    return score


@internal
def _hash(paulis: Any, done: Any, rows: int) -> Any:
    """Mix as FNV-1a does (Fowler, Noll and Vo, 1991), a number at a time; the rotations follow from the rows."""
    prime, mixed = np.uint64(1099511628211), np.uint64(14695981039346656037)
    for k in range(rows):
        mixed = (mixed ^ np.uint64(paulis[k])) * prime
        mixed ^= mixed >> np.uint64(31)
    for k in range(len(done)):
        mixed = (mixed ^ np.uint64(done[k])) * prime
        mixed ^= mixed >> np.uint64(29)
    return mixed
