"""Chance, and arrays of a state, in loops: numba compiles assignments of arrays for seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgen.compilation import internal


@internal
def copy(source: Any, to: Any) -> None:
    """Write the numbers of one array into another of equal length."""
    for k in range(len(source)):
        to[k] = source[k]


@internal
def hashed(sites: Any, last: Any, done: Any) -> Any:
    """Mix as FNV-1a does (Fowler, Noll and Vo, 1991), a number at a time."""
    prime, mixed = np.uint64(1099511628211), np.uint64(14695981039346656037)
    for k in range(len(sites)):
        mixed = (mixed ^ np.uint64(sites[k])) * prime
        mixed = (mixed ^ np.uint64(last[k] + 1)) * prime
        mixed ^= mixed >> np.uint64(29)
    for word in done:
        mixed = (mixed ^ word) * prime
        mixed ^= mixed >> np.uint64(32)
    return mixed


@internal
def chance(random: Any) -> float:
    """Draw from 0 to 1, by an xorshift generator (Marsaglia, 2003, doi:10.18637/jss.v008.i14).

    Args:
        random: (1,) of 64 bits, not 0.
    """
    x = random[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    random[0] = x
    return float(x >> np.uint64(40)) / float(1 << 24)
