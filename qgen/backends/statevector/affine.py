"""Affine angles in one pass from parameters to half turns, and back: what few samples would else spend on small arrays.

A row's angles depend on its own parameters only, and are summed in one order: they are the same in any batch.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.statevector.lanes import internal, kernel

Doubles = npt.NDArray[np.float64]
Array = Any
FEW = 512  # angles up to which cosines one by one are faster than numpy's, which come in vectors


class AffineMap(NamedTuple):
    """angle k = offset[k] + sum of slope[e] * parameter[column[e]] over e in [first[k], first[k + 1])."""

    offset: Doubles
    first: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    slope: Doubles


def affine_map(offset: Doubles, slopes: Doubles) -> AffineMap:
    """The map of parameters (P,) to angles offset (A,) + parameters @ slopes (P, A)."""
    entries = [(k, int(j)) for k in range(len(offset)) for j in np.flatnonzero(slopes[:, k])]
    counts = np.bincount([k for k, _ in entries], minlength=len(offset)) if entries else np.zeros(len(offset))
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    column = np.array([j for _, j in entries], dtype=np.int64)
    return AffineMap(offset.copy(), first, column, np.array([slopes[j, k] for k, j in entries], dtype=np.float64))


@internal
def _angle(row: Array, angles: Any, k: int) -> float:
    total = angles.offset[k]
    for e in range(angles.first[k], angles.first[k + 1]):
        total += angles.slope[e] * row[angles.column[e]]
    return total


@internal
def _finite(rows: Array) -> bool:
    for n in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            if not math.isfinite(rows[n, j]):
                return False
    return True


@internal
def _half_turns(rows: Array, angles: Any, turns: Array) -> bool:
    for n in range(turns.shape[0]):
        for k in range(turns.shape[1]):
            angle = _angle(rows[n], angles, k)
            if not math.isfinite(angle):
                return False
            turns[n, k] = complex(math.cos(0.5 * angle), math.sin(0.5 * angle))
    return True


@internal
def _angles(rows: Array, angles: Any, found: Array) -> bool:
    for n in range(found.shape[0]):
        for k in range(found.shape[1]):
            found[n, k] = _angle(rows[n], angles, k)
            if not math.isfinite(found[n, k]):
                return False
    return True


@kernel
def few_half_turns(inputs: Array, weights: Array, own: Any, shared: Any, own_turns: Array, shared_turns: Array) -> bool:
    """Write exp(i angle / 2) of both groups of angles; returns whether parameters and angles are finite."""
    return (
        _finite(inputs)
        and _finite(weights)
        and _half_turns(inputs, own, own_turns)
        and _half_turns(weights, shared, shared_turns)
    )


@kernel
def many_angles(inputs: Array, weights: Array, own: Any, shared: Any, own_angles: Array, shared_angles: Array) -> bool:
    """Write the angles of both groups; returns whether parameters and angles are finite."""
    return (
        _finite(inputs)
        and _finite(weights)
        and _angles(inputs, own, own_angles)
        and _angles(weights, shared, shared_angles)
    )


@internal
def _transposed(d_angles: Array, angles: Any, d_parameters: Array) -> None:
    total = np.empty(d_parameters.shape[1])
    for n in range(d_parameters.shape[0]):
        total[:] = 0.0
        for k in range(d_angles.shape[1]):
            for e in range(angles.first[k], angles.first[k + 1]):
                total[angles.column[e]] += angles.slope[e] * d_angles[n, k]
        for j in range(len(total)):
            d_parameters[n, j] = total[j]


@kernel
def pull_back(d_own: Array, d_shared: Array, own: Any, shared: Any, d_inputs: Array, d_weights: Array) -> None:
    """Write the gradients of inputs (N, I) and weights (R, W), given those of their angles; of those with rows."""
    _transposed(d_own, own, d_inputs)
    _transposed(d_shared, shared, d_weights)
