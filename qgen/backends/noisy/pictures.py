"""Which blocks act on states and which on observables: the choice of the exact engine, by cost.

States are taken forward, each tile of samples through its own blocks, and observables backward, once for all samples
with the same weights. Anything between is allowed: blocks that act on states have to come before those that act on
observables, on each wire, and blocks that depend on the inputs act on states.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.components import BLOCK, KEPT, KIND, NUMBER, Component, Path, PathBuilder, Sizes
from qgen.backends.noisy.meeting import Meeting
from qgen.backends.noisy.program import Blocks, NoisyProgram
from qgen.backends.noisy.steps import DELAY, FIXED_1Q, FIXED_2Q
from qgen.backends.noisy.tiles import Starts, Tables

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pictures:
    """A division of the blocks.

    Attributes:
        on_states: (B,), whether a block acts on states.
        states, observables: the paths of both. Component w of the states, a wire, begins at row 4 w.
        meeting: where the ends of both are; where all blocks act on states, `a` is where whole states are.
        starts: of the observables.
    """

    on_states: Flags
    states: Path
    observables: Path
    meeting: Meeting
    starts: Starts

    @property
    def whole(self) -> bool:
        """Whether all blocks act on states, and values are read from these."""
        return bool(self.on_states.all())

    @property
    def undone(self) -> Flags:
        """Which blocks (B,) are undone by their inverses, no copy being kept."""
        undone = np.zeros(len(self.on_states), dtype=np.bool_)
        for path in (self.states, self.observables):
            blocks = path.steps[path.steps[:, KIND] == BLOCK]
            undone[blocks[:, NUMBER]] = blocks[:, KEPT] < 0
        return undone

    def tables(self, program: NoisyProgram) -> Tables:
        """Return what the kernels read."""
        return Tables(program.strings, self.states.steps, self.observables.steps, self.meeting, self.whole)


@dataclass(frozen=True)
class Load:
    """How much there is to do at once: tiles of samples and of observables, and observables."""

    sample_tiles: int
    observable_tiles: int
    observables: int


def divisions(program: NoisyProgram) -> list[Flags]:
    """Return the divisions worth considering, as `on_states` each, without repetitions."""
    if not len(program.blocks.own):
        return [np.ones(0, dtype=np.bool_)]
    found = {flags.tobytes(): flags for flags in _candidates(program)}
    return list(found.values())


def rows_of_blocks(program: NoisyProgram, division: Flags) -> tuple[int, int]:
    """Return the rows that a tile of states, and one of observables, go through in a division's blocks."""
    totals = [0, 0]
    order = [*np.flatnonzero(division), *reversed(np.flatnonzero(~division))]
    sizes = Sizes(_wires(program)), Sizes(observable_parts(program))
    for number in order:
        side = 0 if division[number] else 1
        totals[side] += 4 ** sizes[side].join(*program.blocks.wires[number].tolist())
    return totals[0], totals[1]


def cost(program: NoisyProgram, division: Flags, rows: tuple[int, int], load: Load) -> int:
    """Return the cost of values, in multiplications of vectors."""
    blocks = 16 * (rows[0] * load.sample_tiles + rows[1] * load.observable_tiles)
    meeting = 0 if division.all() else 4**program.wires * load.sample_tiles * load.observables
    return blocks + meeting


def make_pictures(
    program: NoisyProgram, division: Flags, damping: Doubles, most_damping: tuple[float, float]
) -> Pictures:
    """Return the paths of a division.

    Args:
        program: the circuit.
        division: (B,), which blocks act on states.
        damping: (B,), see `dampings`.
        most_damping: of the states' and of the observables' path, see `PathBuilder`.
    """
    forward = PathBuilder(_wires(program), most_damping[0])
    backward = PathBuilder(observable_parts(program), most_damping[1])
    wires = program.blocks.wires.tolist()
    for number in np.flatnonzero(division).tolist():
        forward.block(number, wires[number], damping[number])
    for number in np.flatnonzero(~division)[::-1].tolist():
        backward.block(number, wires[number], damping[number])
    starts = _starts(program, backward)
    everything = range(program.wires)
    if division.all():
        meeting = Meeting(forward.join(everything).at, 0, 0, 0, 0)
    else:
        observable = backward.join(everything)
        a, *others = forward.left()
        within: list[int] = list(everything)
        if not others:
            meeting = Meeting(a.at, a.mask(within), forward.one(), 0, observable.at)
        else:
            first, second = _halves(forward)
            meeting = Meeting(first.at, first.mask(within), second.at, second.mask(within), observable.at)
    return Pictures(division, forward.path(), backward.path(), meeting, starts)


