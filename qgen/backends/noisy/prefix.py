"""What acts on each wire before its first two-wire gate: a Bloch vector a wire, and the chain rule back to angles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.program import Prefix
from qgen.backends.noisy.steps import DELAY, ROTATION
from qgen.backends.statevector.lanes import internal, kernel

Doubles = npt.NDArray[np.float64]


@kernel
def bloch_vectors(prefix: Prefix, angles: Doubles) -> Doubles:
    """Return the Pauli vectors (N, k, 4) of the wires after the prefix, from |0> on each, for angles (N, C)."""
    samples, wires = len(angles), len(prefix.start) - 1
    vectors = np.empty((samples, wires, 4))
    for sample in range(samples):
        for wire in range(wires):
            vector = vectors[sample, wire]
            vector[0], vector[1], vector[2], vector[3] = 1.0, 0.0, 0.0, 1.0
            for op in range(prefix.start[wire], prefix.start[wire + 1]):
                _apply(prefix.ops, op, angles[sample], vector, False)
    return vectors


@kernel
def pull_back_prefix(prefix: Prefix, angles: Doubles, d_vectors: Doubles, d_angles: Doubles) -> None:
    """Add the gradient for the vectors (N, k, 4) of `bloch_vectors` to that for the angles (N, C)."""
    ops, wires = prefix.ops, len(prefix.start) - 1
    longest = 0
    for wire in range(wires):
        longest = max(longest, prefix.start[wire + 1] - prefix.start[wire])
    states, slope = np.empty((longest + 1, 4)), np.empty(4)
    for sample in range(len(angles)):
        for wire in range(wires):
            first, last = prefix.start[wire], prefix.start[wire + 1]
            if first == last:
                continue
            states[0, 0], states[0, 1], states[0, 2], states[0, 3] = 1.0, 0.0, 0.0, 1.0
            for op in range(first, last):
                for digit in range(4):
                    states[op - first + 1, digit] = states[op - first, digit]
                _apply(ops, op, angles[sample], states[op - first + 1], False)
            for digit in range(4):
                slope[digit] = d_vectors[sample, wire, digit]
            for op in range(last - 1, first - 1, -1):
                if ops.column[op] >= 0:
                    d_angles[sample, ops.column[op]] += ops.factor[op] * _slope(ops, op, slope, states[op - first + 1])
                _apply(ops, op, angles[sample], slope, True)


@internal
def _slope(ops: Any, op: int, upstream: Doubles, state: Doubles) -> float:
    """The derivative of sum(upstream * state) by the operation's angle, `state` after it."""
    if ops.kind[op] == DELAY:
        decay_2 = upstream[1] * state[1] + upstream[2] * state[2]
        decay: float = ops.noise[op, 1] * decay_2 + ops.noise[op, 0] * upstream[3] * (state[3] - state[0])
        return -decay
    a, b = _plane(ops.site[op])
    slope: float = upstream[b] * state[a] - upstream[a] * state[b]
    return slope


@internal
def _plane(axis: int) -> tuple[int, int]:
    """The two axes that a turn about this one takes into one another, the first into the second."""
    if axis == 1:
        return 2, 3
    if axis == 2:
        return 3, 1
    return 1, 2


@internal
def _apply(ops: Any, op: int, angles: Doubles, vector: Doubles, transposed: bool) -> None:
    """vector <- operation @ vector, or its transpose @ vector."""
    column, kind = ops.column[op], ops.kind[op]
    angle = ops.offset[op] if column < 0 else ops.factor[op] * angles[column] + ops.offset[op]
    if kind == ROTATION:
        a, b = _plane(ops.site[op])
        cosine, sine = np.cos(angle), -np.sin(angle) if transposed else np.sin(angle)
        x, y = vector[a], vector[b]
        vector[a], vector[b] = cosine * x - sine * y, sine * x + cosine * y
    elif kind == DELAY:
        e1, e2 = np.exp(-ops.noise[op, 0] * angle), np.exp(-ops.noise[op, 1] * angle)
        vector[1] *= e2
        vector[2] *= e2
        if transposed:
            vector[0] += (1 - e1) * vector[3]
            vector[3] *= e1
        else:
            vector[3] = e1 * vector[3] + (1 - e1) * vector[0]
    else:
        matrix = ops.ptms[ops.matrix[op]]
        i, x, y, z = vector[0], vector[1], vector[2], vector[3]
        for k in range(4):
            if transposed:
                vector[k] = matrix[0, k] * i + matrix[1, k] * x + matrix[2, k] * y + matrix[3, k] * z
            else:
                vector[k] = matrix[k, 0] * i + matrix[k, 1] * x + matrix[k, 2] * y + matrix[k, 3] * z
