"""The engine on the processor: tiles of samples, shared among threads, each with its own workspace."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.statevector import pauli, tile
from qgen.backends.statevector.layout import Layout, choose_samples, make_layout
from qgen.backends.statevector.program import Program
from qgen.backends.statevector.threads import run_all, shares

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
LANES = {np.dtype(np.float32): 16, np.dtype(np.float64): 8}  # lanes.WIDTH


@dataclass(frozen=True)
class AngleRows:
    """The angles of a batch of N samples.

    shared: (R, weight angles), one row for each distinct row of weights; own: (N, row angles);
    weight_rows: (N,), the row of `shared` that each sample uses.
    """

    shared: Doubles
    own: Doubles
    weight_rows: Integers

    def order(self) -> Integers:
        """The samples, those with the same weights next to each other."""
        return np.argsort(self.weight_rows, kind="stable")


class CpuEngine:
    """Expectation values and adjoint gradients of one program in the processor's memory."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.observables = program.circuit.num_observables
        self._layouts: dict[tuple[int, int], Layout] = {}
        self._idle: dict[tuple[int, np.dtype[Any]], list[Any]] = {}

    def values(self, angles: AngleRows, dtype: npt.DTypeLike) -> Doubles:
        """Expectation values (N, O), computed with float32 or float64 amplitudes."""
        values = np.zeros((len(angles.weight_rows), self.observables))
        call = _Call(self, angles, np.dtype(dtype))
        call.on_tiles(lambda *where: partial(tile.values_of_tiles, *where, values))
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
        call = _Call(self, angles, np.dtype(dtype))
        wanted = self._wanted(call.layout, inputs, weights)
        d_own = np.zeros_like(angles.own)
        # Threads meet on a row of weights, so each sums for itself; rows that belong to one sample are met by one.
        private = len(angles.shared) < len(angles.own)
        d_shared: list[Doubles] = []

        def task(*where: Any) -> Any:
            if private or not d_shared:
                d_shared.append(np.zeros_like(angles.shared))
            return partial(tile.gradients_of_tiles, *where, wanted, upstream, d_shared[-1], d_own)

        call.on_tiles(task)
        return np.sum(d_shared, axis=0), d_own

    def _wanted(self, layout: Layout, inputs: bool, weights: bool) -> npt.NDArray[np.int8]:
        """For each op: 1 where a gradient is wanted, 0 where the op is only undone, -1 before the first wanted one."""
        of_inputs = set(self.program.circuit.inputs)
        wanted = np.zeros(len(layout.order), dtype=np.int8)
        for k, index in enumerate(layout.order):
            for factor in self.program.ops[index].factors:
                if factor.angle is not None:
                    names = set(factor.angle.parameters)
                    wanted[k] |= (inputs and bool(names & of_inputs)) or (weights and bool(names - of_inputs))
        first = int(np.argmax(wanted)) if wanted.any() else len(wanted)
        wanted[:first] = -1
        return wanted

    def layout(self, samples: int, lanes: int) -> Layout:
        """The tables for tiles of this shape, made once."""
        key = (samples, lanes)
        if key not in self._layouts:
            self._layouts[key] = make_layout(self.program, samples, lanes)
        return self._layouts[key]

    def borrow(self, layout: Layout, dtype: np.dtype[Any]) -> Any:
        """A workspace that no other thread uses; give it back with `give_back`."""
        idle = self._idle.setdefault((layout.samples, dtype), [])
        try:
            return idle.pop()
        except IndexError:
            return _workspace(layout, dtype)

    def give_back(self, layout: Layout, dtype: np.dtype[Any], work: Any) -> None:
        self._idle[layout.samples, dtype].append(work)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_idle": {}}  # workspaces are scratch: copies and pickles go without


class _Call:
    """One call of the engine: its layout, its tables and how its tiles are shared out."""

    def __init__(self, engine: CpuEngine, angles: AngleRows, dtype: np.dtype[Any]) -> None:
        self.engine, self.dtype = engine, dtype
        batch, workers = len(angles.weight_rows), torch.get_num_threads()
        samples = choose_samples(engine.program.wires, batch, LANES[dtype], workers)
        self.layout = layout = engine.layout(samples, LANES[dtype])
        self.shares = shares(-(-batch // samples), workers)
        self.tables = (
            layout.ops, layout.sweeps, layout.factors, layout.constants, layout.groups, layout.strings, layout.signed
        )  # fmt: skip
        self.angles = (angles.shared, angles.own, angles.weight_rows, angles.order())

    def on_tiles(self, make_task: Any) -> None:
        layout = self.layout
        work = [self.engine.borrow(layout, self.dtype) for _ in self.shares]
        shape = (layout.samples, layout.samples.bit_length() - 1, layout.rows, layout.blocks, layout.chunks)
        tasks = [
            make_task(self.tables, self.angles, mine, *shape, first, last)
            for mine, (first, last) in zip(work, self.shares, strict=True)
        ]
        run_all(tasks)
        for mine in work:
            self.engine.give_back(layout, self.dtype, mine)


def _workspace(layout: Layout, dtype: np.dtype[Any]) -> Any:
    """psi, lambda, scratch, coefficients, sums, Walsh-Hadamard buffer, totals, upstream weights."""
    lanes = LANES[dtype]
    state = layout.rows * 2 * lanes
    scratch = (4 * lanes << layout.block_bits) if layout.blocks > 1 else 0
    table, strings = len(layout.ops) * 8 * lanes, len(layout.strings) * lanes
    double = np.dtype(np.float64)
    sizes = (
        (state, dtype), (state, dtype), (scratch, dtype), (table, dtype), (table, double),
        (min(layout.rows, pauli.CHUNK) * 2 * lanes, dtype), (strings, double), (strings, dtype),
    )  # fmt: skip
    return tuple(_aligned(size, kind) for size, kind in sizes)


def _aligned(size: int, dtype: np.dtype[Any]) -> Any:
    """A zeroed flat array on a cache line's boundary: an unaligned vector would touch two lines."""
    raw = np.zeros(size * dtype.itemsize + 64, dtype=np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size * dtype.itemsize].view(dtype)
