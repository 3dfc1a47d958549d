"""Counter-based random numbers in kernels: each path of each sample has a stream of its own, in any order."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgen.backends.statevector.lanes import inlined, kernel
from qgen.randomness import Streams

Array = Any
WORDS = 4  # numbers of one block
PATHS = 64  # purpose of the streams of paths; those of measurement bases are numbered from 0
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)


@inlined
def _high(a, b):  # type: ignore[no-untyped-def]
    """The upper 64 bits of the product of two 64-bit numbers."""
    a0, a1, b0, b1 = a & _LOW, a >> _HALF, b & _LOW, b >> _HALF
    middle = a1 * b0 + (a0 * b0 >> _HALF)
    other = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> _HALF) + (other >> _HALF)


@kernel
def philox(key: Array, block: int, words: Array) -> None:
    """Four random words of 64 bits: Philox4x64-10, as `numpy.random.Philox`.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

    Args:
        key: uint64 (4,): the key's first word, then the upper three words of the counter.
        block: the lowest word of the counter.
        words: uint64 (4,), overwritten.
    """
    k0, k1 = key[0], np.uint64(0)
    c0, c1, c2, c3 = np.uint64(block), key[1], key[2], key[3]
    for _ in range(10):
        high0, high1 = _high(_M0, c0), _high(_M1, c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, _M1 * c2, high0 ^ c3 ^ k1, _M0 * c0
        k0 += _W0
        k1 += _W1
    words[0], words[1], words[2], words[3] = c0, c1, c2, c3


@inlined
def unit(word):  # type: ignore[no-untyped-def]
    """A word as a number in [0, 1)."""
    return (word >> np.uint64(11)) * (1.0 / 9007199254740992.0)


def stream_keys(streams: Streams) -> Array:
    """Return the key of each row's stream, uint64 (N, 4), for `philox`; see `Streams`."""
    evaluations = np.array(streams.evaluations, dtype=np.uint64)
    seeds, rows = np.array(streams.seeds, dtype=np.uint64), np.arange(streams.rows_per_seed, dtype=np.uint64)
    keys = np.empty((len(evaluations), len(seeds), len(rows), WORDS), dtype=np.uint64)
    keys[..., 0], keys[..., 1] = seeds[:, np.newaxis], rows
    keys[..., 2], keys[..., 3] = evaluations[:, np.newaxis, np.newaxis], PATHS
    return keys.reshape(-1, WORDS)
