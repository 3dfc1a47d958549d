"""A method for noisy circuits by dense Pauli vectors, with gradients by differences: slow, and simple."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from qgen.backends.noisy.pauli_blocks import build_ptms
from qgen.backends.noisy.point import Point
from qgen.backends.noisy.prefix import bloch_vectors
from qgen.backends.noisy.program import NoisyProgram

STEP = 1e-5


@dataclass
class DenseMethod:
    program: NoisyProgram
    method: str = "dense"

    def values(self, point: Point) -> np.ndarray:
        start, key, coefficient = self.program.strings
        rows = [coefficient * self.pauli_vector(row)[key] for row in point.angles]
        return np.array([[row[a:b].sum() for a, b in pairwise(start)] for row in rows])

    def pauli_vector(self, angles: np.ndarray) -> np.ndarray:
        wires, blocks, state = self.program.wires, self.program.blocks, np.ones(())
        for vector in bloch_vectors(self.program.prefix, angles[None])[0]:  # the last wire is the first axis
            state = np.multiply.outer(vector, state)
        ptms = np.empty((len(blocks.wires), 16, 16))
        build_ptms(blocks, angles, np.arange(len(ptms)), ptms)
        for (low, high), ptm in zip(blocks.wires, ptms, strict=True):
            axes = (wires - 1 - high, wires - 1 - low)
            turned = np.tensordot(ptm.reshape(4, 4, 4, 4), state, axes=((2, 3), axes))
            state = np.moveaxis(turned, (0, 1), axes)
        return state.reshape(-1)

    def gradients(
        self, point: Point, upstream: np.ndarray, inputs: bool, weights: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        own, each = self.program.own_columns, np.zeros_like(point.angles)
        for column in range(self.program.columns):
            move = STEP * (np.arange(self.program.columns) == column)
            pair = [self.values(point._replace(angles=point.angles + sign * move)) for sign in (1, -1)]
            each[:, column] = ((pair[0] - pair[1]) * upstream).sum(axis=1) / (2 * STEP)
        shared = np.zeros((len(point.first), self.program.columns))
        np.add.at(shared, point.weight_rows, np.where(own, 0, each))
        return shared, np.where(own, each, 0)
