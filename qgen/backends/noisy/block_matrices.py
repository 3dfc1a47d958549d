"""The matrices of blocks at some angles, their inverses, and from their slopes back to those of the angles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qgen.backends.noisy.pauli_blocks import build_ptms, pull_back
from qgen.backends.noisy.program import Blocks
from qgen.backends.statevector.lanes import internal, kernel, width

Array = Any


class Matrices(NamedTuple):
    """The blocks' transfer matrices, flat.

    shared: (B, 256), of blocks with one matrix for all lanes; lanes: (·, 256, V), of the others; slot: (B,), the place
    of a block's matrix in `lanes`, -1 for a shared one; inverses and lane_inverses: the same of the inverse matrices,
    where blocks are undone by them.
    """

    shared: Array
    lanes: Array
    inverses: Array
    lane_inverses: Array
    slot: Array


class Batch(NamedTuple):
    """Samples that share a row of weights, or each with their own.

    angles: (N, C), of all samples; vectors: (N, k, 4), their wires after the prefix; members: (M,), the samples of the
    batch; spread: the blocks that have a matrix of their own in each lane.
    """

    angles: Array
    vectors: Array
    members: Array
    spread: Array


@internal
def member(batch: Batch, tile: int, lane: int, V: int) -> int:
    """The sample in a lane; the last tile repeats its last sample to be full."""
    sample: int = batch.members[min(tile * V + lane, len(batch.members) - 1)]
    return sample


@internal
def invert(matrix: Array, inverse: Array) -> None:
    """Write the inverse of a square matrix; `matrix` is overwritten. Gauss-Jordan elimination with row pivots."""
    n = len(matrix)
    inverse[:] = 0.0
    for k in range(n):
        inverse[k, k] = 1.0
    for k in range(n):
        pivot = k
        for r in range(k + 1, n):
            if abs(matrix[r, k]) > abs(matrix[pivot, k]):
                pivot = r
        if pivot != k:
            for c in range(n):
                matrix[k, c], matrix[pivot, c] = matrix[pivot, c], matrix[k, c]
                inverse[k, c], inverse[pivot, c] = inverse[pivot, c], inverse[k, c]
        scale = 1.0 / matrix[k, k]
        for c in range(n):
            matrix[k, c] *= scale
            inverse[k, c] *= scale
        for r in range(n):
            factor = matrix[r, k]
            if r != k and factor != 0.0:
                for c in range(n):
                    matrix[r, c] -= factor * matrix[k, c]
                    inverse[r, c] -= factor * inverse[k, c]


@kernel
def build_shared(blocks: Blocks, angles: Array, which: Array, undone: Array, matrices: Matrices) -> None:
    """Write the matrices of the blocks `which` at one row of angles (C,), and the inverses of those `undone` (B,)."""
    built, inverse = np.empty((1, 16, 16)), np.empty((16, 16))
    for k in range(len(which)):
        b = which[k]
        build_ptms(blocks, angles, which[k : k + 1], built)
        for r in range(16):
            for c in range(16):
                matrices.shared[b * 256 + r * 16 + c] = built[0, r, c]
        if undone[b]:
            invert(built[0], inverse)
            for r in range(16):
                for c in range(16):
                    matrices.inverses[b * 256 + r * 16 + c] = inverse[r, c]


@kernel
def build_lanes(blocks: Blocks, batch: Batch, tile: int, undone: Array, lanes: Array, lane_inverses: Array) -> None:
    """Write the matrices of a tile's spread blocks, lane by lane, and the inverses of those `undone` (B,)."""
    V, spread = width(lanes), batch.spread
    built, inverse = np.empty((1, 16, 16)), np.empty((16, 16))
    for lane in range(V):
        angles = batch.angles[member(batch, tile, lane, V)]
        for k in range(len(spread)):
            build_ptms(blocks, angles, spread[k : k + 1], built)
            for r in range(16):
                for c in range(16):
                    lanes[(k * 256 + r * 16 + c) * V + lane] = built[0, r, c]
            if undone[spread[k]]:
                invert(built[0], inverse)
                for r in range(16):
                    for c in range(16):
                        lane_inverses[(k * 256 + r * 16 + c) * V + lane] = inverse[r, c]


@kernel
def pull_back_shared(blocks: Blocks, angles: Array, which: Array, d_matrices: Array, d_angles: Array) -> None:
    """Add the gradients of the blocks `which` from d_matrices (parts, B, 16, 16), which add up, to d_angles (C,)."""
    total = np.empty((16, 16))
    for k in range(len(which)):
        for r in range(16):
            for c in range(16):
                total[r, c] = 0.0
                for part in range(len(d_matrices)):
                    total[r, c] += d_matrices[part, which[k], r, c]
        pull_back(blocks, which[k], angles, total, d_angles)


@kernel
def pull_back_lanes(
    blocks: Blocks, batch: Batch, tile: int, wanted: Array, moments: Array, V: int, d_angles: Array
) -> None:
    """Add the gradients of a tile's spread blocks, where `wanted` (B,), from moments (·, 256, V) to d_angles (N, C)."""
    total = np.empty((16, 16))
    for k in range(len(batch.spread)):
        if not wanted[batch.spread[k]]:
            continue
        for lane in range(min(V, len(batch.members) - tile * V)):
            for r in range(16):
                for c in range(16):
                    total[r, c] = moments[(k * 256 + r * 16 + c) * V + lane]
            sample = batch.members[tile * V + lane]
            pull_back(blocks, batch.spread[k], batch.angles[sample], total, d_angles[sample])
