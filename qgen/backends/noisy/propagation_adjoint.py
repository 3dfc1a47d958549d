"""The way back of Pauli propagation: derivatives of its result for the blocks' matrices, exact for what was kept.

Propagation is linear in the list and in each matrix. With y_c = sum_r R[r, c] x_r for the strings of a group, the
cotangent of x_r is sum_c R[r, c] (that of y_c), and that of R[r, c] is x_r times that of y_c, summed over groups and
observables; c runs over the strings that were kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qgen.backends.noisy.bits import count_bits, lowest_bit
from qgen.backends.noisy.propagation import Tape
from qgen.backends.statevector.lanes import internal, kernel, load, spread, store, total, width, zeros_like

Array = Any
FLUSH = 1024  # groups between two sums into float64


@internal
def _flush(sums: Array, moments: Array, at: int) -> None:
    V = width(sums)
    zero = zeros_like(load(sums, 0))
    for k in range(16, 256):
        moments[at + k] += total(load(sums, k * V))
        store(sums, k * V, zero)


@kernel
def propagate_adjoint(
    matrices: Array, tape: Tape, cotangents: Array, outputs: Array, digits: Array, sums: Array, moments: Array
) -> None:
    """Run the cotangents of a propagated list forwards through all blocks, in place.

    Args:
        matrices: flat, as `propagate` took them.
        tape: as `propagate` wrote it.
        cotangents: flat, a vector a slot: those of the list's coefficients after the propagation, then before it.
        outputs: working memory, 16 vectors.
        digits: working memory, 16 integers.
        sums: working memory, 256 vectors of zeros, and zeros after the call.
        moments: float64, flat, 256 numbers a block: the derivative for each number of its matrix is added. Its first
            row, which no angle moves, is left out.
    """
    V = width(matrices)
    for b in range(len(tape.starts) - 1):
        at = 256 * b
        came, left, groups = tape.starts[b, 1], tape.starts[b, 2], 0
        for group in range(tape.starts[b, 0] - 1, tape.starts[b + 1, 0] - 1, -1):
            came_in, kept = tape.masks[group] & 0xFFFF, np.int64(tape.masks[group] >> 16 & 0xFFFF)
            came -= count_bits(came_in)
            left -= count_bits(kept)
            count = 0
            while kept:
                digits[count] = lowest_bit(kept)
                store(outputs, count * V, load(cotangents, tape.out[left + count] * V))
                kept &= kept - 1
                count += 1
            rows, entry = np.int64(came_in), came
            if rows & 1:  # the first row of R is 1, 0, ..., 0
                value = zeros_like(load(outputs, 0))
                if count > 0 and digits[0] == 0:
                    value = load(outputs, 0)
                store(cotangents, tape.into[entry] * V, value)
                rows &= rows - 1
                entry += 1
            while rows:
                row = 16 * lowest_bit(rows)
                x = load(tape.vectors, entry * V)
                value = zeros_like(x)
                for k in range(count):
                    place, y = row + digits[k], load(outputs, k * V)
                    value += spread(matrices, at + place) * y
                    store(sums, place * V, load(sums, place * V) + x * y)
                store(cotangents, tape.into[entry] * V, value)
                rows &= rows - 1
                entry += 1
            groups += 1
            if groups % FLUSH == 0:
                _flush(sums, moments, at)
        if groups % FLUSH:
            _flush(sums, moments, at)
