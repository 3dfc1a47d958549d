"""NoisyProgram: a routed circuit and its noise as flat tables of one- and two-wire operations, for the kernels.

Operations are collected greedily into blocks on two wires: a two-wire operation joins the block that was the last on
both of its wires, else opens one, which takes along what its wires have waiting. See NOISE.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.noisy.merging import merge_fixed
from qgen.backends.noisy.steps import DELAY, FIXED_1Q, FIXED_2Q, Step, WireNoise, steps_of
from qgen.backends.noisy.strings import Strings, measured_strings
from qgen.circuits import LayerCircuit

Doubles = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Ops(NamedTuple):
    """J operations as flat arrays; see `Step` for their meaning.

    Attributes:
        kind: (J,), int8.
        site: (J,): of a rotation its Pauli p0 + 4 p1, in 1..15, else the local wire, 0 or 1, of what acts on one.
        column: (J,): column of the angle table; -1: none.
        factor, offset: (J,): angle = factor * table[column] + offset.
        matrix: (J,): of a fixed gate its row in `unitaries` and `ptms`.
        noise: (J, 5): lam, then e1 and e2 of local wire 0 (or the only one) and of local wire 1; of a delay 1/T1, 1/T2.
        unitaries: (F, 4, 4); gates on one wire fill [:2, :2]. Empty where fixed operations are merged.
        ptms: (F, 16, 16); operations on one wire fill [:4, :4].
    """

    kind: npt.NDArray[np.int8]
    site: Integers
    column: Integers
    factor: Doubles
    offset: Doubles
    matrix: Integers
    noise: Doubles
    unitaries: Complexes
    ptms: Doubles


class Blocks(NamedTuple):
    """B blocks on two wires each.

    Attributes:
        wires: (B, 2), low < high; the low one is local wire 0.
        start: (B + 1,): the operations of block b are start[b] to start[b + 1].
        own: (B,), whether one of its angles depends on the inputs.
        ops: the operations.
    """

    wires: Integers
    start: Integers
    own: Flags
    ops: Ops


class Prefix(NamedTuple):
    """What acts on each wire alone before its first two-wire operation: start[w] to start[w + 1]."""

    start: Integers
    ops: Ops


@dataclass(frozen=True, eq=False)
class NoisyProgram:
    """A noisy circuit for the kernels.

    Attributes:
        wires: the number k of wires.
        columns: the number C of open angles.
        own_columns: (C,), whether an angle depends on the inputs.
        prefix: what acts on single wires at first; empty where not asked for.
        blocks: the rest.
        strings: the observables, with the noise of basis changes and readout in them.
    """

    wires: int
    columns: int
    own_columns: Flags
    prefix: Prefix
    blocks: Blocks
    strings: Strings

    @property
    def observables(self) -> int:
        """The number O of observables."""
        return len(self.strings.start) - 1

    @property
    def shared(self) -> bool:
        """Whether no block depends on the inputs: samples with the same weights share all blocks."""
        return not self.blocks.own.any()

    @cached_property
    def delay_columns(self) -> tuple[int, ...]:
        """The angles that are lengths of delays."""
        columns: set[int] = set()
        for ops in (self.prefix.ops, self.blocks.ops):
            columns |= set(ops.column[(ops.kind == DELAY) & (ops.column >= 0)].tolist())
        return tuple(sorted(columns))

    @property
    def has_open_delays(self) -> bool:
        """Whether a delay is as long as a parameter says."""
        return bool(self.delay_columns)


def compile_program(
    routed: RoutedCircuit, noise: WireNoise, circuit: LayerCircuit, dt: float | None = None, prefix: bool = True
) -> NoisyProgram:
    """Compile a routed circuit.

    Args:
        routed: the circuit in the device's gates.
        noise: of the qubits `routed.physical`.
        circuit: the layer's circuit, whose observables are measured.
        dt: seconds of a step of the device's clock, for delays in `dt`.
        prefix: for methods on Pauli vectors: keep the wires' first operations apart, and merge fixed operations with
            their noise. Without it each gate and each noise is an operation of its own, and all are in blocks.

    Raises:
        BackendError, CircuitError: an instruction that this engine cannot run.
    """
    wires, columns = len(routed.physical), {parameter: k for k, parameter in enumerate(routed.parameters)}
    steps: Iterator[Step] = iter(())
    if routed.circuits:  # none where all observables are constants
        body = routed.circuits[0]
        steps = steps_of(body, body.data[: routed.size], columns, noise, dt)
    if not prefix:
        wires = max(2, wires)  # a block needs two: the second one stays as it is
    first, blocks = _collect(steps, wires)
    if prefix:
        first = [merge_fixed(of_wire) for of_wire in first]
        blocks = [(pair, merge_fixed(of_block)) for pair, of_block in blocks]
    else:
        first, blocks = [[] for _ in range(wires)], _take_in(first, blocks)
    depends = np.atleast_1d(routed.parameter_map.depends[: circuit.conditional.num_inputs].any(axis=0))
    return NoisyProgram(
        wires,
        len(columns),
        depends,
        _prefix(first),
        _blocks(blocks, depends),
        measured_strings(routed, noise, circuit, columns, dt),
    )


_Block = tuple[tuple[int, int], list[Step]]


def _collect(steps: Iterator[Step], wires: int) -> tuple[list[list[Step]], list[_Block]]:
    """Return the steps of each wire before its first two-wire step, and the blocks; see the module."""
    waiting: list[list[Step]] = [[] for _ in range(wires)]
    blocks: list[_Block] = []
    last: dict[int, int] = {}
    for step in steps:
        known = {last.get(wire) for wire in step.wires}
        if len(step.wires) == 1:
            wire = step.wires[0]
            (blocks[last[wire]][1] if wire in last else waiting[wire]).append(step)
            continue
        low, high = sorted(step.wires)
        index = known.pop() if len(known) == 1 else None
        if index is None or blocks[index][0] != (low, high):
            index = len(blocks)
            blocks.append(((low, high), []))
            last[low] = last[high] = index
        blocks[index][1].append(step)
    return waiting, blocks


def _take_in(first: Sequence[list[Step]], blocks: Sequence[_Block]) -> list[_Block]:
    """Put the first steps of each wire into the first block on it, or into one of their own."""
    waiting, all_blocks = list(first), list[_Block]()
    for pair, steps in blocks:
        all_blocks.append((pair, [*waiting[pair[0]], *waiting[pair[1]], *steps]))
        for wire in pair:
            waiting[wire] = []
    for wire, steps in enumerate(waiting):
        if steps:
            other = wire + 1 if wire + 1 < len(waiting) else wire - 1
            all_blocks.append(((min(wire, other), max(wire, other)), steps))
    return all_blocks


def _blocks(blocks: Sequence[_Block], depends: Flags) -> Blocks:
    counts = [len(steps) for _, steps in blocks]
    own = [any(step.column >= 0 and depends[step.column] for step in steps) for _, steps in blocks]
    local = [(step.on(low, high), low) for (low, high), steps in blocks for step in steps]
    pairs = np.array([pair for pair, _ in blocks], dtype=np.int64).reshape(-1, 2)
    return Blocks(pairs, _starts(counts), np.array(own, dtype=np.bool_), _ops(local))


def _prefix(first: Sequence[list[Step]]) -> Prefix:
    local = [(step, wire) for wire, steps in enumerate(first) for step in steps]
    return Prefix(_starts([len(steps) for steps in first]), _ops(local))


def _starts(counts: Sequence[int]) -> Integers:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _ops(local: Sequence[tuple[Step, int]]) -> Ops:
    """Return the tables of steps, each with the wire that is its local wire 0."""
    matrices: dict[bytes, int] = {}
    unitaries: list[Complexes] = []
    ptms: list[Doubles] = []
    count = len(local)
    kind, site, column = np.zeros(count, np.int8), np.zeros(count, np.int64), np.full(count, -1, np.int64)
    factor, offset, noise = np.zeros(count), np.zeros(count), np.zeros((count, 5))
    matrix = np.full(count, -1, np.int64)
    for k, (step, low) in enumerate(local):
        kind[k], column[k], factor[k], offset[k] = step.kind, step.column, step.factor, step.offset
        places = [int(wire != low) for wire in step.wires]
        site[k] = sum(digit << 2 * place for digit, place in zip(step.pauli, places, strict=False)) or places[0]
        noise[k, : len(step.noise)] = step.noise
        if step.kind in (FIXED_1Q, FIXED_2Q):
            content = step.ptm().tobytes()
            if content not in matrices:
                matrices[content] = len(ptms)
                ptms.append(_padded(step.ptm(), 16))
                if step.unitary is not None:
                    unitaries.append(_padded(step.unitary, 4))
            matrix[k] = matrices[content]
    stacked = np.array(unitaries, dtype=np.complex128).reshape(-1, 4, 4), np.array(ptms).reshape(-1, 16, 16)
    return Ops(kind, site, column, factor, offset, matrix, noise, *stacked)


def _padded(matrix: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    return np.pad(matrix, (0, size - len(matrix)))
