"""Which butterflies of a Walsh-Hadamard transform lead to the entries that are read of it."""

from __future__ import annotations

from collections.abc import Iterable

from qgen.backends.statevector.pauli import ALL, BOTH, DIFFERENCES, SUMS

LEAST_ALL = 8  # rows from which a part that is mostly read is transformed as a whole


def transform_steps(entries: Iterable[int], rows: int) -> list[tuple[int, int, int]]:
    """Find the steps of `pauli._transform`, which halve the rows from the highest bit down.

    Args:
        entries: which are read.
        rows: of the transform, a power of two.

    Returns:
        First row, half of the rows, and kind of each step.
    """
    return _steps(sorted(set(entries)), 0, rows)


def _steps(entries: list[int], first: int, rows: int) -> list[tuple[int, int, int]]:
    half = rows // 2
    if not entries or not half:
        return []
    if rows >= LEAST_ALL and 2 * len(entries) >= rows:
        return [(first, half, ALL)]
    low, high = [z for z in entries if z < half], [z - half for z in entries if z >= half]
    kind = BOTH if low and high else SUMS if low else DIFFERENCES
    return [(first, half, kind), *_steps(low, first, half), *_steps(high, first + half, half)]
