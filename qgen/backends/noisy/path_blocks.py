"""Blocks of a path as complex 4 x 4 matrices, with what happened in them, and the chain rule back to angles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.path_events import FLIP_BIT, JUMP_BIT
from qgen.backends.statevector.lanes import inlined, internal, kernel

Array = Any
Complexes = npt.NDArray[np.complex128]

#: P|row ^ FLIPS[p]> has the factor PHASES[p, row] on |row>: the Pauli strings p0 + 4 p1 on two wires.
FLIPS = np.array([(low in (1, 2)) + 2 * (high in (1, 2)) for high in range(4) for low in range(4)])


def _phases() -> Complexes:
    one = np.array([[1, 1], [1, 1], [-1j, 1j], [1, -1]])
    return np.array([np.kron(one[string >> 2], one[string & 3]) for string in range(16)])


PHASES = _phases()


@internal
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


@internal
def _times(left: Array, number: int, matrix: Array) -> None:
    """left[number] times a matrix, in place."""
    for k in range(4):
        x0, x1, x2, x3 = matrix[0, k], matrix[1, k], matrix[2, k], matrix[3, k]
        for r in range(4):
            matrix[r, k] = (
                left[number, r, 0] * x0 + left[number, r, 1] * x1 + left[number, r, 2] * x2 + left[number, r, 3] * x3
            )


@internal
def _adjoint_times(left: Array, number: int, matrix: Array) -> None:
    """The adjoint of left[number] times a matrix, in place."""
    for k in range(4):
        x0, x1, x2, x3 = matrix[0, k], matrix[1, k], matrix[2, k], matrix[3, k]
        for r in range(4):
            matrix[r, k] = (
                left[number, 0, r].conjugate() * x0
                + left[number, 1, r].conjugate() * x1
                + left[number, 2, r].conjugate() * x2
                + left[number, 3, r].conjugate() * x3
            )


@internal
def _copy(source: Array, number: int, matrix: Array) -> None:
    for r in range(4):
        for c in range(4):
            matrix[r, c] = source[number, r, c]


@kernel
def happen(matrix: Array, still: Array, jump: Array, noise: int, code: int) -> None:
    """What happened at a noise, times a matrix, in place: a Pauli, then of each wire a jump or none, then a flip."""
    string = code & 15
    flip = FLIPS[string]
    for k in range(4):
        x0, x1, x2, x3 = matrix[flip, k], matrix[1 ^ flip, k], matrix[2 ^ flip, k], matrix[3 ^ flip, k]
        x0, x1 = x0 * PHASES[string, 0], x1 * PHASES[string, 1]
        x2, x3 = x2 * PHASES[string, 2], x3 * PHASES[string, 3]
        if code & JUMP_BIT:
            x0, x1, x2, x3 = jump[noise, 0] * x1, 0j, jump[noise, 0] * x3, 0j
        else:
            x0, x1 = still[noise, 0] * x0, still[noise, 1] * x1
            x2, x3 = still[noise, 0] * x2, still[noise, 1] * x3
        if code & FLIP_BIT:
            x1, x3 = -x1, -x3
        if code & (JUMP_BIT << 1):
            x0, x1, x2, x3 = jump[noise, 1] * x2, jump[noise, 1] * x3, 0j, 0j
        else:
            x0, x1 = still[noise, 2] * x0, still[noise, 2] * x1
            x2, x3 = still[noise, 3] * x2, still[noise, 3] * x3
        if code & (FLIP_BIT << 1):
            x2, x3 = -x2, -x3
        matrix[0, k], matrix[1, k], matrix[2, k], matrix[3, k] = x0, x1, x2, x3


@internal
def _happened(segments: Any, events: Any, segment: int, at: Array, code: Array, first: int, last: int, matrix: Array) -> None:  # fmt: skip  # noqa: E501
    """Write the matrix of a segment in which something happened, at noises at[first:last]."""
    if last == first + 1:
        noise = at[first]
        _copy(segments.before, noise, matrix)
        happen(matrix, events.still, events.jump, noise, code[first])
        _times(segments.after, noise, matrix)
        return
    begin, end = segments.noises[segment], segments.noises[segment + 1]
    _copy(segments.before, begin, matrix)
    for noise in range(begin, end):
        if noise > begin:
            _times(segments.between, noise, matrix)
        what = 0
        if first < last and at[first] == noise:
            what = code[first]
            first += 1
        happen(matrix, events.still, events.jump, noise, what)
    _times(segments.after, end - 1, matrix)


@inlined
def _count(segments, segment, at, first, last):  # type: ignore[no-untyped-def]
    """Up to which place of `at` the noises are of this segment."""
    while first < last and at[first] < segments.noises[segment + 1]:
        first += 1
    return first


@inlined
def _half(segments, segment, angles, row):  # type: ignore[no-untyped-def]
    return 0.5 * (segments.factor[segment] * angles[row, segments.column[segment]] + segments.offset[segment])


@internal
def build(
    matrix: Array, segments: Any, events: Any, block: int, angles: Array, row: int, at: Array, code: Array,
    first: int, last: int,
) -> None:  # fmt: skip
    """Write a block's 4 x 4 matrix; what happened at noises `at[first:last]`, ascending, is `code`."""
    own = np.empty((1, 4, 4), dtype=np.complex128)
    begin, end = segments.start[block], segments.start[block + 1]
    for segment in range(begin, end):
        until = _count(segments, segment, at, first, last)
        if until > first:
            _happened(segments, events, segment, at, code, first, until, own[0])
            first = until
            if segment == begin:
                _copy(own, 0, matrix)
            else:
                _times(own, 0, matrix)
        elif segment == begin:
            _copy(segments.matrices, segment, matrix)
        else:
            _times(segments.matrices, segment, matrix)
        if segment < end - 1:
            half = _half(segments, segment, angles, row)
            _rotate(matrix, segments.string[segment], np.cos(half), np.sin(half))


