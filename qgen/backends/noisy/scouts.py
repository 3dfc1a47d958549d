"""Scouts of Pauli propagation: which strings a gradient needs, though values do not.

Behind a rotation by t a string's coefficient has the factor sin t or cos t. Near a multiple of pi/2 one of them is
nearly zero: the string counts for nothing in a value, and would be dropped, while its derivative is not small. So what
is kept is decided at other angles too. Spare lanes of the vectors, the scouts, carry the observables through the same
circuit at angles away from these multiples, and a string stays where any lane is above the threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.pauli_blocks import build_ptms
from qgen.backends.noisy.program import Blocks
from qgen.backends.noisy.steps import ROTATION

Doubles = npt.NDArray[np.float64]

#: Radians: how far scouts' angles are from multiples of pi/2, drawn for each rotation between these. Coefficients of
#: strings that a first derivative needs are then by a factor of 0.2 to 0.4 smaller than the derivative.
NUDGES = (0.2, 0.4)
QUARTER = np.pi / 2


def lanes_of(observables: int, lanes: int) -> tuple[int, int]:
    """Return how many observables share a vector of so many lanes at most, and how many scouts go with them."""
    most = lanes - lanes // 4
    groups = -(-observables // most)
    size = -(-observables // max(1, groups))
    return size, min(size, lanes - size)


def add_scouts(coefficients: npt.NDArray[Any], size: int, scouts: int) -> None:
    """Write the coefficients of scouts beside those of the observables: (S, lanes), the first `size` lanes filled.

    A scout is a sum of observables with random signs, lest strings that they share cancel.
    """
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size)
    for lane in range(scouts):
        members = np.arange(lane, size, scouts)
        if len(members):
            coefficients[:, size + lane] = coefficients[:, members] @ signs[members] / np.sqrt(len(members))


def scouts_matrices(blocks: Blocks, angles: Doubles) -> Doubles:
    """Return the blocks' Pauli transfer matrices (B, 16, 16) for scouts, at angles (C,)."""
    ops, count = blocks.ops, len(blocks.wires)
    turns = (ops.column >= 0) & (ops.kind == ROTATION)
    draws = np.random.default_rng(1)
    distance = draws.uniform(*NUDGES, len(ops.column))
    signs = draws.choice([-1.0, 1.0], len(ops.column))
    angle = ops.offset.astype(np.float64)
    angle[turns] += ops.factor[turns] * angles[ops.column[turns]]
    nearest = np.round(angle / QUARTER) * QUARTER
    off = angle - nearest
    side = np.where(np.abs(off) < 1e-3, signs, np.sign(off))
    moved = nearest + side * np.maximum(np.abs(off), distance) - angle
    nudged = blocks._replace(ops=ops._replace(offset=ops.offset + np.where(turns, moved, 0.0)))
    matrices = np.empty((count, 16, 16))
    build_ptms(nudged, angles, np.arange(count), matrices)
    return matrices
