"""The engine on the processor: tiles of samples, shared among threads, each with its own workspace."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.statevector import tile
from qgen.backends.statevector.layout import Layout, choose_samples, make_layout
from qgen.backends.statevector.program import Program
from qgen.backends.statevector.split import SplitTile
from qgen.backends.statevector.threads import run_all, shares
from qgen.backends.statevector.workspace import Workspace, make_workspace

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
LANES = {np.dtype(np.float32): 16, np.dtype(np.float64): 8}  # lanes.WIDTH


class AngleRows(NamedTuple):
    """The angles of a batch of N samples.

    shared: (R, weight angles), a row for each distinct row of weights; own: (N, row angles);
    weight_rows: (N,), the row of `shared` that each sample uses; order: (N,), the samples, sorted by weight_rows.
    """

    shared: Doubles
    own: Doubles
    weight_rows: Integers
    order: Integers


def angle_rows(shared: Doubles, own: Doubles, weight_rows: Integers) -> AngleRows:
    """Angles with their order: samples that share their weights come next to each other."""
    return AngleRows(shared, own, weight_rows, np.argsort(weight_rows, kind="stable"))


class CpuEngine:
    """Expectation values and adjoint gradients of one program in the processor's memory."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.observables = program.circuit.num_observables
        self._layouts: dict[tuple[int, int], Layout] = {}
        self._wants: dict[tuple[int, int, bool, bool], npt.NDArray[np.int8]] = {}
        self._idle: dict[tuple[int, np.dtype[Any]], list[Workspace]] = {}

    def values(self, angles: AngleRows, dtype: npt.DTypeLike) -> Doubles:
        """Expectation values (N, O), computed with float32 or float64 amplitudes."""
        values = np.zeros((len(angles.weight_rows), self.observables))
        with _Call(self, angles, np.dtype(dtype)) as call:
            call.on_tiles(
                lambda worker, first, last: tile.values_of_tiles(*call.arguments(worker), first, last, values),
                lambda split, number: split.values(number, values),
            )
        return values

    def gradients(
        self, angles: AngleRows, dtype: npt.DTypeLike, upstream: Doubles, inputs: bool, weights: bool
    ) -> tuple[Doubles, Doubles]:
        """Gradients of sum(upstream * values) for `angles.shared` and `angles.own`.

        Args:
            angles: the angles, as for `values`.
            dtype: of the amplitudes.
            upstream: (N, O).
            inputs: whether anything upstream of the inputs wants a gradient.
            weights: whether the weights want one.
        """
        with _Call(self, angles, np.dtype(dtype)) as call:
            wanted = self._wanted(call.layout, inputs, weights)
            d_own = np.zeros_like(angles.own)
            # Threads meet on a row of weights, so each sums for itself, but where every sample has a row of its own.
            copies = len(call.works) if len(angles.shared) < len(angles.own) else 1
            d_shared = np.zeros((copies, *angles.shared.shape))

            def some(worker: int, first: int, last: int) -> None:
                mine = d_shared[worker % copies]
                tile.gradients_of_tiles(*call.arguments(worker), first, last, wanted, upstream, mine, d_own)

            call.on_tiles(some, lambda split, number: split.gradients(number, wanted, upstream, d_shared[0], d_own))
        return d_shared.sum(axis=0), d_own

    def _wanted(self, layout: Layout, inputs: bool, weights: bool) -> npt.NDArray[np.int8]:
        """For each op: 1 where a gradient is wanted, 0 where the op is only undone, -1 before the first wanted one."""
        key = (layout.shape.samples, layout.lanes, inputs, weights)
        if key not in self._wants:
            of_inputs = set(self.program.circuit.inputs)
            wanted = np.zeros(len(layout.order), dtype=np.int8)
            for k, index in enumerate(layout.order):
                for factor in self.program.ops[index].factors:
                    names = set() if factor.angle is None else set(factor.angle.parameters)
                    wanted[k] |= (inputs and bool(names & of_inputs)) or (weights and bool(names - of_inputs))
            wanted[: int(np.argmax(wanted)) if wanted.any() else len(wanted)] = -1
            self._wants[key] = wanted
        return self._wants[key]

    def layout(self, samples: int, lanes: int) -> Layout:
        """The tables for tiles of this shape, made once."""
        key = (samples, lanes)
        if key not in self._layouts:
            self._layouts[key] = make_layout(self.program, samples, lanes)
        return self._layouts[key]

    def borrow(self, layout: Layout, dtype: np.dtype[Any]) -> Workspace:
        """A workspace that no other thread uses; give it back with `give_back`."""
        idle = self._idle.setdefault((layout.shape.samples, dtype), [])
        try:
            return idle.pop()
        except IndexError:
            return make_workspace(layout, dtype)

    def give_back(self, layout: Layout, dtype: np.dtype[Any], work: Workspace) -> None:
        self._idle[layout.shape.samples, dtype].append(work)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_idle": {}}  # workspaces are scratch: copies and pickles go without


class _Call:
    """One call of the engine: its layout, its tables, and its tiles shared out among threads with workspaces."""

    def __init__(self, engine: CpuEngine, angles: AngleRows, dtype: np.dtype[Any]) -> None:
        self.engine, self.dtype = engine, dtype
        batch, workers = len(angles.weight_rows), torch.get_num_threads()
        samples = choose_samples(engine.program.wires, batch, LANES[dtype], workers)
        self.layout = layout = engine.layout(samples, LANES[dtype])
        self.tiles = -(-batch // samples)
        self.split = self.tiles < workers and layout.shape.blocks >= 2 * workers
        self.ranges = shares(self.tiles, workers)
        self.angles = angles
        self.works: list[Workspace] = []
        self.count = workers if self.split else len(self.ranges)

    def __enter__(self) -> _Call:
        self.works = [self.engine.borrow(self.layout, self.dtype) for _ in range(self.count)]
        return self

    def __exit__(self, *_: object) -> None:
        for work in self.works:
            self.engine.give_back(self.layout, self.dtype, work)

    def arguments(self, worker: int) -> tuple[Any, ...]:
        """What the kernels over tiles take first."""
        return self.layout.tables, self.angles, self.works[worker], self.layout.shape

    def on_tiles(self, some: Callable[[int, int, int], None], one: Callable[[SplitTile, int], None]) -> None:
        """Run `some` on ranges of tiles at the same time, or `one` on each tile with all threads."""
        if self.split:
            split = SplitTile(self.layout, self.angles, self.works)
            for number in range(self.tiles):
                one(split, number)
        elif self.tiles:
            run_all([partial(some, worker, *bounds) for worker, bounds in enumerate(self.ranges)])
