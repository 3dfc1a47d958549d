"""A program laid out for tiles of one shape: tables of integers for the kernels.

The lowest amplitude bits lie in a vector's lanes beside the samples, the others number the rows. Each register has
rows of its own (`registers.py`); where these do not fit the cache, ops are grouped into sweeps (`order.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.statevector import join, pauli, sweep
from qgen.backends.statevector.op_tables import OWN, StringTables, Table, factor_tables, op_row
from qgen.backends.statevector.order import block_bits, plan_sweeps
from qgen.backends.statevector.place import Place, choose_lanes, place_register
from qgen.backends.statevector.program import Program
from qgen.backends.statevector.registers import Register, registers, turned_by, worthwhile

WIDE = 8  # row bits of the largest register in a tile that is to have several samples


class Tables(NamedTuple):
    """What the kernels read: a row for each register, op, sweep, factor, group of Pauli strings, and string."""

    registers: Table  # columns in join.py
    ops: Table  # columns in sweep.py
    sweeps: Table  # columns in sweep.py
    factors: Table  # kind, source, number of the angle
    constants: npt.NDArray[np.complex128]  # (factors, 4): the entries of those without an angle
    groups: Table  # columns in pauli.py
    strings: Table  # columns in pauli.py
    steps: Table  # columns in pauli.py
    signed: npt.NDArray[np.float64]  # (strings, lanes): each string's coefficient with its sign in every lane


class Shape(NamedTuple):
    """The shape of a tile, as the kernels read it."""

    samples: int
    sample_bits: int  # a lane's lowest bits number the sample, those above are the amplitude's


@dataclass(frozen=True)
class Layout:
    """One program for tiles of one shape, in vectors of `lanes` numbers.

    Attributes:
        rows: of all registers together.
        blocks: into which the rows of the largest register are cut.
        block_rows: the rows of such a block.
        order: indices of the program's ops in the order of execution.
        work: nanoseconds that a tile takes, roughly.
    """

    shape: Shape
    lanes: int
    rows: int
    blocks: int
    block_rows: int
    order: tuple[int, ...]
    work: int
    tables: Tables


def choose_samples(wires: int, batch: int, lanes: int, workers: int) -> int:
    """Samples in a tile: as many as keep every worker busy and the tile's two states in cache, a power of two.

    Args:
        wires: of the largest register.
        batch: samples in all.
        lanes: numbers in a vector.
        workers: threads.
    """
    samples = lanes
    while samples > 1 and (samples // 2 * workers >= batch or wires - (lanes // samples).bit_length() + 1 > WIDE):
        samples //= 2
    return samples


def make_layout(program: Program, samples: int, lanes: int) -> Layout:
    """Lay a program out for tiles of `samples` samples in vectors of `lanes` lanes (powers of two)."""
    lane_of = choose_lanes(program, (lanes // samples).bit_length() - 1)
    row_wires = sum(1 << wire for wire in range(program.wires) if wire not in lane_of)
    roots = [worthwhile(root, program, row_wires) for root in registers(program)]
    tree = [register for root in roots for register in root.walk()]
    places = [place_register(register.wires, lane_of) for register in tree]
    writer = _Writer(program, samples, tree, places)
    strings = StringTables(program, samples, lanes)
    for number, register in enumerate(tree):
        writer.add(number, any(register is root for root in roots))
        groups = strings.add(register.strings, places[number], places[number].lanes(register.wires))
        writer.registers[number, [join.FIRST_GROUP, join.LAST_GROUP]] = groups
    rows = [1 << place.row_bits for place in places]
    largest = max(places, key=lambda place: place.row_bits)
    return Layout(
        shape=Shape(samples, samples.bit_length() - 1),
        lanes=lanes,
        rows=sum(rows),
        blocks=1 << largest.row_bits - block_bits(largest),
        block_rows=1 << block_bits(largest),
        order=tuple(writer.order),
        work=sum(len(register.ops) * (3 * count + 50 * samples) for register, count in zip(tree, rows, strict=True)),
        tables=writer.tables(strings),
    )


class _Writer:
    """The tables of registers, sweeps and ops, in the order of execution."""

    def __init__(self, program: Program, samples: int, tree: list[Register], places: list[Place]) -> None:
        self.program, self.samples, self.tree, self.places = program, samples, tree, places
        self.registers = np.zeros((len(tree), join.COLUMNS), dtype=np.int64)
        self.order: list[int] = []
        self._ops: list[list[int]] = []
        self._sweeps: list[list[int]] = []
        self._turned: list[int] = []  # for each register, the wires that may have left |0> at its end
        self._number = {id(register): number for number, register in enumerate(tree)}
        first = 0  # the largest come first: then each begins at a multiple of its rows
        for number in sorted(range(len(tree)), key=lambda number: -places[number].row_bits):
            self.registers[number, join.OFFSET] = first
            first += 1 << places[number].row_bits

    def add(self, number: int, is_root: bool) -> None:
        """Add a register, whose parts have been added."""
        register, place, row = self.tree[number], self.places[number], self.registers[number]
        row[[join.ROWS, join.IS_ROOT]] = 1 << place.row_bits, is_root
        row[[join.LEFT, join.RIGHT]] = -1
        if register.parts:
            row[[join.LEFT, join.RIGHT]] = [self._number[id(part)] for part in register.parts]
            row[[join.LEFT_MASK, join.RIGHT_MASK]] = [place.rows(part.wires) for part in register.parts]
        row[join.LANES] = place.lanes(register.wires)
        row[join.BLOCKS] = 1 << place.row_bits - block_bits(place)
        row[join.CHUNKS] = max(1, row[join.ROWS] // pauli.CHUNK)
        turned = 0
        for part in row[[join.LEFT, join.RIGHT]] if register.parts else ():
            turned |= self._turned[part]
        row[join.FIRST_SWEEP] = len(self._sweeps)
        for inner, members in plan_sweeps(self.program, register.ops, place):
            turned = self._add_sweep(inner, members, place, turned, int(row[join.OFFSET]))
        row[join.LAST_SWEEP] = len(self._sweeps)
        self._turned.append(turned)

    def _add_sweep(self, inner: int, members: list[int], place: Place, turned: int, offset: int) -> int:
        every = (1 << place.row_bits) - 1
        in_place = inner == every
        first = len(self._ops)
        for index in members:
            op = self.program.ops[index]
            turned = turned_by(op, turned)
            dead = every & ~place.rows(turned)
            self._ops.append(op_row(op, place, self.samples, inner, dead, offset if in_place else 0))
        self.order.extend(members)
        self._sweeps.append([first, len(self._ops), inner, dead & ~inner, every & ~inner, offset])
        return turned

    def tables(self, strings: StringTables) -> Tables:
        factors, constants, spans = factor_tables(self.program, self.order)
        ops = np.array(self._ops, dtype=np.int64).reshape(-1, sweep.PER_ROW + 1)
        for k, (first, last) in enumerate(spans):
            ops[k, [sweep.FIRST, sweep.LAST, sweep.PER_ROW]] = first, last, np.any(factors[first:last, 1] == OWN)
        return Tables(
            registers=self.registers,
            ops=ops,
            sweeps=np.array(self._sweeps, dtype=np.int64).reshape(-1, sweep.SWEEP_OFFSET + 1),
            factors=factors,
            constants=constants,
            groups=np.array(strings.groups, dtype=np.int64).reshape(-1, pauli.GROUP_COLUMNS),
            strings=np.array(strings.strings, dtype=np.int64).reshape(-1, pauli.IMAG + 1),
            steps=np.array(strings.steps, dtype=np.int64).reshape(-1, pauli.STEP_KIND + 1),
            signed=np.array(strings.signed).reshape(-1, strings.lanes),
        )
