"""The memory that one thread follows paths in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qgen.backends.statevector import pauli
from qgen.backends.statevector.lanes import WIDTH
from qgen.backends.statevector.workspace import aligned

Array = Any
LANES = {np.dtype(str(scalar)): lanes for scalar, lanes in WIDTH.items()}


class State(NamedTuple):
    """A state and its lambda, and what `pauli.py` works in."""

    psi: Array
    adjoint: Array
    buffer: Array
    totals: Array
    weights: Array


class Work(NamedTuple):
    """The tables of B blocks; the coefficients and sums have a slot more, for a block in which something happens.

    Attributes:
        forward, inverse, adjoint: coefficients of each block's matrix.
        sums: float64, lambda_a conj(psi_b) of each block; zero between samples.
        matrices, inverses, path_matrices, path_inverses: complex128 (B, 4, 4), where nothing happens, and of a path.
        products: scratch of `path_blocks.pull_back`.
        loss: (B,), log of the condition of each matrix.
        keeps, ideal_keeps: (B,), whether the state before a block is kept on the way back, of a path, of the ideal one.
        events_until: (B,), how many of a path's noises with events lie in the blocks up to this one.
        at, code: the noises with events of a path, see `path_events.draw_path`.
        identity: (4, 4).
    """

    forward: Array
    inverse: Array
    adjoint: Array
    sums: Array
    matrices: Array
    inverses: Array
    path_matrices: Array
    path_inverses: Array
    products: Array
    loss: Array
    keeps: Array
    ideal_keeps: Array
    events_until: Array
    at: Array
    code: Array
    identity: Array


def make_work(
    dtype: np.dtype[Any], rows: int, blocks: int, segments: int, noises: int, strings: int
) -> tuple[Work, State, State]:
    """Return the tables of one thread, an ideal state and that of a path.

    Args:
        dtype: of amplitudes, float32 or float64.
        rows: of a state.
        blocks: of the circuit.
        segments: at most, in a block.
        noises: of the circuit.
        strings: Pauli strings that are measured.
    """
    lanes, double = LANES[dtype], np.dtype(np.float64)
    slots = 16 * lanes * (blocks + 1)
    work = Work(
        forward=aligned(slots, dtype),
        inverse=aligned(slots, dtype),
        adjoint=aligned(slots, dtype),
        sums=aligned(2 * slots, double),
        matrices=_matrices(blocks),
        inverses=_matrices(blocks),
        path_matrices=_matrices(blocks),
        path_inverses=_matrices(blocks),
        products=_matrices(2 * segments),
        loss=np.zeros(blocks),
        keeps=np.zeros(blocks, dtype=np.bool_),
        ideal_keeps=np.zeros(blocks, dtype=np.bool_),
        events_until=np.zeros(blocks, dtype=np.int64),
        at=np.zeros(noises, dtype=np.int64),
        code=np.zeros(noises, dtype=np.int64),
        identity=np.eye(4, dtype=np.complex128),
    )
    buffer, totals = aligned(min(rows, pauli.CHUNK) * 2 * lanes, dtype), aligned(strings * lanes, double)
    weights, state = aligned(strings * lanes, dtype), rows * 2 * lanes
    ideal = State(aligned(state, dtype), aligned(state, dtype), buffer, totals, weights)
    return work, ideal, ideal._replace(psi=aligned(state, dtype), adjoint=aligned(state, dtype))


def _matrices(count: int) -> Array:
    return np.zeros((count, 4, 4), dtype=np.complex128)
