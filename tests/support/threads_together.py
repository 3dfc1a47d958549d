"""Threads in the place of processes that train together: each has its share of a batch, and means are those of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

from qgen.nn.processes import training_together

Given = TypeVar("Given")
Made = TypeVar("Made")


def together(work: Callable[[Given], Made], shares: Sequence[Given]) -> list[Made]:
    """Return `work` of each share, of threads whose `process_mean` is that of all of them."""
    barrier, given = Barrier(len(shares), timeout=60), [torch.zeros(())] * len(shares)

    def one(rank: int) -> Made:
        def reduce(values: torch.Tensor) -> torch.Tensor:
            given[rank] = values
            barrier.wait()
            mean = torch.stack(given).mean(0)
            barrier.wait()  # before another mean is taken
            return mean

        try:
            with training_together(reduce):
                return work(shares[rank])
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(len(shares)) as pool:
        return list(pool.map(one, range(len(shares))))
