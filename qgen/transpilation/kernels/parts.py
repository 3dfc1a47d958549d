"""Parts of a circuit for `shortening`, compiled: draw one, look for fewer gates, and write it anew.

A circuit is an array of operations, a row each: a gate is two sites and a Pauli of each, which control each other; a
rotation is its site, -1, the Pauli that it is about, and its number. Paulis are as in `frames`, signs are left out,
and so are one-qubit gates: they come to the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qgen.compilation import internal
from qgen.transpilation.kernels.arrays import chance
from qgen.transpilation.kernels.frames import (
    ROTATIONS,
    anticommuting,
    apply,
    find_gates,
    is_free,
    pauli_at,
)

#: Sites of a part, and its gates, at most; and gates at least.
_MOST_SITES, _MOST_GATES, _FEWEST_GATES = 6, 50, 4
#: Probability that a part takes in one more site where it could.
_GROWTH = 0.8
_BEFORE, _PART, _AFTER = 0, 1, 2
_FAR = 1e3


@internal
def draw_part(operations: Any, count: int, random: Any, where: Any, chosen: Any, closed: Any) -> int:
    """Draw operations on few sites that can run without others in between, from one of the gates on.

    Returns:
        The number of sites, in `chosen`; 0 if the part has too few gates.
    """
    gates = 0
    for k in range(count):
        gates += operations[k, 1] >= 0
    if gates < _FEWEST_GATES:
        return 0
    start = int(chance(random) * gates)
    first = -1
    while start >= 0:
        first += 1
        start -= operations[first, 1] >= 0
    most = 3 + int(chance(random) * (_MOST_SITES - 2))
    limit = _MOST_GATES // 2 + int(chance(random) * (_MOST_GATES // 2 + 1))
    for site in range(len(closed)):
        closed[site] = False
    chosen[0], chosen[1] = operations[first, 0], operations[first, 1]
    size, gates, rotations = 2, 1, 0
    for k in range(count):
        if k <= first:
            where[k] = _PART if k == first else _BEFORE
            continue
        one, other = operations[k, 0], operations[k, 1]
        has_one, has_other = _is_in(chosen, size, one), other >= 0 and _is_in(chosen, size, other)
        is_closed, is_new = closed[one] or (other >= 0 and closed[other]), other >= 0 and has_one != has_other
        if not (is_closed or has_one or has_other):
            where[k] = _BEFORE
            continue
        fits = gates < limit if other >= 0 else rotations < ROTATIONS
        if is_closed or not fits or (is_new and (size == most or chance(random) > _GROWTH)):
            where[k] = _AFTER
            closed[one] = True
            if other >= 0:
                closed[other] = True
            continue
        where[k] = _PART
        gates += other >= 0
        rotations += other < 0
        if is_new:
            chosen[size] = other if has_one else one
            size += 1
    return size if gates >= _FEWEST_GATES else 0


@internal
def _is_in(chosen: Any, size: int, site: int) -> bool:
    found = False
    for k in range(size):
        found |= chosen[k] == site
    return found


@internal
def rewrite(
    operations: Any, count: int, where: Any, chosen: Any, place: Any, coupled: Any, kept: int, random: Any,
    written: Any, measured: Any,
) -> int:  # fmt: skip
    """Write the circuit with one part anew to `written`; return how many operations it has, or -1."""
    size = len(chosen)
    columns, numbers = _beginning(size), np.empty(ROTATIONS, np.int64)
    rotations, gates, total = np.empty(ROTATIONS, np.uint32), 0, 0
    for k in range(count):
        if where[k] == _PART:
            one, other, p, q = operations[k]
            if other >= 0:
                apply(columns, place[one], place[other], p, q)
                gates += 1
            else:
                rotations[total], numbers[total] = _at_the_beginning(columns[place[one]], p), q
                total += 1
    rotations = rotations[:total]
    goals = np.empty(2 * size, np.uint32)
    for site in range(size):
        goals[2 * site], goals[2 * site + 1] = _at_the_beginning(columns[site], 1), _at_the_beginning(columns[site], 2)
    behind = _order(rotations)
    couplers = _couplers_among(chosen, coupled)
    found = np.empty((gates, 3), np.int32)
    length = find_gates(couplers, _spans(size, couplers), rotations, behind, goals, gates, kept, random, found)
    if length < 0:
        return -1
    columns, done, end = _beginning(size), np.zeros(2, np.uint64), 0
    for k in range(count):
        if where[k] == _BEFORE:
            end = copy(operations[k], written, end)
    end = _write_rotations(columns, done, rotations, behind, numbers, chosen, written, end)
    for k in range(length):
        coupler, p, q = found[k]
        first, second = couplers[coupler]
        apply(columns, first, second, p, q)
        written[end, 0], written[end, 1], written[end, 2], written[end, 3] = chosen[first], chosen[second], p, q
        end = _write_rotations(columns, done, rotations, behind, numbers, chosen, written, end + 1)
    return _write_after(operations, count, where, columns, goals, chosen, place, measured, written, end)


@internal
def _write_after(
    operations: Any, count: int, where: Any, columns: Any, goals: Any, chosen: Any, place: Any, measured: Any,
    written: Any, end: int,
) -> int:  # fmt: skip
    """Write what comes after the part, with its Paulis by the names that they have behind the new gates."""
    renamed = np.zeros((len(chosen), 4), np.int32)
    for site in range(len(chosen)):
        for pauli in range(1, 3):
            renamed[site, pauli] = pauli_at(columns[site], goals[2 * site + pauli - 1])
        renamed[site, 3] = renamed[site, 1] ^ renamed[site, 2]
        measured[chosen[site]] = renamed[site, measured[chosen[site]]]
    for k in range(count):
        if where[k] == _AFTER:
            end = copy(operations[k], written, end)
            one, other = operations[k, 0], operations[k, 1]
            if place[one] >= 0:
                written[end - 1, 2] = renamed[place[one], operations[k, 2]]
            if other >= 0 and place[other] >= 0:
                written[end - 1, 3] = renamed[place[other], operations[k, 3]]
    return end


@internal
def _beginning(size: int) -> Any:
    columns = np.empty(size, np.uint32)
    for site in range(size):
        columns[site] = np.uint32(1) << np.uint32(2 * site) | np.uint32(1) << np.uint32(2 * site + 17)
    return columns


@internal
def _at_the_beginning(column: Any, pauli: int) -> Any:
    """Return the operator of the beginning that has become a Pauli of this column's site."""
    # It has X_k where the Pauli anticommutes with what Z_k has become, and the other way round.
    mask, odd = anticommuting(column, pauli), np.uint32(0xAAAA)
    return (mask & odd) >> np.uint32(1) | (mask & ~odd) << np.uint32(1)


