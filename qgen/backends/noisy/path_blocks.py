"""Blocks of a path as complex 4 x 4 matrices, with what happened in them, and the chain rule back to angles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.path_events import FLIP_BIT, JUMP_BIT
from qgen.backends.noisy.steps import FIXED_1Q, FIXED_2Q, ROTATION
from qgen.backends.statevector.lanes import inlined, kernel

Array = Any
Complexes = npt.NDArray[np.complex128]

#: P|row ^ FLIPS[p]> has the factor PHASES[p, row] on |row>: the Pauli strings p0 + 4 p1 on two wires.
FLIPS = np.array([(low in (1, 2)) + 2 * (high in (1, 2)) for high in range(4) for low in range(4)])


def _phases() -> Complexes:
    one = np.array([[1, 1], [1, 1], [-1j, 1j], [1, -1]])
    return np.array([np.kron(one[string >> 2], one[string & 3]) for string in range(16)])


PHASES = _phases()


@inlined
def _angle(ops, op, angles, row):  # type: ignore[no-untyped-def]
    column = ops.column[op]
    return ops.offset[op] if column < 0 else ops.factor[op] * angles[row, column] + ops.offset[op]


@kernel
def _rotate(matrix: Array, string: int, cosine: float, sine: float) -> None:
    """(cos - i sin P) times a matrix, in place."""
    flip = FLIPS[string]
    if flip == 0:
        for r in range(4):
            factor = complex(cosine, -sine * PHASES[string, r].real)
            for c in range(4):
                matrix[r, c] *= factor
        return
    for r in range(4):
        other = r ^ flip
        if other > r:
            here, there = PHASES[string, r] * complex(0, -sine), PHASES[string, other] * complex(0, -sine)
            for c in range(4):
                x, y = matrix[r, c], matrix[other, c]
                matrix[r, c] = cosine * x + here * y
                matrix[other, c] = cosine * y + there * x


@kernel
def _pauli(matrix: Array, string: int) -> None:
    flip = FLIPS[string]
    for r in range(4):
        other = r ^ flip
        if flip == 0:
            for c in range(4):
                matrix[r, c] *= PHASES[string, r].real
        elif other > r:
            for c in range(4):
                x = matrix[r, c]
                matrix[r, c] = PHASES[string, r] * matrix[other, c]
                matrix[other, c] = PHASES[string, other] * x


@kernel
def _one(matrix: Array, wire: int, a: complex, b: complex, c: complex, d: complex) -> None:
    """[[a, b], [c, d]] on a local wire, times a matrix, in place."""
    bit = 1 << wire
    for r in range(4):
        if r & bit == 0:
            for k in range(4):
                x, y = matrix[r, k], matrix[r | bit, k]
                matrix[r, k] = a * x + b * y
                matrix[r | bit, k] = c * x + d * y


@kernel
def _two(matrix: Array, unitaries: Array, number: int, adjoint: bool) -> None:
    for k in range(4):
        x0, x1, x2, x3 = matrix[0, k], matrix[1, k], matrix[2, k], matrix[3, k]
        for r in range(4):
            if adjoint:
                a, b = unitaries[number, 0, r].conjugate(), unitaries[number, 1, r].conjugate()
                c, d = unitaries[number, 2, r].conjugate(), unitaries[number, 3, r].conjugate()
            else:
                a, b, c, d = (
                    unitaries[number, r, 0], unitaries[number, r, 1], unitaries[number, r, 2], unitaries[number, r, 3]
                )  # fmt: skip
            matrix[r, k] = a * x0 + b * x1 + c * x2 + d * x3


@kernel
def _happen(matrix: Array, events: Any, op: int, code: int, adjoint: bool) -> None:
    """The noise of an operation, or its adjoint, times a matrix: a Pauli, then jump or none, then flip."""
    if not adjoint and code & 15:
        _pauli(matrix, code & 15)
    for wire in range(2):
        if adjoint and code & (FLIP_BIT << wire):
            _pauli(matrix, 3 << 2 * wire)
        if code & (JUMP_BIT << wire):
            jump = complex(events.jump[op, wire])
            if adjoint:
                _one(matrix, wire, 0j, 0j, jump, 0j)
            else:
                _one(matrix, wire, 0j, jump, 0j, 0j)
        elif events.still[op, 2 * wire] != 1.0 or events.still[op, 2 * wire + 1] != 1.0:
            on, bit = events.still[op, 2 * wire], 1 << wire
            off = events.still[op, 2 * wire + 1]
            for r in range(4):
                for k in range(4):
                    matrix[r, k] *= off if r & bit else on
        if not adjoint and code & (FLIP_BIT << wire):
            _pauli(matrix, 3 << 2 * wire)
    if adjoint and code & 15:
        _pauli(matrix, code & 15)


@kernel
def _operate(matrix: Array, ops: Any, events: Any, op: int, angles: Array, row: int, code: int, adjoint: bool) -> None:
    """One operation, or its adjoint, times a matrix, in place."""
    kind, site = ops.kind[op], ops.site[op]
    if kind == ROTATION:
        half = 0.5 * _angle(ops, op, angles, row)
        _rotate(matrix, site, np.cos(half), -np.sin(half) if adjoint else np.sin(half))
    elif kind == FIXED_1Q:
        u, number = ops.unitaries, ops.matrix[op]
        a, b, c, d = u[number, 0, 0], u[number, 0, 1], u[number, 1, 0], u[number, 1, 1]
        if adjoint:
            _one(matrix, site, a.conjugate(), c.conjugate(), b.conjugate(), d.conjugate())
        else:
            _one(matrix, site, a, b, c, d)
    elif kind == FIXED_2Q:
        _two(matrix, ops.unitaries, ops.matrix[op], adjoint)
    else:
        _happen(matrix, events, op, code, adjoint)


@kernel
def build(
    matrix: Array, start: Array, ops: Any, events: Any, block: int, angles: Array, row: int, at: Array, code: Array,
    first: int, last: int,
) -> None:  # fmt: skip
    """Write a block's 4 x 4 matrix; what happened at operations `at[first:last]`, ascending, is `code`."""
    for r in range(4):
        for c in range(4):
            matrix[r, c] = 1.0 if r == c else 0.0
    for op in range(start[block], start[block + 1]):
        happened = 0
        if first < last and at[first] == op:
            happened = code[first]
            first += 1
        _operate(matrix, ops, events, op, angles, row, happened, False)


