"""Few samples with many qubits: all threads on one tile, each on its own blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from qgen.backends.statevector import pauli, sweep, tile
from qgen.backends.statevector.layout import Layout
from qgen.backends.statevector.threads import run_all, shares
from qgen.backends.statevector.workspace import Workspace


class SplitTile:
    """One tile at a time, its states shared by all workers; a worker has scratch space and sums of its own.

    Args:
        layout: how the tile is laid out.
        angles: the angles of the batch.
        works: a workspace for each worker; the first one's states and coefficients are shared.
    """

    def __init__(self, layout: Layout, angles: Any, works: list[Workspace]) -> None:
        self.tables, self.shape, self.angles, self.works = layout.tables, layout.shape, angles, works
        self.states = works[0]
        self.members = np.empty(layout.shape.samples, dtype=np.int64)

    def values(self, number: int, values: Any) -> None:
        """Write the expectation values of the samples of tile `number`."""
        count = self._forward(number)
        for work in self.works:
            work.totals[:] = 0.0
        self._each(
            self.shape.chunks,
            lambda own, *chunks: pauli.measure(self.states, own, self.tables, self.shape, *chunks),
        )
        totals = np.sum([work.totals for work in self.works], axis=0)
        tile.write_values(self.tables, totals, self.members, count, values)

    def gradients(self, number: int, wanted: Any, upstream: Any, d_shared: Any, d_own: Any) -> None:
        """Add the gradients of the angles of the samples of tile `number`."""
        count = self._forward(number)
        tile.upstream_weights(self.tables, upstream, self.members, count, self.states.weights)
        self._each(
            self.shape.chunks,
            lambda own, *chunks: pauli.seed_adjoint(self.states, own, self.tables, self.shape, *chunks),
        )
        for k in range(len(self.tables.sweeps) - 1, -1, -1):
            self._each(self.shape.blocks, partial(self._undo, k, wanted))
        for work in self.works[1:]:
            self.states.sums[:] += work.sums
            work.sums[:] = 0.0
        tile.reduce(self.tables, self.angles, wanted, self.members, count, self.states.sums, True, d_shared, d_own)

    def _forward(self, number: int) -> int:
        count: int = tile.choose_members(self.angles.order, number, self.members)
        tile.fill(self.tables, self.angles, self.members, self.states.coefficients, True)
        tile.start(self.states.psi, self.shape.samples)
        for k in range(len(self.tables.sweeps)):
            self._each(self.shape.blocks, partial(self._do, k))
        return count

    def _do(self, k: int, own: Workspace, first: int, last: int) -> None:
        sweep.forward_sweep(self.states, own, self.tables, k, self.shape, first, last)

    def _undo(self, k: int, wanted: Any, own: Workspace, first: int, last: int) -> None:
        sweep.adjoint_sweep(self.states, own, self.tables, wanted, k, self.shape, first, last)

    def _each(self, items: int, task: Callable[..., None]) -> None:
        """Share out blocks or chunks among the workers."""
        ranges = shares(items, len(self.works))
        run_all([partial(task, work, *bounds) for work, bounds in zip(self.works, ranges, strict=False)])
