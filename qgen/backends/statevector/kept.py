"""States that are kept from the values of a batch to its gradients, within a limit for all of the process."""

from __future__ import annotations

import weakref
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_KEPT = 8 << 20  # bytes of all kept states of the process: beyond what caches hold, computing again is as fast
UNCOUNTED = 64 << 10  # bytes of a batch below which its states are no matter

_lock = Lock()
_kept = 0


def kept_states(tiles: int, size: int, dtype: np.dtype[Any]) -> npt.NDArray[np.floating[Any]]:
    """Return memory for the states of all tiles (tiles, size), or (0, size) where the limit does not allow for it.

    It counts against the limit until the array is released.
    """
    global _kept
    needed = tiles * size * dtype.itemsize
    if needed > UNCOUNTED:
        with _lock:
            if _kept + needed > MOST_KEPT:
                return np.empty((0, size), dtype=dtype)
            _kept += needed
    states = np.empty((tiles, size), dtype=dtype)
    if needed > UNCOUNTED:
        weakref.finalize(states, _release, needed)
    return states


def _release(count: int) -> None:
    global _kept
    with _lock:
        _kept -= count
