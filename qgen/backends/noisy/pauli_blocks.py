"""Blocks as Pauli transfer matrices (16, 16), and the chain rule from these back to angles."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.program import Blocks
from qgen.backends.noisy.steps import DELAY, FIXED_1Q, ROTATION
from qgen.backends.statevector.lanes import internal, kernel

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def _turns() -> tuple[Integers, Doubles]:
    """Return, for a rotation about S and a string Q, the string Q' and the sign with r'_Q = cos r_Q + sign sin r_Q'.

    Q exp(-i a/2 S) = exp(i a/2 S) Q where they anticommute, so that Q turns into i S Q. Both are (16, 16), the sign 0
    where they commute.
    """
    one = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    strings = [np.kron(high, low) for high, low in product(one, one)]
    partner, sign = np.zeros((16, 16), dtype=np.int64), np.zeros((16, 16))
    for s, q in product(range(16), range(16)):
        turned = 1j * strings[s] @ strings[q]
        if np.allclose(strings[s] @ strings[q], -strings[q] @ strings[s]):
            overlaps = [np.trace(string @ turned).real / 4 for string in strings]
            partner[s, q] = int(np.argmax(np.abs(overlaps)))
            sign[s, q] = overlaps[partner[s, q]]
    return partner, sign


PARTNER, SIGN = _turns()


@kernel
def build_ptms(blocks: Blocks, angles: Doubles, which: Integers, out: Doubles) -> None:
    """Write the Pauli transfer matrices of some blocks.

    Args:
        blocks: all blocks.
        angles: (C,), one row of angles.
        which: numbers of the blocks.
        out: (len(which), 16, 16).
    """
    scratch = np.empty((16, 16))
    for k in range(len(which)):
        matrix = out[k]
        _identity(matrix)
        for op in range(blocks.start[which[k]], blocks.start[which[k] + 1]):
            _apply(blocks.ops, op, angles, matrix, scratch, False)


@kernel
def pull_back(blocks: Blocks, block: int, angles: Doubles, moments: Doubles, d_angles: Doubles) -> None:
    """Add a block's part of a gradient to that of its angles.

    Args:
        blocks: all blocks.
        block: number of the block.
        angles: (C,), one row of angles.
        moments: (16, 16), the derivative by the block's transfer matrix: sum of lambda (x) state; overwritten.
        d_angles: (C,), added to.
    """
    ops, first, last = blocks.ops, blocks.start[block], blocks.start[block + 1]
    count = 0
    for op in range(first, last):
        count += ops.column[op] >= 0
    if count == 0:
        return
    products, scratch = np.empty((count, 16, 16)), np.empty((16, 16))
    matrix = np.empty((16, 16))
    _identity(matrix)
    number = 0
    for op in range(first, last):
        _apply(ops, op, angles, matrix, scratch, False)
        if ops.column[op] >= 0:
            for row in range(16):
                for column in range(16):
                    products[number, row, column] = matrix[row, column]
            number += 1
            if number == count:
                break
    # `moments` becomes (what follows)^T moments; before the first open operation nothing is left to do.
    for op in range(last - 1, first - 1, -1):
        column = ops.column[op]
        if column >= 0:
            number -= 1
            d_angles[column] += ops.factor[op] * _slope(ops, op, moments, products[number])
            if number == 0:
                return
        _apply(ops, op, angles, moments, scratch, True)


@internal
def _slope(ops: Any, op: int, moments: Doubles, product: Doubles) -> float:
    """The sum over rows and columns of moments * d product / d angle, `product` up to and with the operation."""
    total = 0.0
    if ops.kind[op] == ROTATION:
        for row in range(16):
            sign = SIGN[ops.site[op], row]
            if sign != 0.0:
                other = PARTNER[ops.site[op], row]
                for column in range(16):
                    total += sign * moments[row, column] * product[other, column]
        return total
    rate_1, rate_2 = ops.noise[op, 0], ops.noise[op, 1]
    inner = 4 if ops.site[op] == 1 else 1
    for rest in range(4):
        row = rest if ops.site[op] == 1 else 4 * rest
        for column in range(16):
            x, y, z = product[row + inner, column], product[row + 2 * inner, column], product[row + 3 * inner, column]
            total -= rate_2 * (moments[row + inner, column] * x + moments[row + 2 * inner, column] * y)
            total -= rate_1 * moments[row + 3 * inner, column] * (z - product[row, column])
    return total


@internal
def _identity(matrix: Doubles) -> None:
    for row in range(16):
        for column in range(16):
            matrix[row, column] = 1.0 if row == column else 0.0


@internal
def _angle(ops: Any, op: int, angles: Doubles) -> float:
    column = ops.column[op]
    angle: float = ops.offset[op]
    return angle if column < 0 else ops.factor[op] * angles[column] + angle


@internal
def _apply(ops: Any, op: int, angles: Doubles, matrix: Doubles, scratch: Doubles, transposed: bool) -> None:
    """matrix <- operation @ matrix, or its transpose @ matrix."""
    kind = ops.kind[op]
    if kind == ROTATION:
        angle = _angle(ops, op, angles)
        _rotate(matrix, ops.site[op], np.cos(angle), -np.sin(angle) if transposed else np.sin(angle))
    elif kind == DELAY:
        length = _angle(ops, op, angles)
        e1, e2 = np.exp(-ops.noise[op, 0] * length), np.exp(-ops.noise[op, 1] * length)
        if transposed:
            _relax_transposed(matrix, ops.site[op], e1, e2)
        else:
            _relax(matrix, ops.site[op], e1, e2)
    elif kind == FIXED_1Q:
        _multiply_one(matrix, ops.site[op], ops.ptms[ops.matrix[op]], transposed)
    else:
        _multiply(matrix, ops.ptms[ops.matrix[op]], scratch, transposed)


@internal
def _rotate(matrix: Doubles, string: int, cosine: float, sine: float) -> None:
    for row in range(16):
        other = PARTNER[string, row]
        # Each pair of rows once; the sign of the way back is the opposite.
        if SIGN[string, row] != 0.0 and row < other:
            turn = SIGN[string, row] * sine
            for column in range(16):
                a, b = matrix[row, column], matrix[other, column]
                matrix[row, column] = cosine * a + turn * b
                matrix[other, column] = cosine * b - turn * a


@internal
def _relax(matrix: Doubles, site: int, e1: float, e2: float) -> None:
    inner = 4 if site == 1 else 1
    for rest in range(4):
        row = rest if site == 1 else 4 * rest
        for column in range(16):
            matrix[row + inner, column] *= e2
            matrix[row + 2 * inner, column] *= e2
            z = matrix[row + 3 * inner, column]
            matrix[row + 3 * inner, column] = e1 * z + (1 - e1) * matrix[row, column]


@internal
def _relax_transposed(matrix: Doubles, site: int, e1: float, e2: float) -> None:
    inner = 4 if site == 1 else 1
    for rest in range(4):
        row = rest if site == 1 else 4 * rest
        for column in range(16):
            matrix[row + inner, column] *= e2
            matrix[row + 2 * inner, column] *= e2
            matrix[row, column] += (1 - e1) * matrix[row + 3 * inner, column]
            matrix[row + 3 * inner, column] *= e1


@internal
def _multiply_one(matrix: Doubles, site: int, ptm: Doubles, transposed: bool) -> None:
    """matrix <- ptm @ matrix on one wire; `ptm` fills its corner (4, 4)."""
    inner = 4 if site == 1 else 1
    for rest in range(4):
        row = rest if site == 1 else 4 * rest
        for column in range(16):
            a, b = matrix[row, column], matrix[row + inner, column]
            c, d = matrix[row + 2 * inner, column], matrix[row + 3 * inner, column]
            for k in range(4):
                if transposed:
                    value = ptm[0, k] * a + ptm[1, k] * b + ptm[2, k] * c + ptm[3, k] * d
                else:
                    value = ptm[k, 0] * a + ptm[k, 1] * b + ptm[k, 2] * c + ptm[k, 3] * d
                matrix[row + k * inner, column] = value


@kernel
def _multiply(matrix: Doubles, ptm: Doubles, scratch: Doubles, transposed: bool) -> None:
    """matrix <- ptm @ matrix; most entries of a gate's matrix are zero."""
    for row in range(16):
        for column in range(16):
            scratch[row, column] = 0.0
        for k in range(16):
            entry = ptm[k, row] if transposed else ptm[row, k]
            if entry != 0.0:
                for column in range(16):
                    scratch[row, column] += entry * matrix[k, column]
    for row in range(16):
        for column in range(16):
            matrix[row, column] = scratch[row, column]
