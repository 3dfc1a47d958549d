"""Blocks cut at their open angles: what lies between two of them is one constant matrix for all paths and samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.path_blocks import FLIPS, PHASES, happen
from qgen.backends.noisy.path_events import Events
from qgen.backends.noisy.program import Blocks, Ops
from qgen.backends.noisy.steps import FIXED_1Q, FIXED_2Q, ROTATION

Complexes = npt.NDArray[np.complex128]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Segments(NamedTuple):
    """S segments; a block with n open rotations has n + 1, each but the last followed by a rotation.

    Attributes:
        start: (B + 1,), the segments of block b are start[b] to start[b + 1].
        matrices: (S, 4, 4), of each segment where nothing happens.
        string, column, factor, offset: (S,), the rotation after a segment, as in `Ops`; column 0 of the last.
        noises: (S + 1,), the noises of segment s are noises[s] to noises[s + 1].
        before, after, between: (noises, 4, 4), what comes before and after a noise within its segment, and between it
            and the noise before it.
    """

    start: Integers
    matrices: Complexes
    string: Integers
    column: Integers
    factor: Doubles
    offset: Doubles
    noises: Integers
    before: Complexes
    after: Complexes
    between: Complexes


def make_segments(blocks: Blocks, events: Events) -> Segments:
    """Cut blocks at their open rotations; the noises are numbered as in `events`."""
    ops = blocks.ops
    count = len(events.still)
    start, noises, matrices, rotations = [0], [0], list[Complexes](), list[tuple[int, int, float, float]]()
    before, after, between = (np.zeros((count, 4, 4), dtype=np.complex128) for _ in range(3))
    done = 0
    for first, last in zip(blocks.start[:-1].tolist(), blocks.start[1:].tolist(), strict=True):
        matrix, apart = np.eye(4, dtype=np.complex128), np.eye(4, dtype=np.complex128)
        for op in [*range(first, last), -1]:
            cut = op < 0 or ops.column[op] >= 0
            if cut:
                matrices.append(matrix)
                _fill_after(after, between, events, noises[-1], done, apart)
                noises.append(done)
                rotations.append(
                    (0, 0, 0.0, 0.0)
                    if op < 0
                    else (int(ops.site[op]), int(ops.column[op]), float(ops.factor[op]), float(ops.offset[op]))
                )
                matrix, apart = np.eye(4, dtype=np.complex128), np.eye(4, dtype=np.complex128)
            elif done < count and events.op[done] == op:
                before[done], between[done] = matrix, apart
                matrix, apart = matrix.copy(), np.eye(4, dtype=np.complex128)
                happen(matrix, events.still, events.jump, done, 0)
                done += 1
            else:
                gate = _gate(ops, op)
                matrix, apart = gate @ matrix, gate @ apart
        start.append(len(matrices))
    turns = np.array(rotations).reshape(-1, 4)
    return Segments(
        np.array(start, dtype=np.int64),
        np.array(matrices, dtype=np.complex128).reshape(-1, 4, 4),
        turns[:, 0].astype(np.int64),
        turns[:, 1].astype(np.int64),
        turns[:, 2].copy(),
        turns[:, 3].copy(),
        np.array(noises, dtype=np.int64),
        before,
        after,
        between,
    )


def _fill_after(after: Complexes, between: Complexes, events: Events, first: int, last: int, tail: Complexes) -> None:
    """What follows each noise of a segment that ends with `tail`."""
    for noise in range(last - 1, first - 1, -1):
        after[noise] = tail
        earlier = between[noise].copy()
        happen(earlier, events.still, events.jump, noise, 0)
        tail = tail @ earlier


def _gate(ops: Ops, op: int) -> Complexes:
    """The matrix of a fixed operation on both wires; the identity of noise without effect."""
    kind, site = ops.kind[op], int(ops.site[op])
    if kind == ROTATION:
        string = np.zeros((4, 4), dtype=np.complex128)
        string[np.arange(4), np.arange(4) ^ FLIPS[site]] = PHASES[site]
        half = ops.offset[op] / 2
        return np.asarray(np.cos(half) * np.eye(4) - 1j * np.sin(half) * string)
    unitary = ops.unitaries[ops.matrix[op]]
    if kind == FIXED_2Q:
        return np.asarray(unitary)
    if kind == FIXED_1Q:
        one = unitary[:2, :2]
        return np.kron(np.eye(2), one) if site == 0 else np.kron(one, np.eye(2))
    return np.eye(4, dtype=np.complex128)