def dampings(blocks: Blocks) -> Doubles:
    """Return for each block an upper bound of -log of its matrix's smallest singular value, whatever its angles.

    Rotations have none, and those of the other operations add up. Infinite where it is singular, or has an open delay.
    """
    ops = blocks.ops
    least = np.ones(len(ops.kind))
    for kind, size in ((FIXED_1Q, 4), (FIXED_2Q, 16)):
        chosen = ops.kind == kind
        corners = ops.ptms[:, :size, :size]
        if chosen.any():
            least[chosen] = np.linalg.svd(corners, compute_uv=False)[ops.matrix[chosen], -1]
    least[ops.kind == DELAY] = 0.0
    with np.errstate(divide="ignore"):
        each = -np.log(np.minimum(least, 1.0))
    bounds = blocks.start
    return np.array([each[bounds[k] : bounds[k + 1]].sum() for k in range(len(bounds) - 1)])


def observable_parts(program: NoisyProgram) -> list[list[int]]:
    """Return the finest division of the wires in which each observable acts on one part only."""
    part = list(range(program.wires))
    for index in range(program.observables):
        keys = program.strings.key[program.strings.start[index] : program.strings.start[index + 1]]
        support = int(np.bitwise_or.reduce(keys)) if len(keys) else 0
        wires = [wire for wire in range(program.wires) if support >> 2 * wire & 3]
        joined = {part[wire] for wire in wires}
        part = [min(joined) if number in joined else number for number in part]
    return [[wire for wire in range(program.wires) if part[wire] == number] for number in sorted(set(part))]


def _wires(program: NoisyProgram) -> list[list[int]]:
    return [[wire] for wire in range(program.wires)]


def _candidates(program: NoisyProgram) -> Iterator[Flags]:
    """All on states first; then early blocks on states, or late ones on observables, while components are small."""
    blocks = program.blocks
    yield np.ones(len(blocks.own), dtype=np.bool_)
    needed = _before(blocks, blocks.own)
    for most in range(1, program.wires + 1):
        yield _reached(program, _wires(program), most, needed)
        late = _reached(program, observable_parts(program), most, None, ~needed)
        yield ~late


def _before(blocks: Blocks, chosen: Flags) -> Flags:
    """The chosen blocks and all that come before one of them."""
    result, wires = chosen.copy(), set[int]()
    for number in range(len(chosen) - 1, -1, -1):
        pair = set(blocks.wires[number].tolist())
        result[number] |= bool(pair & wires)
        if result[number]:
            wires |= pair
    return result


def _reached(
    program: NoisyProgram, parts: list[list[int]], most: int, needed: Flags | None, allowed: Flags | None = None
) -> Flags:
    """Blocks from the beginning (given those that are `needed`), or from the end (given those that are `allowed`).

    As many as can be without a component of more than `most` wires.
    """
    blocks = program.blocks
    count = len(blocks.own)
    result, closed, sizes = np.zeros(count, dtype=np.bool_), set[int](), Sizes(parts)
    for number in range(count) if allowed is None else range(count - 1, -1, -1):
        low, high = blocks.wires[number].tolist()
        fits = not {low, high} & closed and sizes.joined(low, high) <= most
        if needed is not None and needed[number]:
            fits = True
        if allowed is not None and not allowed[number]:
            fits = False
        if fits:
            result[number] = True
            sizes.join(low, high)
        else:
            closed |= {low, high}
    return result


def _halves(builder: PathBuilder) -> list[Component]:
    """Join the components at the end to two, as equal as they can be when taken largest first."""
    halves: list[list[int]] = [[], []]
    for component in builder.left():
        smaller = min(halves, key=len)
        smaller.extend(component.wires)
    return [builder.join(half) for half in halves]


def _starts(program: NoisyProgram, builder: PathBuilder) -> Starts:
    """An observable is its strings on the component that it acts on, and the identity on all others."""
    entries = []
    strings = program.strings
    for index in range(program.observables):
        between = slice(strings.start[index], strings.start[index + 1])
        keys, coefficients = strings.key[between].tolist(), strings.coefficient[between].tolist()
        support = int(np.bitwise_or.reduce(np.array([0, *keys])))
        home = next(
            (part for part in builder.components if any(support >> 2 * wire & 3 for wire in part.wires)),
            builder.components[0],
        )
        entries += [(part.at, index, 1.0) for part in builder.components if part is not home]
        entries += [(home.at + home.row(key), index, value) for key, value in zip(keys, coefficients, strict=True)]
    return Starts(
        np.array([row for row, _, _ in entries], dtype=np.int64),
        np.array([index for _, index, _ in entries], dtype=np.int64),
        np.array([value for _, _, value in entries], dtype=np.float64),
    )
