"""Where the wires of a path's state lie in rows and lanes, and what the kernels read of blocks and observables."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.program import NoisyProgram
from qgen.backends.statevector import join, pauli
from qgen.backends.statevector.lanes import internal, width

Array = Any
Table = npt.NDArray[np.int64]

#: Columns of the table of blocks: both wires are row bits, or the one or the other a lane bit; then local wire 0 and 1:
#: the mask of a row bit, the number of a lane bit.
PLACE, WIRE_0, WIRE_1 = range(3)
ROWS, LANE_IS_0, LANE_IS_1 = range(3)


class Shape(NamedTuple):
    """The shape of a state: all bits of a lane are the amplitude's, and none the sample's."""

    sample_bits: int
    rows: int
    chunks: int


class PathLayout(NamedTuple):
    """Tables for states of 2^(row bits + lane bits) amplitudes.

    Attributes:
        blocks: (B, 3), columns above.
        registers: (1, ...), columns in `join.py`: all rows.
        groups, steps, strings: columns in `pauli.py`.
        signed: (strings, lanes), each string's coefficient with its sign in every lane.
        constants: (O,), what does not depend on the state.
    """

    blocks: Table
    registers: Table
    groups: Table
    steps: Table
    strings: Table
    signed: npt.NDArray[np.float64]
    constants: npt.NDArray[np.float64]


def row_bits(program: NoisyProgram, lanes: int) -> int:
    """How many bits of an amplitude number its row."""
    return program.wires - len(_lane_wires(program, lanes))


def make_layout(program: NoisyProgram, lanes: int) -> tuple[PathLayout, Shape]:
    """Lay out states in vectors of `lanes` numbers."""
    lane_bits = lanes.bit_length() - 1
    chosen = _lane_wires(program, lanes)
    position = dict(zip(chosen, range(lane_bits), strict=False))  # lane bits without a wire stay 0
    rest = [wire for wire in range(program.wires) if wire not in chosen]
    position |= {wire: lane_bits + bit for bit, wire in enumerate(rest)}
    rows = 1 << len(rest)
    places = [_place(position[low], position[high], lane_bits) for low, high in program.blocks.wires.tolist()]
    blocks = np.array(places, dtype=np.int64).reshape(-1, 3)
    shape = Shape(0, rows, max(1, rows // pauli.CHUNK))
    groups, strings, signed, constants = _observables(program, position, lanes)
    half = min(rows, pauli.CHUNK) // 2
    steps = np.array([[0, half, pauli.ALL]] if half else [], dtype=np.int64).reshape(-1, 3)
    groups[:, pauli.LAST_STEP] = len(steps)
    register = np.zeros((1, join.COLUMNS), dtype=np.int64)
    register[0, [join.ROWS, join.LAST_GROUP, join.IS_ROOT]] = rows, len(groups), 1
    return PathLayout(blocks, register, groups, steps, strings, signed, constants), shape


def _lane_wires(program: NoisyProgram, lanes: int) -> list[int]:
    """Wires for the lanes: of those with few blocks, no two that meet in one."""
    blocks = program.blocks.wires
    used = np.bincount(blocks.reshape(-1), minlength=program.wires)
    met = {wire: set(blocks[(blocks == wire).any(axis=1)].reshape(-1).tolist()) for wire in range(program.wires)}
    chosen: list[int] = []
    for wire in sorted(range(program.wires), key=lambda wire: (used[wire], wire)):
        if len(chosen) < lanes.bit_length() - 1 and not met[wire] & set(chosen):
            chosen.append(wire)
    return chosen


def _place(first: int, second: int, lane_bits: int) -> tuple[int, int, int]:
    if first < lane_bits:
        return LANE_IS_0, first, 1 << (second - lane_bits)
    if second < lane_bits:
        return LANE_IS_1, 1 << (first - lane_bits), second
    return ROWS, 1 << (first - lane_bits), 1 << (second - lane_bits)


def _observables(
    program: NoisyProgram, position: dict[int, int], lanes: int
) -> tuple[Table, Table, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The tables of `pauli.py`: strings with the same flips x are a group."""
    start, keys, coefficients = program.strings
    constants = np.zeros(program.observables)
    found: list[tuple[int, int, int, float]] = []  # x, observable, z, coefficient
    for observable in range(program.observables):
        for s in range(start[observable], start[observable + 1]):
            digits = {wire: int(keys[s]) >> 2 * wire & 3 for wire in range(program.wires)}
            x = sum(1 << position[wire] for wire, digit in digits.items() if digit in (1, 2))
            z = sum(1 << position[wire] for wire, digit in digits.items() if digit in (2, 3))
            if x | z:
                found.append((x, observable, z, float(coefficients[s])))
            else:
                constants[observable] += coefficients[s]
    found.sort()
    lane_bits = lanes.bit_length() - 1
    groups: list[list[int]] = []
    strings, signed = np.zeros((len(found), 3), dtype=np.int64), np.zeros((len(found), lanes))
    for k, (x, observable, z, coefficient) in enumerate(found):
        if not k or x != found[k - 1][0]:
            groups.append([k, k, x >> lane_bits, x & (lanes - 1), *[0] * (pauli.GROUP_COLUMNS - 4)])
        turns = (x & z).bit_count()  # the phase i^turns of the string
        groups[-1][pauli.GROUP_LAST] = k + 1
        groups[-1][pauli.HAS_IMAG if turns & 1 else pauli.HAS_REAL] = 1
        strings[k] = z >> lane_bits, observable, turns & 1
        parity = np.array([(lane & z & (lanes - 1)).bit_count() & 1 for lane in range(lanes)])
        signed[k] = coefficient * (1, -1, -1, 1)[turns % 4] * (1 - 2 * parity)
    return np.array(groups, dtype=np.int64).reshape(-1, pauli.GROUP_COLUMNS), strings, signed, constants


