"""In which order the gates of a register run: in sweeps that turn few row bits, where its rows do not fit the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qgen.backends.statevector.place import Place
from qgen.backends.statevector.program import Program

LARGEST_WHOLE_TILE = 10  # row bits up to which a tile is swept in place: 2 x 128 KB, in the second-level cache
BLOCK = 7  # row bits in a block of a larger tile: 2 x 16 KB, in the first-level cache


class Sweep(NamedTuple):
    """Ops that run on one block of rows after the other: those that differ in the row bits `inner`."""

    inner: int
    ops: list[int]


def block_bits(place: Place) -> int:
    """Row bits in a block of a register: all of them, where it is swept in place."""
    return place.row_bits if place.row_bits <= LARGEST_WHOLE_TILE else BLOCK


def plan_sweeps(program: Program, ops: Sequence[int], place: Place) -> list[Sweep]:
    """The ops of a register in sweeps: ops move forward past ones that they commute with."""
    left, bits = list(ops), block_bits(place)
    if bits == place.row_bits:
        return [Sweep((1 << bits) - 1, left)] if left else []
    plan: list[Sweep] = []
    while left:
        inner, members, later = 0, list[int](), list[int]()
        targets_waiting, controls_waiting = set[int](), set[int]()
        for index in left:
            op = program.ops[index]
            controls = {wire for wire, _ in op.controls}
            needs = inner | place.rows(1 << op.target)
            waits = op.target in targets_waiting | controls_waiting or controls & targets_waiting
            if waits or needs.bit_count() > bits:
                later.append(index)
                targets_waiting.add(op.target)
                controls_waiting |= controls
            else:
                members.append(index)
                inner = needs
        for bit in range(place.row_bits):  # fill up with low bits: neighbouring rows are fetched together
            if inner.bit_count() < bits:
                inner |= 1 << bit
        plan.append(Sweep(inner, members))
        left = later
    return plan
