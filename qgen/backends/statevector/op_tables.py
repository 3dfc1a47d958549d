"""Rows of the tables that the kernels read: ops, their factors, and Pauli strings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qgen.backends.statevector import pauli, sweep
from qgen.backends.statevector.gates import GateOp, Kind
from qgen.backends.statevector.pauli_string import PauliString
from qgen.backends.statevector.place import Place
from qgen.backends.statevector.program import Program
from qgen.backends.statevector.transform_steps import transform_steps

Table = npt.NDArray[np.int64]
CONSTANT, SHARED, OWN = 0, 1, 2  # where a factor's angle comes from


def op_row(op: GateOp, place: Place, samples: int, inner: int, dead: int, offset: int) -> list[int]:
    """The columns that tell a kernel on which rows and lanes an op acts.

    Args:
        op: the op.
        place: of its register.
        samples: in a tile.
        inner: the row bits of a block.
        dead: row bits that are 0 in every row that is not zero.
        offset: the number of the block's first row in the array that it lies in.
    """
    ones = sum(1 << wire for wire, value in op.controls if value)
    controls = sum(1 << wire for wire, _ in op.controls)
    row_mask, row_values = place.rows(controls), place.rows(ones)
    lane_mask, lane_values = place.lanes(controls), place.lanes(ones)
    lane = place.lane_of.get(op.target, -1)
    bit = place.rows(1 << op.target)
    free = inner & ~row_mask & ~bit & ~dead
    if lane >= 0:
        code = sweep.LANE_DIAGONAL if op.diagonal else sweep.LANE
        column = samples.bit_length() - 1 + lane
    else:
        flips = op.flips and not lane_mask
        code = sweep.PAIR_FLIP if flips else sweep.PAIR_DIAGONAL if op.diagonal else sweep.PAIR
        column = squeeze(bit, inner)
    return [
        code,
        column,
        squeeze(free, inner),
        squeeze(row_values & inner, inner) | offset,
        row_mask & ~inner,
        row_values & ~inner,
        lane_mask,
        lane_values,
        lane,
        0,
        0,
        0,
    ]


def squeeze(bits: int, mask: int) -> int:
    """The bits of `bits` under `mask`, pushed together: the reverse of `join.deposit`."""
    result = place = 0
    for k in range(mask.bit_length()):
        if mask >> k & 1:
            result |= (bits >> k & 1) << place
            place += 1
    return result


def factor_tables(
    program: Program, order: Sequence[int]
) -> tuple[Table, npt.NDArray[np.complex128], list[tuple[int, int]]]:
    """The factors of all ops in the order of execution, their constants, and which factors each op has."""
    table: list[tuple[int, int, int]] = []
    constants: list[npt.NDArray[np.complex128]] = []
    spans: list[tuple[int, int]] = []
    for index in order:
        start = len(table)
        for factor, place in zip(program.ops[index].factors, program.places[index], strict=True):
            if place is None:
                table.append((Kind.CONST, CONSTANT, 0))
            else:
                table.append((factor.kind, OWN if place.per_row else SHARED, place.number))
            constants.append(np.eye(2, dtype=np.complex128) if factor.matrix is None else factor.matrix)
        spans.append((start, len(table)))
    stacked = np.array(constants, dtype=np.complex128).reshape(-1, 4)
    return np.array(table, dtype=np.int64).reshape(-1, 3), stacked, spans


class StringTables:
    """The Pauli strings of all registers, one register after the other.

    Attributes:
        groups: rows of columns in pauli.py.
        strings: rows of columns in pauli.py.
        steps: rows of columns in pauli.py.
        signed: for each string its coefficient with its sign in every lane, 0 in lanes that repeat others.
    """

    def __init__(self, program: Program, samples: int, lanes: int) -> None:
        self.program, self.samples, self.lanes = program, samples, lanes
        self.groups: list[list[int]] = []
        self.strings: list[list[int]] = []
        self.steps: list[tuple[int, int, int]] = []
        self.signed: list[list[float]] = []

    def add(self, members: Sequence[int], place: Place, own_lanes: int) -> tuple[int, int]:
        """Add the strings that are measured on one register; returns the range of their groups.

        Args:
            members: numbers of the strings.
            place: of the register.
            own_lanes: the lane bits of its wires.
        """
        first = len(self.groups)
        chosen = [self.program.strings[number] for number in members]
        for x in sorted({string.x for string in chosen}):
            alike = sorted((string for string in chosen if string.x == x), key=lambda string: string.observable)
            group = [len(self.strings), len(self.strings) + len(alike), place.rows(x), place.lanes(x), 0, 0]
            for string in alike:
                group[pauli.HAS_IMAG if string.imaginary else pauli.HAS_REAL] = 1
                self._add_string(string, place, own_lanes)
            chunk = min(1 << place.row_bits, pauli.CHUNK)
            steps = transform_steps((place.rows(string.z) & (chunk - 1) for string in alike), chunk)
            self.groups.append([*group, len(self.steps), len(self.steps) + len(steps)])
            self.steps.extend(steps)
        return first, len(self.groups)

    def _add_string(self, string: PauliString, place: Place, own_lanes: int) -> None:
        self.strings.append([place.rows(string.z), string.observable, int(string.imaginary)])
        z, sign = place.lanes(string.z), string.signed_coefficient
        amplitudes = (lane // self.samples for lane in range(self.lanes))
        self.signed.append([0.0 if a & ~own_lanes else sign * (1 - 2 * ((a & z).bit_count() & 1)) for a in amplitudes])