@kernel
def pull_back(
    moments: Array, products: Array, start: Array, ops: Any, events: Any, block: int, angles: Array, row: int, at: Array,
    code: Array, first: int, last: int, own: Array, d_shared: Array, d_own: Array, line: int, sample: int,
) -> None:  # fmt: skip
    """Add a block's part of a gradient to that of its angles.

    Args:
        moments: complex (4, 4), 2 sum lambda_a conj(psi_b), lambda after the block, psi before; overwritten.
        products: complex (most operations, 4, 4), scratch.
        start, ops, events, block, angles, row, at, code, first, last: as for `build`.
        own: whether a column depends on the inputs.
        d_shared: (., C), columns of weights are added to row `line`.
        d_own: (., C), other columns are added to row `sample`.
    """
    begin, end = start[block], start[block + 1]
    matrix = products[0]
    for r in range(4):
        for c in range(4):
            matrix[r, c] = 1.0 if r == c else 0.0
    happened, open_ops = first, 0
    for op in range(begin, end):
        what = 0
        if happened < last and at[happened] == op:
            what = code[happened]
            happened += 1
        _operate(matrix, ops, events, op, angles, row, what, False)
        if ops.column[op] >= 0:
            open_ops += 1
            for r in range(4):
                for c in range(4):
                    products[open_ops, r, c] = matrix[r, c]
    for op in range(end - 1, begin - 1, -1):
        if open_ops == 0:
            return
        column = ops.column[op]
        if column >= 0:
            string = ops.site[op]
            flip, total = FLIPS[string], 0.0
            for r in range(4):
                for c in range(4):
                    total += (moments[r, c].conjugate() * PHASES[string, r] * products[open_ops, r ^ flip, c]).imag
            total *= 0.5 * ops.factor[op]
            if own[column]:
                d_own[sample, column] += total
            else:
                d_shared[line, column] += total
            open_ops -= 1
        what = 0
        if happened > first and at[happened - 1] == op:
            happened -= 1
            what = code[happened]
        _operate(moments, ops, events, op, angles, row, what, True)


@kernel
def invert(matrix: Array, inverse: Array, work: Array) -> float:
    """Write the inverse of a 4 x 4 matrix; returns its condition, infinity where it is singular.

    The condition is the product of both Frobenius norms over 4, at least 1; `work` is scratch, complex (4, 4).
    """
    before = after = 0.0
    for r in range(4):
        for c in range(4):
            work[r, c] = matrix[r, c]
            inverse[r, c] = 1.0 if r == c else 0.0
            before += matrix[r, c].real ** 2 + matrix[r, c].imag ** 2
    for k in range(4):
        pivot = k
        for r in range(k + 1, 4):
            if abs(work[r, k]) > abs(work[pivot, k]):
                pivot = r
        if abs(work[pivot, k]) ** 2 <= 1e-24 * before:
            return np.inf
        for c in range(4):
            work[k, c], work[pivot, c] = work[pivot, c], work[k, c]
            inverse[k, c], inverse[pivot, c] = inverse[pivot, c], inverse[k, c]
        factor = 1 / work[k, k]
        for c in range(4):
            work[k, c] *= factor
            inverse[k, c] *= factor
        for r in range(4):
            if r != k:
                factor = work[r, k]
                for c in range(4):
                    work[r, c] -= factor * work[k, c]
                    inverse[r, c] -= factor * inverse[k, c]
    for r in range(4):
        for c in range(4):
            after += inverse[r, c].real ** 2 + inverse[r, c].imag ** 2
    return np.sqrt(before * after) / 4
