"""The same work for many items, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
#: Items that go to a process together: what they share travels once.
_PART = 4
_SAFE_PATH = "PYTHONSAFEPATH"
Told = Callable[[int, int], None]


class Run(Protocol):
    """Answers in the order of the items; `told` is called now and then with how many are done."""

    def __call__(
        self, work: Callable[[Item], Answer], items: Sequence[Item], told: Callable[[int], None]
    ) -> list[Answer]: ...


@contextmanager
def in_processes(count: int) -> Iterator[Run]:
    """Something that runs work in so many processes; with one of them, in this one.

    They are started anew rather than forked: Qiskit and torch have threads, which a fork would leave behind.
    """
    if count <= 1:
        yield _here
        return
    context = multiprocessing.get_context("spawn")
    before = multiprocessing.active_children()
    with _apart():  # the helper that Python starts beside them, too
        executor = ProcessPoolExecutor(count, mp_context=context, initializer=_alone)
    with executor as pool:

        def run(work: Callable[[Item], Answer], items: Sequence[Item], told: Callable[[int], None]) -> list[Answer]:
            parts = [items[k : k + _PART] for k in range(0, len(items), _PART)]
            with _apart():
                futures = [pool.submit(_each, work, part) for part in parts]
            try:
                for done, _ in enumerate(as_completed(futures), 1):
                    told(min(done * _PART, len(items)))
                return [answer for future in futures for answer in future.result()]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    if process not in before:
                        process.kill()  # nobody waits for what it has in hand
                raise

        yield run


@contextmanager
def _apart() -> Iterator[None]:
    """Processes that start here do not see a Ctrl-C, which this process tells them of, nor modules of this folder."""
    safe, signals = os.environ.get(_SAFE_PATH), {signal.SIGINT}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signals) if hasattr(signal, "pthread_sigmask") else None
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        os.environ.pop(_SAFE_PATH)
        if safe is not None:
            os.environ[_SAFE_PATH] = safe
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _here(work: Callable[[Item], Answer], items: Sequence[Item], told: Callable[[int], None]) -> list[Answer]:
    answers = []
    for item in items:
        answers.append(work(item))
        told(len(answers))
    return answers


def _each(work: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    return [work(item) for item in items]


def _alone() -> None:
    """Threads inside of each process would only wait for one another; and it does not outlive the one that began it."""
    os.environ.update(dict.fromkeys(("RAYON_NUM_THREADS", "OMP_NUM_THREADS"), "1"))
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
