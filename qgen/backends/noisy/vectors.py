"""Memory for Pauli vectors: said before it is taken, and kept from call to call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.sweeps import CHUNK
from qgen.backends.noisy.tiles import Work
from qgen.backends.statevector.workspace import aligned
from qgen.errors import BackendError
from qgen.memory import free_memory

Memory = TypeVar("Memory", bound=tuple[npt.NDArray[Any], ...])
MOST_IDLE = 1 << 26  # bytes; to take more anew costs little beside what is done with it


class ObservableVectors(NamedTuple):
    """Tiles of observables: `states` and their `copies` (tiles, numbers), `adjoints` (parts, tiles, numbers)."""

    states: npt.NDArray[Any]
    copies: npt.NDArray[Any]
    adjoints: npt.NDArray[Any]


class Pool(Generic[Memory]):
    """Memory of one shape that no call is using; any thread may take from it. What is large is not kept."""

    def __init__(self, make: Callable[[], Memory]) -> None:
        self._make = make
        self._idle: list[Memory] = []

    def take(self) -> Memory:
        """Return memory, made where none is idle."""
        try:
            return self._idle.pop()
        except IndexError:  # other threads take from the same list: asking first would not be safe
            return self._make()

    @contextmanager
    def lend(self, count: int) -> Iterator[list[Memory]]:
        """Lend several for the length of a `with`; what an error interrupts is not kept."""
        lent = [self.take() for _ in range(count)]
        yield lent
        for memory in lent:
            self.give(memory)

    def give(self, memory: Memory) -> None:
        """Give memory back that was taken."""
        if sum(array.nbytes for array in memory) <= MOST_IDLE:
            self._idle.append(memory)


def check_wires(wires: int, lanes: int, dtype: np.dtype[Any]) -> None:
    """A gradient holds two vectors of one tile at the least: refuse before anything is allocated.

    Raises:
        BackendError: there is not enough memory; the message says how many wires fit.
    """
    each = 2 * lanes * dtype.itemsize
    available = free_memory()
    if each << 2 * wires > available:
        most = max(0, (available // each).bit_length() - 1) // 2
        raise BackendError(
            f"method `exact` on {wires} wires needs {each << 2 * wires:,} bytes for the two Pauli vectors of one "
            f"gradient in {dtype}, and {available:,} bytes are available, enough for {most} wires: choose method "
            "`propagate` or `paths`"
        )


def observable_vectors(
    tiles: int, rows: int, copies: int, parts: int, lanes: int, dtype: np.dtype[Any]
) -> ObservableVectors:
    """Return memory for tiles of observables.

    Raises:
        BackendError: there is not enough.
    """
    shapes = (tiles, rows * lanes), (tiles, copies * lanes), (parts, tiles, rows * lanes)
    _check(sum(int(np.prod(shape)) for shape in shapes) * dtype.itemsize)
    states, kept, adjoints = (aligned(int(np.prod(shape)), dtype).reshape(shape) for shape in shapes)
    return ObservableVectors(states, kept, adjoints)


def work(rows: int, copies: int, spread: int, observables: int, back: bool, lanes: int, dtype: np.dtype[Any]) -> Work:
    """Return memory for a tile of samples.

    Args:
        rows: of the states' path.
        copies: rows that are kept for the way back.
        spread: how many blocks have a matrix in each lane.
        observables: how many there are, filled up to whole tiles.
        back: whether a gradient is wanted.
        lanes: of a row.
        dtype: of the vectors.

    Raises:
        BackendError: there is not enough memory.
    """
    sizes = {
        "state": rows * lanes,
        "adjoint": rows * lanes * back,
        "copies": copies * lanes * back,
        "lanes": spread * 256 * lanes,
        "lane_inverses": spread * 256 * lanes * back,
        "upstream": observables * lanes * back,
        "transposed": observables * lanes * back,
    }
    _check(sum(sizes.values()) * dtype.itemsize)
    double = np.dtype(np.float64)
    return Work(
        **{name: aligned(size, dtype) for name, size in sizes.items()},
        moments=aligned(spread * 256 * lanes * back, double),
        sums=aligned(256 * lanes, double),
        totals=aligned(observables * lanes, double),
        places=np.zeros(CHUNK, dtype=np.int64),
    )


def _check(needed: int) -> None:
    available = free_memory() if needed > 1 << 24 else needed
    if needed > available:
        raise BackendError(
            f"method `exact` needs {needed:,} more bytes for its Pauli vectors, and {available:,} bytes are available: "
            "choose fewer wires, method `propagate` or `paths`"
        )
