"""The memory that one thread of the engine works in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qgen.backends.statevector import pauli
from qgen.backends.statevector.layout import Layout

Flat = Any  # a flat, zeroed, aligned array


class Workspace(NamedTuple):
    """Flat arrays; all but `sums` and `totals` (float64) of the amplitudes' type."""

    psi: Flat  # a tile of states: those of all its registers
    adjoint: Flat  # a tile of lambdas, of the same form
    scratch: Flat  # a block of rows of each, where tiles are cut into blocks
    coefficients: Flat  # 8 vectors an op: its 2 x 2 matrix in every lane
    sums: Flat  # 8 vectors an op: lambda_a conj(psi_b); zero between tiles
    buffer: Flat  # real and imaginary parts of a chunk, for Walsh-Hadamard transforms
    totals: Flat  # a vector a Pauli string: its expectation value, lane by lane
    weights: Flat  # a vector a Pauli string: its upstream gradient


def make_workspace(layout: Layout, dtype: np.dtype[Any]) -> Workspace:
    """Memory for tiles of this layout, with numbers of type float32 or float64."""
    lanes = layout.lanes
    state = layout.rows * 2 * lanes
    scratch = layout.block_rows * 4 * lanes if layout.blocks > 1 else 0
    table, strings = len(layout.tables.ops) * 8 * lanes, len(layout.tables.strings) * lanes
    chunk = min(layout.rows, pauli.CHUNK) * 2 * lanes
    double = np.dtype(np.float64)
    return Workspace(
        psi=aligned(state, dtype),
        adjoint=aligned(state, dtype),
        scratch=aligned(scratch, dtype),
        coefficients=aligned(table, dtype),
        sums=aligned(table, double),
        buffer=aligned(chunk, dtype),
        totals=aligned(strings, double),
        weights=aligned(strings, dtype),
    )


def aligned(size: int, dtype: np.dtype[Any]) -> Flat:
    """On a cache line's boundary: an unaligned vector would touch two lines."""
    raw = np.zeros(size * dtype.itemsize + 64, dtype=np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size * dtype.itemsize].view(dtype)
