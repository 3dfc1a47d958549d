"""Pauli propagation: observables run backwards through a circuit's blocks as a list of Pauli strings.

An observable is a sum of Pauli strings. A block with Pauli transfer matrix R turns it into another, whose coefficients
are R^T times the old ones, on the two digits of a string that belong to the block's wires: strings that agree on all
other wires are a group, and are multiplied by R^T together. Strings that neither touch the block nor meet a group stay
as they are. A lane is an observable, or a scout (`scouts.py`): up to 16 (float32) or 8 (float64) share one list.

What makes it quick is that strings with small coefficients are dropped; `thresholds` says below what, by the number of
wires that a string acts on (Rall et al., arXiv:1901.09070; with noise, Schuster et al., arXiv:2407.12768).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.bits import count_bits, lowest_bit
from qgen.backends.statevector.lanes import (
    exceeds,
    inlined,
    internal,
    kernel,
    load,
    spread,
    store,
    width,
    zeros_like,
)

Array = Any
MULTIPLIER = -7046029254386353131  # 2^64 / golden ratio, as a signed number: spreads keys over a table (Knuth)
DIGITS = 0x5555555555555555  # the lower bit of each digit
FREE = -1  # the key of a slot without a string


class Slots(NamedTuple):
    """A list of strings. A string keeps its slot while it is in the list; empty slots are used again.

    Attributes:
        keys: int64, the digits of each slot's string; -1: none.
        coefficients: flat, a vector of lanes for each slot.
        empty: int32, a stack of slots without a string.
    """

    keys: Array
    coefficients: Array
    empty: Array


class Groups(NamedTuple):
    """The groups of one block, and the hash table that finds them.

    Attributes:
        table: int32, numbers of groups; -1: none.
        keys: int64, a group's digits outside the block.
        present: int32, bit d is set where the group has the string with digits d on the block.
        members: int32, 16 a group: the slots of these strings.
        images: flat, 16 vectors: a group times R^T.
        matrix: flat, 256 vectors: the block's R in each lane.
        slots: int32, 16: those of the group at hand.
        touched: int32, the slots of the strings on the block.
        others: int32, the slots of those beside it.
    """

    table: Array
    keys: Array
    present: Array
    members: Array
    images: Array
    matrix: Array
    slots: Array
    touched: Array
    others: Array


class Tape(NamedTuple):
    """What the way back needs, group by group in the order of the propagation.

    Attributes:
        masks: int32 a group: the digits on the block that came in (bits 0 to 15), and that were kept (16 to 31).
        into: int32, the slots of the strings that came in.
        out: int32, the slots of those that were kept.
        vectors: flat, the coefficients of the strings that came in.
        starts: int64 (B + 1, 3), for block b the ends of its part of `masks`, `into` and `out` are in row b, the
            beginnings in row b + 1: blocks are taken last to first.
    """

    masks: Array
    into: Array
    out: Array
    vectors: Array
    starts: Array


def make_slots(capacity: int, dtype: np.dtype[Any], lanes: int) -> Slots:
    """Room for `capacity` strings."""
    coefficients: npt.NDArray[Any] = np.zeros(capacity * lanes, dtype=dtype)
    return Slots(np.full(capacity, FREE, dtype=np.int64), coefficients, np.zeros(capacity, dtype=np.int32))


def make_groups(capacity: int, dtype: np.dtype[Any], lanes: int) -> Groups:
    """Room for the groups of `capacity` strings."""
    table = 1 << (2 * max(8, capacity) - 1).bit_length()
    sizes = (table, capacity, 16 * capacity, 16, capacity + 1, capacity + 1)
    ints = [np.zeros(size, dtype=np.int32) for size in sizes]
    images: npt.NDArray[Any] = np.zeros(16 * lanes, dtype=dtype)
    matrix: npt.NDArray[Any] = np.zeros(256 * lanes, dtype=dtype)
    return Groups(ints[0], np.zeros(capacity, dtype=np.int64), ints[1], ints[2], images, matrix, *ints[3:])


def make_tape(blocks: int, entries: int, dtype: np.dtype[Any], lanes: int) -> Tape:
    """Room for `entries` strings that come in, as many that are kept, and as many groups."""
    masks, into, out = (np.zeros(entries, dtype=np.int32) for _ in range(3))
    vectors: npt.NDArray[Any] = np.empty(entries * lanes, dtype=dtype)
    return Tape(masks, into, out, vectors, np.zeros((blocks + 1, 3), dtype=np.int64))


@internal
def weight_of(key: int) -> int:
    """Return the number of digits of `key` that are not zero."""
    return count_bits((key | key >> 1) & DIGITS)


@internal
def _group(slots: Slots, groups: Groups, top: int, low: int, high: int, meets: bool) -> int:
    """Find the groups of a block on wires low < high among slots [0, top); returns their number.

    A group takes in the string that is I on both wires only where `meets`.
    """
    keys, table, touched, others = slots.keys, groups.table, groups.touched, groups.others
    both = 3 << 2 * low | 3 << 2 * high
    inside, outside = 0, 0
    for t in range(top):  # no branch here: half of all would be guessed wrongly
        touches = np.int64(keys[t] & both != 0)
        used = np.int64(keys[t] >= 0)
        touched[inside] = t
        others[outside] = t
        inside += int(touches & used)
        outside += int(1 - touches)
    size = 16
    while size < 2 * inside:
        size *= 2
    table[:size] = -1
    count = 0
    for k in range(inside):
        t = touched[k]
        key = keys[t]
        rest = key & ~both
        at = (rest * MULTIPLIER >> 32) & (size - 1)
        while table[at] >= 0 and groups.keys[table[at]] != rest:
            at = (at + 1) & (size - 1)
        g = table[at]
        if g < 0:
            g = count
            count += 1
            table[at] = g
            groups.keys[g] = rest
            groups.present[g] = 0
        digits = (key >> 2 * low & 3) | (key >> 2 * high & 3) << 2
        groups.present[g] |= 1 << digits
        groups.members[16 * g + digits] = t
    if not meets:
        return count
    for k in range(outside):  # relaxation turns strings on the block into strings beside it
        key = keys[others[k]]
        at = (key * MULTIPLIER >> 32) & (size - 1)
        while table[at] >= 0 and groups.keys[table[at]] != key:
            at = (at + 1) & (size - 1)
        if table[at] >= 0:
            groups.present[table[at]] |= 1
            groups.members[16 * table[at]] = others[k]
    return count


@inlined
def _load_matrix(groups: Groups, matrices: Array, scouting: Array, scouts: Array, at: int) -> bool:
    """Write a block's R into each lane; returns whether it has strings become the identity."""
    V = width(matrices)
    apart = load(scouts, 0)
    meets = False
    for k in range(256):
        mine, theirs = spread(matrices, at + k), spread(scouting, at + k)
        store(groups.matrix, k * V, mine + apart * (theirs - mine))
        meets = meets or (k % 16 == 0 and k > 0 and (matrices[at + k] != 0 or scouting[at + k] != 0))
    return meets


