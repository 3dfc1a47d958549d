"""A path of large components by several threads: each block's groups are cut into ranges."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from qgen.backends.noisy.block_lanes import GROUP
from qgen.backends.noisy.block_matrices import Matrices
from qgen.backends.noisy.components import BLOCK, KIND, NUMBER, SIZE, Path
from qgen.backends.noisy.sweeps import CHUNK, groups_back, pass_groups, run_path, step_back
from qgen.backends.noisy.tiles import add_lanes
from qgen.backends.statevector.threads import run_all, shares

Array = Any
SPLIT_ROWS = 4**8  # of a component, from which a block takes far longer than it takes to wake a thread
RANGES = 8  # each with sums of its own, so that results do not depend on the number of threads


class SplitPath:
    """Runs a path step by step.

    Args:
        path: the steps.
        transposed: whether they multiply by the transposed matrices.
        matrices: of the blocks.
        lanes: of a row.
    """

    def __init__(self, path: Path, transposed: bool, matrices: Matrices, lanes: int) -> None:
        self._steps, self._transposed, self._matrices, self._lanes = path.steps, transposed, matrices, lanes
        self._places = np.empty((RANGES, CHUNK), dtype=np.int64)

    def run(self, state: Array, copies: Array, keep: bool) -> None:
        """Take a state through all steps; `keep`: keep the copies that its adjoint needs."""
        for t, step in enumerate(self._steps):
            if not _is_large(step):
                run_path(self._steps[t : t + 1], self._transposed, self._matrices, state, copies, self._places[0], keep)
                continue

            def on_range(k: int, first: int, last: int, step: Array = step) -> None:
                pass_groups(step, self._transposed, self._matrices, state, copies, self._places[k], keep, first, last)

            _on_ranges(step, on_range)

    def back(self, state: Array, adjoint: Array, copies: Array, wanted: Array, d_matrices: Array) -> None:
        """Take a state and its adjoint back; adds to d_matrices (B, 16, 16) those of the blocks `wanted` (B,)."""
        sums = np.zeros((RANGES, 256 * self._lanes))
        for step in self._steps[::-1]:
            block = step[NUMBER]
            of_block = bool(step[KIND] == BLOCK and wanted[block])
            vectors = self._transposed, self._matrices, state, adjoint, copies
            if not _is_large(step):
                step_back(step, *vectors, self._places[0], of_block, sums[0])
                ranges = 1
            else:

                def on_range(
                    k: int, first: int, last: int, step: Array = step, vectors: Any = vectors, wanted: bool = of_block
                ) -> None:
                    groups_back(step, *vectors, self._places[k], wanted, sums[k], first, last)

                ranges = _on_ranges(step, on_range)
            for k in range(ranges if of_block else 0):
                add_lanes(sums[k], self._lanes, d_matrices[block], self._transposed)


def is_split(path: Path) -> bool:
    """Whether a path has components that are worth several threads."""
    return any(_is_large(step) for step in path.steps)


def _is_large(step: Array) -> bool:
    return bool(step[KIND] == BLOCK and step[SIZE] >= SPLIT_ROWS)


def _on_ranges(step: Array, call: Callable[[int, int, int], None]) -> int:
    """Call with the number and the bounds of each range of groups, on all threads; returns how many there are."""
    ranges = shares(int(step[SIZE]) // GROUP, RANGES)
    workers = max(1, min(torch.get_num_threads(), len(ranges)))

    def work(worker: int) -> None:
        for k in range(worker, len(ranges), workers):
            call(k, *ranges[k])

    run_all([partial(work, worker) for worker in range(workers)])
    return len(ranges)
