"""One pool of threads for the process; kernels release the GIL, so threads are cores."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from qgen.backends.statevector.lanes import flush_denormals, kernel, restore_denormals

_pool: ThreadPoolExecutor | None = None


def _forget() -> None:
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget)  # threads do not survive a fork


@kernel
def _flush() -> int:
    """Tiny numbers count as zero on this thread from now on; returns the mode to restore."""
    return flush_denormals()


@kernel
def _restore(mode: int) -> None:
    restore_denormals(mode)


def run_all(tasks: Sequence[Callable[[], None]]) -> None:
    """Run the tasks at the same time, one of them on this thread; raises the first error after all have ended."""
    global _pool
    if _pool is None and len(tasks) > 1:
        _pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="qgen", initializer=_flush)
    others = [_pool.submit(task) for task in tasks[1:]] if _pool else []
    mode = _flush()
    try:
        tasks[0]()
    finally:
        _restore(mode)
        if others:
            wait(others)
    for other in others:
        other.result()


def shares(count: int, workers: int) -> list[tuple[int, int]]:
    """`count` items as at most `workers` ranges of nearly equal length, none of them empty."""
    workers = max(1, min(workers, count))
    bounds = [count * k // workers for k in range(workers + 1)]
    return list(itertools.pairwise(bounds))
