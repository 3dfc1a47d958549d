"""The way back of Pauli propagation: derivatives of its result for the blocks' matrices, exact for what was kept.

Propagation is linear in the list and in each matrix. With y_c = sum_r R[r, c] x_r for the strings of a group, the
cotangent of x_r is sum_c R[r, c] (that of y_c), and that of R[r, c] is x_r times that of y_c, summed over groups and
observables; c runs over the strings that were kept.
"""

from __future__ import annotations

from typing import Any

from qgen.backends.noisy.propagation import Tape
from qgen.backends.statevector.lanes import broadcast, kernel, load, store, total, width, zeros_like

Array = Any
FLUSH = 1024  # groups between two sums into float64


@kernel
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
            mask = tape.masks[group]
            kept = 0
            for c in range(15, -1, -1):
                if mask >> (16 + c) & 1:
                    left -= 1
                    store(outputs, kept * V, load(cotangents, tape.out[left] * V))
                    digits[kept] = c
                    kept += 1
            for r in range(15, 0, -1):
                if mask >> r & 1:
                    came -= 1
                    x = load(tape.vectors, came * V)
                    value = zeros_like(x)
                    for k in range(kept):
                        place = 16 * r + digits[k]
                        y = load(outputs, k * V)
                        value += broadcast(matrices, at + place) * y
                        store(sums, place * V, load(sums, place * V) + x * y)
                    store(cotangents, tape.into[came] * V, value)
            if mask & 1:
                came -= 1
                if mask >> 16 & 1:  # the last that was put there
                    store(cotangents, tape.into[came] * V, load(outputs, (kept - 1) * V))
                else:
                    store(cotangents, tape.into[came] * V, zeros_like(load(outputs, 0)))
            groups += 1
            if groups % FLUSH == 0:
                _flush(sums, moments, at)
        if groups % FLUSH:
            _flush(sums, moments, at)