@internal
def pull_back(
    moments: Array, products: Array, segments: Any, events: Any, block: int, angles: Array, row: int, at: Array,
    code: Array, first: int, last: int, own: Array, d_shared: Array, d_own: Array, line: int, sample: int,
) -> None:  # fmt: skip
    """Add a block's part of a gradient to that of its angles; what happened in it is as for `build`.

    `moments` are 2 sum lambda_a conj(psi_b), complex (4, 4), lambda after the block, psi before it; overwritten.
    `products` is scratch, complex (2 * most segments of a block, 4, 4). Columns that depend on the inputs (`own`) are
    added to row `sample` of `d_own`, others to row `line` of `d_shared`.
    """
    begin, end = segments.start[block], segments.start[block + 1]
    count = end - begin - 1  # rotations
    matrix = np.empty((4, 4), dtype=np.complex128)
    for k in range(count + 1):
        until = _count(segments, begin + k, at, first, last)
        if until > first:
            _happened(segments, events, begin + k, at, code, first, until, products[count + k])
            first = until
        else:
            _copy(segments.matrices, begin + k, products[count + k])
        if k == count:
            break
        if k == 0:
            _copy(products, count, matrix)
        else:
            _times(products, count + k, matrix)
        half = _half(segments, begin + k, angles, row)
        _rotate(matrix, segments.string[begin + k], np.cos(half), np.sin(half))
        for r in range(4):
            for c in range(4):
                products[k, r, c] = matrix[r, c]
    for k in range(count - 1, -1, -1):
        _adjoint_times(products, count + k + 1, moments)
        string, column = segments.string[begin + k], segments.column[begin + k]
        flip, total = FLIPS[string], 0.0
        for r in range(4):
            for c in range(4):
                total += (moments[r, c].conjugate() * PHASES[string, r] * products[k, r ^ flip, c]).imag
        total *= 0.5 * segments.factor[begin + k]
        if own[column]:
            d_own[sample, column] += total
        else:
            d_shared[line, column] += total
        if k:
            half = _half(segments, begin + k, angles, row)
            _rotate(moments, string, np.cos(half), -np.sin(half))


@internal
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
    return float(np.sqrt(before * after)) / 4