@inlined
def _multiply(slots: Slots, groups: Groups, g: int, thresholds: Array, bound: int) -> int:
    """Put R^T times a group into `groups.images`; returns which of the 16 are to be kept, as bits.

    Args:
        slots: the list.
        groups: of the block, with its matrix.
        g: the group.
        thresholds: see `propagate`.
        bound: the threshold for strings that are I on the block's wires; next come those for one and two wires more.
    """
    V = width(slots.coefficients)
    images, matrix, coefficients = groups.images, groups.matrix, slots.coefficients
    y0 = zeros_like(load(images, 0))
    y1 = y2 = y3 = y4 = y5 = y6 = y7 = y8 = y9 = y10 = y11 = y12 = y13 = y14 = y15 = y0
    present = groups.present[g]
    if present & 1:  # the first row of R is 1, 0, ..., 0: channels keep the trace
        y0 = load(coefficients, groups.members[16 * g] * V)
    left = np.int64(present & ~1)
    while left:
        r = lowest_bit(left)
        left &= left - 1
        x = load(coefficients, groups.members[16 * g + r] * V)
        row = 16 * V * r
        y0 += load(matrix, row) * x
        y1 += load(matrix, row + 1 * V) * x
        y2 += load(matrix, row + 2 * V) * x
        y3 += load(matrix, row + 3 * V) * x
        y4 += load(matrix, row + 4 * V) * x
        y5 += load(matrix, row + 5 * V) * x
        y6 += load(matrix, row + 6 * V) * x
        y7 += load(matrix, row + 7 * V) * x
        y8 += load(matrix, row + 8 * V) * x
        y9 += load(matrix, row + 9 * V) * x
        y10 += load(matrix, row + 10 * V) * x
        y11 += load(matrix, row + 11 * V) * x
        y12 += load(matrix, row + 12 * V) * x
        y13 += load(matrix, row + 13 * V) * x
        y14 += load(matrix, row + 14 * V) * x
        y15 += load(matrix, row + 15 * V) * x
    none, one, two = (
        spread(thresholds, bound),
        spread(thresholds, bound + 1),
        spread(thresholds, bound + 2),
    )
    store(images, 0, y0)
    store(images, V, y1)
    store(images, 2 * V, y2)
    store(images, 3 * V, y3)
    store(images, 4 * V, y4)
    store(images, 5 * V, y5)
    store(images, 6 * V, y6)
    store(images, 7 * V, y7)
    store(images, 8 * V, y8)
    store(images, 9 * V, y9)
    store(images, 10 * V, y10)
    store(images, 11 * V, y11)
    store(images, 12 * V, y12)
    store(images, 13 * V, y13)
    store(images, 14 * V, y14)
    store(images, 15 * V, y15)
    kept = exceeds(y0, none) | exceeds(y1, one) << 1 | exceeds(y2, one) << 2 | exceeds(y3, one) << 3
    kept |= exceeds(y4, one) << 4 | exceeds(y5, two) << 5 | exceeds(y6, two) << 6 | exceeds(y7, two) << 7
    kept |= exceeds(y8, one) << 8 | exceeds(y9, two) << 9 | exceeds(y10, two) << 10 | exceeds(y11, two) << 11
    kept |= exceeds(y12, one) << 12 | exceeds(y13, two) << 13 | exceeds(y14, two) << 14 | exceeds(y15, two) << 15
    return kept


