"""Registers of a tile: where each begins, how two become one, and how the adjoint vector of one becomes two.

The states of all registers of a tile lie one after the other in the same array. In each of them a wire's lane bit is
that which it has in the largest: along lane bits of wires that a register does not have, its amplitudes repeat, so that
the product of two states is a product of vectors. ADJOINT.md derives what `contract` sums, and why lanes need no sum.
"""

from __future__ import annotations

from typing import Any

from qgen.backends.statevector.lanes import internal, kernel, load, store, width, zeros_like

# Columns of the table of registers, parts before what is joined from them (see layout.py).
(
    OFFSET, ROWS, LEFT, RIGHT, LEFT_MASK, RIGHT_MASK, LANES, IS_ROOT, FIRST_SWEEP, LAST_SWEEP, FIRST_GROUP, LAST_GROUP,
    BLOCKS, CHUNKS, COLUMNS,
) = range(15)  # fmt: skip
SUM = 256  # products that are added up one by one, before they are added to other such sums

Array = Any


@internal
def deposit(index: int, mask: int) -> int:
    """The `index`-th number, in rising order, whose bits all lie in `mask`."""
    result = 0
    while mask and index:
        low = mask & -mask
        if index & 1:
            result |= low
        mask ^= low
        index >>= 1
    return result


@kernel
def start(psi: Array, registers: Array, number: int, samples: int) -> None:
    """|0...0> in register `number`, for every sample."""
    V = width(psi)
    at = registers[number, OFFSET] * 2 * V
    psi[at : at + registers[number, ROWS] * 2 * V] = 0.0
    for amplitude in range(V // samples):
        if amplitude & registers[number, LANES] == 0:
            for s in range(samples):
                psi[at + amplitude * samples + s] = 1.0


@kernel
def join(psi: Array, registers: Array, number: int, first: int, last: int) -> None:
    """The state of register `number` as the product of its parts', for rows [first, last) of the left one."""
    V = width(psi)
    left, right = registers[number, LEFT], registers[number, RIGHT]
    outer_mask, inner_mask = registers[number, LEFT_MASK], registers[number, RIGHT_MASK]
    origin, start_left, start_right = registers[number, OFFSET], registers[left, OFFSET], registers[right, OFFSET]
    rows = registers[right, ROWS]
    outer = deposit(first, outer_mask)
    for a in range(first, last):
        p = (start_left + a) * 2 * V
        xr, xi = load(psi, p), load(psi, p + V)
        inner = 0
        for b in range(rows):
            q = (start_right + b) * 2 * V
            yr, yi = load(psi, q), load(psi, q + V)
            t = (origin + (outer | inner)) * 2 * V
            store(psi, t, xr * yr - xi * yi)
            store(psi, t + V, xr * yi + xi * yr)
            inner = (inner - inner_mask) & inner_mask
        outer = (outer - outer_mask) & outer_mask


@kernel
def contract(psi: Array, adjoint: Array, registers: Array, number: int, to_left: bool, first: int, last: int) -> None:
    """lambda of one part of register `number`, rows [first, last): sums of conj(psi of the other part) lambda."""
    V = width(psi)
    kept, other = registers[number, LEFT], registers[number, RIGHT]
    outer_mask, inner_mask = registers[number, LEFT_MASK], registers[number, RIGHT_MASK]
    if not to_left:
        kept, other = other, kept
        outer_mask, inner_mask = inner_mask, outer_mask
    origin, start_kept, start_other = registers[number, OFFSET], registers[kept, OFFSET], registers[other, OFFSET]
    rows = registers[other, ROWS]
    zero = zeros_like(load(psi, 0))
    outer = deposit(first, outer_mask)
    for a in range(first, last):
        total_r = total_i = zero
        inner = 0
        for block in range(0, rows, SUM):
            sum_r = sum_i = zero
            for b in range(block, min(block + SUM, rows)):
                q = (start_other + b) * 2 * V
                xr, xi = load(psi, q), load(psi, q + V)
                t = (origin + (outer | inner)) * 2 * V
                yr, yi = load(adjoint, t), load(adjoint, t + V)
                sum_r += xr * yr + xi * yi
                sum_i += xr * yi - xi * yr
                inner = (inner - inner_mask) & inner_mask
            total_r += sum_r
            total_i += sum_i
        p = (start_kept + a) * 2 * V
        store(adjoint, p, total_r)
        store(adjoint, p + V, total_i)
        outer = (outer - outer_mask) & outer_mask
