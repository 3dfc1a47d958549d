"""The same work for many items, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
#: Items that go to a process together: what they share travels once.
_PART = 4
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
    with ProcessPoolExecutor(count, mp_context=context, initializer=_alone) as pool:

        def run(work: Callable[[Item], Answer], items: Sequence[Item], told: Callable[[int], None]) -> list[Answer]:
            parts = [items[k : k + _PART] for k in range(0, len(items), _PART)]
            futures = [pool.submit(_each, work, part) for part in parts]
            try:
                for done, _ in enumerate(as_completed(futures), 1):
                    told(min(done * _PART, len(items)))
                return [answer for future in futures for answer in future.result()]
            finally:
                for future in futures:
                    future.cancel()

        yield run


def _here(work: Callable[[Item], Answer], items: Sequence[Item], told: Callable[[int], None]) -> list[Answer]:
    answers = []
    for item in items:
        answers.append(work(item))
        told(len(answers))
    return answers


def _each(work: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    return [work(item) for item in items]


def _alone() -> None:
    """Threads inside of each process would only wait for one another."""
    os.environ.update(dict.fromkeys(("RAYON_NUM_THREADS", "OMP_NUM_THREADS"), "1"))