@kernel
def propagate(
    wires: Array,
    matrices: Array,
    scouting: Array,
    scouts: Array,
    thresholds: Array,
    slots: Slots,
    groups: Groups,
    tape: Tape,
    record: bool,
    top: int,
) -> tuple[int, int]:
    """Run the strings in slots [0, top) backwards through all blocks, in place.

    Args:
        wires: int64 (B, 2), a block's wires.
        matrices: flat, a Pauli transfer matrix of 256 numbers a block.
        scouting: flat, the matrices of lanes that are scouts.
        scouts: a vector: 1 in lanes that are scouts, else 0.
        thresholds: flat, k + 3 numbers a block, by the number of wires that a string acts on: it is kept where a
            coefficient is above.
        slots: the list.
        groups: working memory, for as many strings.
        tape: what was done, where `record`.
        record: whether `tape` is written.
        top: how many slots are in use.

    Returns:
        The first slot that no string has reached, and the largest number of strings at a time; -1 and the number so
        far where there is not enough room, in the list (0) or on the tape (1).
    """
    V = width(matrices)
    keys, coefficients, images, mine = slots.keys, slots.coefficients, groups.images, groups.slots
    bounds = len(thresholds) // max(1, len(wires))
    empty, strings, most = 0, top, top
    group, came, left = 0, 0, 0
    tape.starts[len(wires)] = 0
    for b in range(len(wires) - 1, -1, -1):
        low, high = wires[b, 0], wires[b, 1]
        meets = _load_matrix(groups, matrices, scouting, scouts, 256 * b)
        count = _group(slots, groups, top, low, high, meets)
        for g in range(count):
            rest, present = groups.keys[g], groups.present[g]
            kept = _multiply(slots, groups, g, thresholds, b * bounds + weight_of(rest))
            taken, digits = 0, np.int64(present)
            while digits:
                mine[taken] = groups.members[16 * g + lowest_bit(digits)]
                digits &= digits - 1
                taken += 1
            if record:
                if group >= len(tape.masks) or came + 16 > len(tape.into) or left + 16 > len(tape.out):
                    return -1, 1
                tape.masks[group] = present | kept << 16
                group += 1
                for k in range(taken):
                    tape.into[came] = mine[k]
                    store(tape.vectors, came * V, load(coefficients, mine[k] * V))
                    came += 1
            used, digits = 0, kept
            while digits:
                c = lowest_bit(digits)
                digits &= digits - 1
                if used < taken:
                    slot = int(mine[used])
                    used += 1
                elif empty > 0:
                    empty -= 1
                    slot = int(slots.empty[empty])
                    strings += 1
                elif top < len(keys):
                    slot = top
                    top += 1
                    strings += 1
                else:
                    return -1, 0
                keys[slot] = rest | (c & 3) << 2 * low | (c >> 2) << 2 * high
                store(coefficients, slot * V, load(images, c * V))
                if record:
                    tape.out[left] = slot
                    left += 1
            for k in range(used, taken):
                keys[mine[k]] = FREE
                slots.empty[empty] = mine[k]
                empty += 1
                strings -= 1
            most = max(most, strings)
        tape.starts[b, 0], tape.starts[b, 1], tape.starts[b, 2] = group, came, left
    return top, most
