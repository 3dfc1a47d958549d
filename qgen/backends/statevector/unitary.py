"""A unitary matrix on several wires as 2 x 2 unitaries under controls, exactly.

Qiskit's own synthesis takes a matrix on two qubits for one of a special form where their fidelity is within 1e-9 of 1,
so that amplitudes may be off by 3e-5; and it needs more gates. Here each step turns two rows of the matrix onto one
another so that an entry becomes zero (Reck et al., 1994, doi:10.1103/PhysRevLett.73.58). Rows follow a Gray code, so
that two neighbours differ in one bit: that wire is the target, all others are controls.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.complex128]


class Turn(NamedTuple):
    """`matrix` (2, 2) on bit `target` of an index, where all other bits are those of `row`."""

    target: int
    row: int
    matrix: Matrix


def two_level_turns(unitary: Matrix) -> list[Turn]:
    """The turns whose product is `unitary` (2^k, 2^k) up to a global phase, the first to act first; k >= 1."""
    size = len(unitary)
    rest = unitary / np.linalg.det(unitary) ** (1 / size)
    code = [k ^ k >> 1 for k in range(size)]
    turns = []
    for column in range(size - 1):
        for k in range(size - 1, column, -1):
            above, below = code[k - 1], code[k]
            target = (above ^ below).bit_length() - 1
            low, high = sorted((above, below))  # those with 0 and with 1 in the target's bit
            turn = _onto(rest[above, code[column]], rest[below, code[column]])
            if (low, high) != (above, below):
                turn = turn[::-1, ::-1]
            rest[[low, high]] = turn @ rest[[low, high]]
            turns.append(Turn(target, low, turn.conj().T))
    return [turn for turn in reversed(turns) if not np.array_equal(turn.matrix, np.eye(2))]


def _onto(a: complex, b: complex) -> Matrix:
    """The unitary of determinant 1 that takes (a, b) to (r, 0), r >= 0."""
    r = np.hypot(abs(a), abs(b))
    if r == 0:
        return np.eye(2, dtype=np.complex128)
    return np.array([[np.conj(a), np.conj(b)], [-b, a]]) / r