@internal
def write_coefficients(matrix: Array, place: int, wire_0: int, wire_1: int, adjoint: bool, c: Array, at: int) -> None:
    """Put a 4 x 4 matrix, or its adjoint, from `at` on where the kernels of `path_kernels.py` read it."""
    V = width(c)
    if place == ROWS:
        for r in range(4):
            for k in range(4):
                number = matrix[k, r].conjugate() if adjoint else matrix[r, k]
                c[at + 8 * r + 2 * k] = number.real
                c[at + 8 * r + 2 * k + 1] = number.imag
        return
    lane, lane_step, row_step = (wire_0, 1, 2) if place == LANE_IS_0 else (wire_1, 2, 1)
    for vector in range(8):
        here, there, across = vector >> 2, vector >> 1 & 1, vector & 1
        for v in range(V):
            bit = v >> lane & 1
            r, k = bit * lane_step + here * row_step, (bit ^ across) * lane_step + there * row_step
            number = matrix[k, r].conjugate() if adjoint else matrix[r, k]
            c[at + 2 * vector * V + v] = number.real
            c[at + (2 * vector + 1) * V + v] = number.imag


@internal
def read_moments(sums: Array, at: int, V: int, place: int, wire_0: int, wire_1: int, moments: Array) -> None:
    """Gather 2 sum lambda_a conj(psi_b), complex (4, 4), from the sums of a block, and clear these."""
    vectors = 16 if place == ROWS else 8
    for r in range(4):
        for k in range(4):
            moments[r, k] = 0j
    lane, lane_step, row_step = (wire_0, 1, 2) if place == LANE_IS_0 else (wire_1, 2, 1)
    for vector in range(vectors):
        here, there, across = vector >> 2, vector >> 1 & 1, vector & 1
        for v in range(V):
            number = 2 * complex(sums[at + 2 * vector * V + v], sums[at + (2 * vector + 1) * V + v])
            if place == ROWS:
                moments[vector >> 2, vector & 3] += number
            else:
                bit = v >> lane & 1
                moments[bit * lane_step + here * row_step, (bit ^ across) * lane_step + there * row_step] += number
    sums[at : at + 2 * vectors * V] = 0.0
