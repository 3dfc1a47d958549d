"""Which bit of a lane, or of the number of a row, a wire has in a register's state."""

from __future__ import annotations

from dataclasses import dataclass

from qgen.backends.statevector.program import Program


@dataclass(frozen=True)
class Place:
    """Where a register's wires lie in its state.

    Attributes:
        lane_of: the lane bit of each wire that has one, in this register or another; bits of samples are not counted.
        row_of: the row bit of each wire of this register that has one.
    """

    lane_of: dict[int, int]
    row_of: dict[int, int]

    @property
    def row_bits(self) -> int:
        return len(self.row_of)

    def lanes(self, wires: int) -> int:
        """The lane bits of wires that are given as bits."""
        return sum(1 << bit for wire, bit in self.lane_of.items() if wires >> wire & 1)

    def rows(self, wires: int) -> int:
        """The row bits of wires that are given as bits."""
        return sum(1 << bit for wire, bit in self.row_of.items() if wires >> wire & 1)


def choose_lanes(program: Program, lane_bits: int) -> dict[int, int]:
    """Lane bits for the wires that control least: a control in a lane saves no work."""
    controls = [0] * program.wires
    for op in program.ops:
        for wire, _ in op.controls:
            controls[wire] += 1
    by_use = sorted(range(program.wires), key=lambda wire: (controls[wire], wire))
    return {wire: bit for bit, wire in enumerate(by_use[:lane_bits])}


def place_register(wires: int, lane_of: dict[int, int]) -> Place:
    """Row bits, in the order of the wires, for all wires of a register (as bits) that lie in no lane."""
    rows = [wire for wire in range(wires.bit_length()) if wires >> wire & 1 and wire not in lane_of]
    return Place(lane_of, {wire: bit for bit, wire in enumerate(rows)})
