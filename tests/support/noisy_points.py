"""Noisy circuits and angles at random, for tests of methods that need both."""

from __future__ import annotations

from typing import Any

import numpy as np
from dense_noise import BASES, random_routed

from qgen.backends.noisy.point import Point
from qgen.backends.noisy.program import NoisyProgram, compile_program
from qgen.circuits import LayerCircuit
from qgen.randomness import NO_STREAMS


def drawn(circuit: LayerCircuit, seed: int, strength: float = 0.3) -> Any:
    rng = np.random.default_rng(seed)
    routed, measurement, noise = random_routed(circuit, BASES[seed % len(BASES)], rng, strength)
    return compile_program(routed, noise, circuit, 1e-9), routed, measurement, noise, rng


def random_point(program: NoisyProgram, samples: int, rows: int, rng: np.random.Generator) -> Point:
    """Angles in which the samples share `rows` rows of weights, as far as there are samples of each."""
    weight_rows = rng.integers(0, rows, samples)
    angles = rng.uniform(-3, 3, (samples, program.columns))
    for row in range(rows):
        members = np.flatnonzero(weight_rows == row)
        if len(members):
            angles[np.ix_(members, ~program.own_columns)] = angles[members[0], ~program.own_columns]
    return at(angles, weight_rows, rows)


def at(angles: np.ndarray, weight_rows: np.ndarray, rows: int) -> Point:
    members = [np.flatnonzero(weight_rows == row) for row in range(rows)]
    first = np.array([group[0] if len(group) else len(angles) for group in members])
    return Point(angles, weight_rows, np.argsort(weight_rows, kind="stable"), first, NO_STREAMS)


def total(gradients: tuple[np.ndarray, np.ndarray], point: Point) -> np.ndarray:
    """The slope of every angle, summed over the samples of each row of weights."""
    shared, own = gradients
    result = shared.copy()
    np.add.at(result, point.weight_rows, own)
    return result
