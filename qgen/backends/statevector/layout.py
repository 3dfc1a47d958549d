"""Where a program's wires live in a tile, and in which order its gates run: tables of integers for the kernels.

The lowest amplitude bits lie in a vector's lanes beside the samples, the others number the rows. Where the rows of a
tile do not fit the cache, ops are grouped into sweeps that touch few row bits, so that a block of rows is fetched
once for many gates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.statevector import pauli, sweep
from qgen.backends.statevector.gates import GateOp, Kind
from qgen.backends.statevector.program import Program

Table = npt.NDArray[np.int64]
LARGEST_WHOLE_TILE = 10  # row bits up to which a tile is swept in place: 2 x 128 KB, in the second-level cache
BLOCK = 7  # row bits in a block of a larger tile: 2 x 16 KB, in the first-level cache

CONSTANT, SHARED, OWN = 0, 1, 2  # where a factor's angle comes from


class Tables(NamedTuple):
    """What the kernels read: a row for each op, sweep, factor, group of Pauli strings, and string."""

    ops: Table  # columns in sweep.py
    sweeps: Table  # columns in sweep.py
    factors: Table  # kind, source, number of the angle
    constants: npt.NDArray[np.complex128]  # (factors, 4): the entries of those without an angle
    groups: Table  # columns in pauli.py
    strings: Table  # columns in pauli.py
    signed: npt.NDArray[np.float64]  # (strings, lanes): each string's coefficient with its sign in every lane


class Shape(NamedTuple):
    """The shape of a tile, as the kernels read it."""

    samples: int
    sample_bits: int  # a lane's lowest bits number the sample, those above are the amplitude's
    rows: int
    blocks: int  # blocks of rows in one sweep
    chunks: int  # chunks of rows in a measurement


@dataclass(frozen=True)
class Layout:
    """One program for tiles of one shape, in vectors of `lanes` numbers."""

    shape: Shape
    lanes: int
    block_rows: int
    order: tuple[int, ...]  # indices of the program's ops in the order of execution
    tables: Tables


def choose_samples(wires: int, batch: int, lanes: int, workers: int) -> int:
    """Samples in a tile: as many as keep every worker busy and the tile's two states in cache, a power of two."""
    samples = lanes
    while samples > 1 and (samples // 2 * workers >= batch or wires - (lanes // samples).bit_length() + 1 > 8):
        samples //= 2
    return samples


def make_layout(program: Program, samples: int, lanes: int) -> Layout:
    """Lay a program out for tiles of `samples` samples in vectors of `lanes` lanes (powers of two)."""
    lane_bits = (lanes // samples).bit_length() - 1
    positions = _positions(program, lane_bits)
    row_bits = max(program.wires - lane_bits, 0)
    block_bits = row_bits if row_bits <= LARGEST_WHOLE_TILE else BLOCK
    plan = _plan(program, positions, lane_bits, row_bits, block_bits)
    order = [k for _, members in plan for k in members]
    factors, constants, spans = _factors(program, order)
    ops = np.zeros((len(order), 12), dtype=np.int64)
    sweeps = np.zeros((len(plan), 4), dtype=np.int64)
    dead = (1 << row_bits) - 1
    done = 0
    for number, (inner, members) in enumerate(plan):
        sweeps[number, [sweep.SWEEP_FIRST, sweep.SWEEP_LAST]] = done, done + len(members)
        for index in members:
            op = program.ops[index]
            position = positions[op.target]
            if position >= lane_bits and not op.diagonal:
                dead &= ~(1 << (position - lane_bits))
            ops[done] = _op_row(op, positions, lane_bits, samples, inner, dead)
            ops[done, [sweep.FIRST, sweep.LAST]] = spans[done]
            ops[done, sweep.PER_ROW] = np.any(factors[spans[done][0] : spans[done][1], 1] == OWN)
            done += 1
        sweeps[number, [sweep.SWEEP_INNER, sweep.SWEEP_DEAD]] = inner, dead & ~inner
    groups, strings, signed = _observables(program, positions, lane_bits, samples)
    tables = Tables(ops, sweeps, factors, constants, groups, strings, signed)
    rows = 1 << row_bits
    shape = Shape(samples, samples.bit_length() - 1, rows, rows >> block_bits, max(1, rows // pauli.CHUNK))
    return Layout(shape, lanes, 1 << block_bits, tuple(order), tables)


def _positions(program: Program, lane_bits: int) -> list[int]:
    """Wire -> position: lane bits first, given to the wires that control least (a control in a lane saves no work)."""
    controls = np.zeros(program.wires, dtype=int)
    for op in program.ops:
        for wire, _ in op.controls:
            controls[wire] += 1
    by_use = sorted(range(program.wires), key=lambda wire: (controls[wire], wire))
    lane_wires = by_use[:lane_bits]
    rest = [wire for wire in range(program.wires) if wire not in lane_wires]
    positions = [0] * program.wires
    for position, wire in enumerate(lane_wires):
        positions[wire] = position
    for position, wire in enumerate(rest):
        positions[wire] = lane_bits + position
    return positions


def _plan(
    program: Program, positions: list[int], lane_bits: int, row_bits: int, block_bits: int
) -> list[tuple[int, list[int]]]:
    """Sweeps as (mask of the block's row bits, indices of ops): ops move forward past ones that they commute with."""
    left = list(range(len(program.ops)))
    plan: list[tuple[int, list[int]]] = []
    if block_bits == row_bits:
        return [((1 << row_bits) - 1, left)]
    while left:
        inner, members, later = 0, list[int](), list[int]()
        targets_waiting, controls_waiting = set[int](), set[int]()
        for index in left:
            op = program.ops[index]
            controls = {wire for wire, _ in op.controls}
            position = positions[op.target] - lane_bits
            needs = inner | (1 << position) if position >= 0 else inner
            waits = op.target in targets_waiting | controls_waiting or controls & targets_waiting
            if waits or needs.bit_count() > block_bits:
                later.append(index)
                targets_waiting.add(op.target)
                controls_waiting |= controls
            else:
                members.append(index)
                inner = needs
        for bit in range(row_bits):  # fill up with low bits: neighbouring rows are fetched together
            if inner.bit_count() < block_bits:
                inner |= 1 << bit
        plan.append((inner, members))
        left = later
    return plan


def _op_row(op: GateOp, positions: list[int], lane_bits: int, samples: int, inner: int, dead: int) -> list[int]:
    lane_mask = lane_values = row_mask = row_values = 0
    for wire, value in op.controls:
        position = positions[wire]
        if position < lane_bits:
            lane_mask |= 1 << position
            lane_values |= value << position
        else:
            row_mask |= 1 << (position - lane_bits)
            row_values |= value << (position - lane_bits)
    position = positions[op.target]
    in_lane = position < lane_bits
    bit = 0 if in_lane else 1 << (position - lane_bits)
    free = inner & ~row_mask & ~bit & ~dead
    if in_lane:
        code = sweep.LANE_DIAGONAL if op.diagonal else sweep.LANE
        column = samples.bit_length() - 1 + position
    else:
        flips = op.flips and not lane_mask
        code = sweep.PAIR_FLIP if flips else sweep.PAIR_DIAGONAL if op.diagonal else sweep.PAIR
        column = _squeeze(bit, inner)
    return [
        code,
        column,
        _squeeze(free, inner),
        _squeeze(row_values & inner, inner),
        row_mask & ~inner,
        row_values & ~inner,
        lane_mask,
        lane_values,
        position if in_lane else -1,
        0,
        0,
        0,
    ]


def _squeeze(bits: int, mask: int) -> int:
    """The bits of `bits` under `mask`, pushed together: the reverse of `sweep.deposit`."""
    result = place = 0
    for k in range(mask.bit_length()):
        if mask >> k & 1:
            result |= (bits >> k & 1) << place
            place += 1
    return result


def _factors(program: Program, order: list[int]) -> tuple[Table, npt.NDArray[np.complex128], list[tuple[int, int]]]:
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


def _observables(
    program: Program, positions: list[int], lane_bits: int, samples: int
) -> tuple[Table, Table, npt.NDArray[np.float64]]:
    def split(mask: int) -> tuple[int, int]:
        moved = sum(1 << positions[wire] for wire in range(program.wires) if mask >> wire & 1)
        return moved >> lane_bits, moved & ((1 << lane_bits) - 1)

    strings = sorted(program.strings, key=lambda string: (string.x, string.observable))
    groups: list[list[int]] = []
    table: list[list[int]] = []
    lanes = np.arange(samples << lane_bits) // samples
    signed = np.zeros((len(strings), len(lanes)))
    latest = -1
    for k, string in enumerate(strings):
        if string.x != latest:
            groups.append([k, k, *split(string.x), 0, 0])
            latest = string.x
        z_row, z_lane = split(string.z)
        groups[-1][pauli.GROUP_LAST] = k + 1
        groups[-1][pauli.HAS_IMAG if string.imaginary else pauli.HAS_REAL] = 1
        table.append([z_row, string.observable, int(string.imaginary)])
        parity = np.array([(int(lane) & z_lane).bit_count() & 1 for lane in lanes])
        signed[k] = string.signed_coefficient * (1 - 2 * parity)
    return (
        np.array(groups, dtype=np.int64).reshape(-1, 6),
        np.array(table, dtype=np.int64).reshape(-1, 3),
        signed,
    )
