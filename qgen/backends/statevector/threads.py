"""One pool of threads for the process; kernels release the GIL, so threads are cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

_pool: ThreadPoolExecutor | None = None


def _forget() -> None:
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget)  # threads do not survive a fork


def run_all(tasks: Sequence[Callable[[], None]]) -> None:
    """Run the tasks at the same time, one of them on this thread; raises the first error after all have ended."""
    global _pool
    if len(tasks) == 1:
        tasks[0]()
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="qgen")
    others = [_pool.submit(task) for task in tasks[1:]]
    try:
        tasks[0]()
    finally:
        wait(others)
    for other in others:
        other.result()


def shares(count: int, workers: int) -> list[tuple[int, int]]:
    """`count` items as at most `workers` ranges of nearly equal length, none of them empty."""
    workers = max(1, min(workers, count))
    bounds = [count * k // workers for k in range(workers + 1)]
    return list(zip(bounds, bounds[1:], strict=False))
