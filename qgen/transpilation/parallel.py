"""Apply a function to many items, in this process or in worker processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Protocol, TypeVar

from qgen.processes import exit_with_parent, isolated

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Items that are sent to a process together: what they share is sent once.
_CHUNK = 4


class ParallelMap(Protocol):
    """Return the results in the order of the items; `progress` is called with the number of items done."""

    def __call__(
        self, function: Callable[[Item], Result], items: Sequence[Item], progress: Callable[[int], None]
    ) -> list[Result]: ...


@contextmanager
def worker_processes(count: int) -> Iterator[ParallelMap]:
    """Start worker processes for a parallel map; with one, all runs in this process.

    They are spawned rather than forked: Qiskit and torch have threads, which a fork would leave behind.
    """
    if count <= 1:
        yield _serial_map
        return
    context = multiprocessing.get_context("spawn")
    before = multiprocessing.active_children()
    with isolated():  # the resource tracker that Python starts beside them, too
        executor = ProcessPoolExecutor(count, mp_context=context, initializer=_initialise_worker)
    with executor as pool:

        def parallel_map(
            function: Callable[[Item], Result], items: Sequence[Item], progress: Callable[[int], None]
        ) -> list[Result]:
            chunks = [items[k : k + _CHUNK] for k in range(0, len(items), _CHUNK)]
            with isolated():
                futures = [pool.submit(_apply, function, chunk) for chunk in chunks]
            try:
                for done, _ in enumerate(as_completed(futures), 1):
                    progress(min(done * _CHUNK, len(items)))
                return [result for future in futures for result in future.result()]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    if process not in before:
                        process.kill()  # its result is not needed any more
                raise

        yield parallel_map


def _serial_map(
    function: Callable[[Item], Result], items: Sequence[Item], progress: Callable[[int], None]
) -> list[Result]:
    results = []
    for item in items:
        results.append(function(item))
        progress(len(results))
    return results


def _apply(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]


def _initialise_worker() -> None:
    """Limit a worker to one thread, since more would compete, and end it with the process that started it."""
    os.environ.update(dict.fromkeys(("RAYON_NUM_THREADS", "OMP_NUM_THREADS"), "1"))
    exit_with_parent()