@internal
def _order(rotations: Any) -> Any:
    """Return for each rotation those before it that it does not commute with, as bits."""
    behind, odd = np.zeros((len(rotations), 2), np.uint64), np.uint32(0xAAAA)
    for k in range(len(rotations)):
        mask = rotations[k]
        exchanged = (mask & odd) >> np.uint32(1) | (mask & ~odd) << np.uint32(1)
        for j in range(k):
            both, count = exchanged & rotations[j], 0
            while both:
                both &= both - np.uint32(1)
                count += 1
            if count & 1:
                behind[k, j >> 6] |= np.uint64(1) << np.uint64(j & 63)
    return behind


@internal
def _couplers_among(chosen: Any, coupled: Any) -> Any:
    size, count = len(chosen), 0
    couplers = np.empty((size * (size - 1) // 2, 2), np.int64)
    for first in range(size):
        for second in range(first + 1, size):
            if coupled[chosen[first], chosen[second]]:
                couplers[count, 0], couplers[count, 1] = first, second
                count += 1
    return couplers[:count]


@internal
def _spans(size: int, couplers: Any) -> Any:
    """For each set of sites, as bits, the couplers of the smallest tree that connects them; of none, 0."""
    spans = np.full(1 << size, _FAR)
    for chosen in range(1 << size):
        reached, before, sites = chosen & -chosen, -1, 0
        while reached != before:
            before = reached
            for k in range(len(couplers)):
                pair = 1 << couplers[k, 0] | 1 << couplers[k, 1]
                if reached & pair and pair & chosen == pair:
                    reached |= pair
        if reached == chosen:
            for site in range(size):
                sites += chosen >> site & 1
            part = chosen
            while part:
                spans[part] = min(spans[part], sites - 1.0)
                part = (part - 1) & chosen
    spans[0] = 0.0
    return spans


@internal
def _write_rotations(
    columns: Any, done: Any, rotations: Any, behind: Any, numbers: Any, chosen: Any, written: Any, end: int
) -> int:
    for k in range(len(rotations)):
        if not done[k >> 6] >> np.uint64(k & 63) & np.uint64(1) and is_free(columns, done, rotations, behind, k):
            done[k >> 6] |= np.uint64(1) << np.uint64(k & 63)
            for site in range(len(columns)):
                pauli = pauli_at(columns[site], rotations[k])
                if pauli:
                    written[end, 0], written[end, 1], written[end, 2] = chosen[site], -1, pauli
                    written[end, 3] = numbers[k]
            end += 1
    return end


@internal
def copy(operation: Any, written: Any, end: int) -> int:
    """Write an operation at a place; return the next one."""
    for column in range(4):
        written[end, column] = operation[column]
    return end + 1
