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
from qgen.backends.statevector.lanes import kernel
from qgen.backends.statevector.threads import run_all, shares

Array = Any
SPLIT_ROWS = 4**8  # of a component, from which a block takes far longer than it takes to wake a thread
RANGES = 8  # each with sums of its own, so that results do not depend on the number of threads


@kernel
def _ranges_forward(
    step: Array, transposed: bool, matrices: Matrices, state: Array, copies: Array, places: Array, keep: bool,
    bounds: Array, first: int, last: int,
) -> None:  # fmt: skip
    for k in range(first, last):
        pass_groups(step, transposed, matrices, state, copies, places, keep, bounds[k], bounds[k + 1])


@kernel
def _ranges_back(
    step: Array, transposed: bool, matrices: Matrices, state: Array, adjoint: Array, copies: Array, places: Array,
    wanted: bool, sums: Array, bounds: Array, first: int, last: int,
) -> None:  # fmt: skip
    for k in range(first, last):
        groups_back(
            step, transposed, matrices, state, adjoint, copies, places, wanted, sums[k], bounds[k], bounds[k + 1]
        )


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

    def run(self, state: Array, copies: Array, keep: bool) -> None:
        """Take a state through all steps; `keep`: keep the copies that its adjoint needs."""
        for t, step in enumerate(self._steps):
            vectors = self._transposed, self._matrices, state, copies
            if _is_large(step):
                call = partial(_ranges_forward, step, *vectors)
                _on_ranges(step, lambda *bounds, call=call: call(_places(), keep, *bounds))
            else:
                run_path(self._steps[t : t + 1], *vectors, _places(), keep)

    def back(self, state: Array, adjoint: Array, copies: Array, wanted: Array, d_matrices: Array) -> None:
        """Take a state and its adjoint back; adds to d_matrices (B, 16, 16) those of the blocks `wanted` (B,)."""
        sums = np.zeros((RANGES, 256 * self._lanes))
        vectors = self._transposed, self._matrices, state, adjoint, copies
        for step in self._steps[::-1]:
            block = step[NUMBER]
            of_block = bool(step[KIND] == BLOCK and wanted[block])
            if _is_large(step):
                call = partial(_ranges_back, step, *vectors)
                _on_ranges(step, lambda *bounds, call=call, of=of_block: call(_places(), of, sums, *bounds))
            else:
                sums[1:] = 0
                step_back(step, *vectors, _places(), of_block, sums[0])
            for k in range(RANGES if of_block else 0):
                add_lanes(sums[k], self._lanes, d_matrices[block], self._transposed)


def is_split(path: Path) -> bool:
    """Whether a path has components that are worth several threads."""
    return any(_is_large(step) for step in path.steps)


def _is_large(step: Array) -> bool:
    return bool(step[KIND] == BLOCK and step[SIZE] >= SPLIT_ROWS)


def _places() -> Array:
    return np.empty(CHUNK, dtype=np.int64)


def _on_ranges(step: Array, call: Callable[[Array, int, int], None]) -> None:
    """Call with the bounds of all ranges of groups, and with the first and the last range of each thread."""
    bounds = np.linspace(0, int(step[SIZE]) // GROUP, RANGES + 1).astype(np.int64)
    run_all([partial(call, bounds, *share) for share in shares(RANGES, torch.get_num_threads())])
