"""What is done with the arrays of a state: loops, since numba's assignment of arrays compiles for seconds."""

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
