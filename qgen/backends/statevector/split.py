"""Few samples with many qubits: all threads on one tile, each on its own blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from qgen.backends.statevector import join, passes, pauli, sweep, tile
from qgen.backends.statevector.layout import Layout
from qgen.backends.statevector.threads import run_all, shares
from qgen.backends.statevector.workspace import Workspace

SHARED_ROWS = 1 << 12  # rows of a register from which its joining is shared out


class SplitTile:
    """One tile at a time, its states shared by all workers; a worker has scratch space and sums of its own.

    Args:
        layout: how the tile is laid out.
        angles: the angles of the batch.
        works: a workspace for each worker; the first one's states and coefficients are shared.
    """

    def __init__(self, layout: Layout, angles: Any, works: list[Workspace]) -> None:
        self.tables, self.shape, self.angles, self.works = layout.tables, layout.shape, angles, works
        self.registers = layout.tables.registers
        self.states = works[0]
        self.members = np.empty(layout.shape.samples, dtype=np.int64)

    def values(self, number: int, values: Any) -> None:
        """Write the expectation values of the samples of tile `number`."""
        count = self._forward(number)
        for work in self.works:
            work.totals[:] = 0.0
        for r in self._measured():
            self._each(int(self.registers[r, join.CHUNKS]), partial(self._measure, r))
        totals = np.sum([work.totals for work in self.works], axis=0)
        tile.write_values(self.tables, totals, self.members, count, values)

    def gradients(self, number: int, wanted: Any, leads: Any, upstream: Any, d_shared: Any, d_own: Any) -> None:
        """Add the gradients of the angles of the samples of tile `number`."""
        count = self._forward(number)
        tile.upstream_weights(self.tables, upstream, self.members, count, self.states.weights)
        measured = set(self._measured())
        for r in range(len(self.registers) - 1, -1, -1):
            if not leads[r]:
                continue
            register = self.registers[r]
            if r in measured:
                self._each(int(register[join.CHUNKS]), partial(self._seed, r))
            for k in range(register[join.LAST_SWEEP] - 1, register[join.FIRST_SWEEP] - 1, -1):
                self._each(int(register[join.BLOCKS]), partial(self._undo, k, wanted))
            for part, to_left in ((register[join.LEFT], True), (register[join.RIGHT], False)):
                if part >= 0 and leads[part]:
                    self._rows_of(int(part), r, partial(self._contract, r, to_left))
        for work in self.works[1:]:
            self.states.sums[:] += work.sums
            work.sums[:] = 0.0
        tile.reduce(self.tables, self.angles, wanted, self.members, count, self.states.sums, True, d_shared, d_own)

    def _measured(self) -> list[int]:
        return [r for r, row in enumerate(self.registers) if row[join.FIRST_GROUP] < row[join.LAST_GROUP]]

    def _forward(self, number: int) -> int:
        count: int = passes.choose_members(self.angles.order, number, self.members)
        tile.fill(self.tables, self.angles, self.members, self.states.coefficients, True)
        for r, register in enumerate(self.registers):
            left = int(register[join.LEFT])
            if left < 0:
                join.start(self.states.psi, self.registers, r, self.shape.samples)
            else:
                self._rows_of(left, r, partial(self._join, r))
            for k in range(register[join.FIRST_SWEEP], register[join.LAST_SWEEP]):
                self._each(int(register[join.BLOCKS]), partial(self._do, k))
        return count

    def _measure(self, r: int, own: Workspace, first: int, last: int) -> None:
        pauli.measure(self.states, own, self.tables, self.shape, r, first, last)

    def _seed(self, r: int, own: Workspace, first: int, last: int) -> None:
        pauli.seed_adjoint(self.states, own, self.tables, self.shape, r, first, last)

    def _do(self, k: int, own: Workspace, first: int, last: int) -> None:
        sweep.forward_sweep(self.states, own, self.tables, k, first, last)

    def _undo(self, k: int, wanted: Any, own: Workspace, first: int, last: int) -> None:
        sweep.adjoint_sweep(self.states, own, self.tables, wanted, k, first, last)

    def _join(self, r: int, own: Workspace, first: int, last: int) -> None:
        join.join(self.states.psi, self.registers, r, first, last)

    def _contract(self, r: int, to_left: bool, own: Workspace, first: int, last: int) -> None:
        join.contract(self.states.psi, self.states.adjoint, self.registers, r, to_left, first, last)

    def _rows_of(self, part: int, r: int, task: Callable[..., None]) -> None:
        """Share out the rows of a part of register `r`, where there is enough to do."""
        workers = len(self.works) if self.registers[r, join.ROWS] >= SHARED_ROWS else 1
        self._each(int(self.registers[part, join.ROWS]), task, workers)

    def _each(self, items: int, task: Callable[..., None], workers: int | None = None) -> None:
        """Share out rows, blocks or chunks among the workers."""
        ranges = shares(items, len(self.works) if workers is None else workers)
        run_all([partial(task, work, *bounds) for work, bounds in zip(self.works, ranges, strict=False)])
