"""Noise as events that fire with probabilities that no angle changes, and how the events of a path are drawn.

Depolarisation is one of the d^2 - 1 Paulis with probability lam (d^2 - 1) / d^2. Relaxation of a qubit is amplitude
damping, then a flip of phase: with gamma = 1 - e1, a jump fires with probability q = gamma / 2 and is
sqrt(gamma / q) |0><1|, else comes diag(1, sqrt(1 - gamma)) / sqrt(1 - q); Z follows with probability
(1 - e2 / sqrt(e1)) / 2. Averages of the unnormalised states are exact. See NOISE.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.philox import WORDS, philox, unit
from qgen.backends.noisy.program import Blocks, Ops
from qgen.backends.noisy.steps import DELAY, NOISE_1Q, NOISE_2Q
from qgen.backends.statevector.lanes import kernel

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Array = Any
#: Kinds of events: a Pauli on one wire, on two; a flip of phase of local wire 0 or 1; a jump of either.
PAULI_1Q, PAULI_2Q, FLIP, JUMP = 0, 1, 2, 4
#: What happened at an operation, as bits of one number: the Pauli p0 + 4 p1, then flips and jumps of both wires.
FLIP_BIT, JUMP_BIT = 16, 64
_CERTAIN = 1 - 1e-13  # an event that always fires, so that its hazard stays finite
_NEVER = 1e-15  # what is below is rounding


class Events(NamedTuple):
    """E events and the L noises that they are of, both in the order of the operations.

    Attributes:
        noise, kind: (E,), the noise, and a kind above; FLIP and JUMP plus the local wire.
        hazard: (E,), running sum of -log(1 - probability).
        op, block, site: (L,), the operation, its block, and the local wire of one on a single wire.
        still: (L, 4), the diagonals without a jump, of local wire 0, then 1.
        jump: (L, 2), the factor of |0><1| when one fires.
    """

    noise: Integers
    kind: Integers
    hazard: Doubles
    op: Integers
    block: Integers
    site: Integers
    still: Doubles
    jump: Doubles

    @property
    def total(self) -> float:
        """-log of the probability that no event fires."""
        return float(self.hazard[-1]) if len(self.hazard) else 0.0


def make_events(blocks: Blocks) -> Events:
    """Return the events of the noise in some blocks, whose delays have a fixed length."""
    ops = blocks.ops
    where = np.flatnonzero(np.isin(ops.kind, [NOISE_1Q, NOISE_2Q, DELAY]))
    still, jump = np.ones((len(where), 4)), np.zeros((len(where), 2))
    found: list[tuple[int, int, float]] = []
    for noise, op in enumerate(where.tolist()):
        lam, left = _channel(ops, op)
        dimension = 4 ** len(left)
        found.append((noise, PAULI_1Q if len(left) == 1 else PAULI_2Q, lam * (dimension - 1) / dimension))
        for wire, (e1, e2) in left.items():
            gamma = 1 - e1
            fires = gamma / 2
            flips = 0.5 * (1 - e2 / np.sqrt(e1)) if e1 > 0 else 0.0  # nothing is left to flip where e1 is 0
            still[noise, 2 * wire : 2 * wire + 2] = 1 / np.sqrt(1 - fires), np.sqrt(e1 / (1 - fires))
            jump[noise, wire] = np.sqrt(2.0)
            found += [(noise, JUMP + wire, fires), (noise, FLIP + wire, flips)]
    kept = [(noise, kind, min(probability, _CERTAIN)) for noise, kind, probability in found if probability > _NEVER]
    blocks_of = np.repeat(np.arange(len(blocks.wires)), np.diff(blocks.start))
    return Events(
        np.array([noise for noise, *_ in kept], dtype=np.int64),
        np.array([kind for _, kind, _ in kept], dtype=np.int64),
        np.cumsum(-np.log1p(-np.array([probability for *_, probability in kept]))),
        where,
        blocks_of[where],
        ops.site[where],
        still,
        jump,
    )


def _channel(ops: Ops, index: int) -> tuple[float, dict[int, tuple[float, float]]]:
    """lam, and e1 and e2 of each local wire, of a noise operation or a delay of fixed length."""
    lam, *left = ops.noise[index].tolist()
    if ops.kind[index] == NOISE_2Q:
        return lam, {0: (left[0], left[1]), 1: (left[2], left[3])}
    wire = int(ops.site[index])
    if ops.kind[index] == NOISE_1Q:
        return lam, {wire: (left[0], left[1])}
    rate_1, rate_2 = ops.noise[index, :2]
    seconds = ops.offset[index]
    return 0.0, {wire: (float(np.exp(-rate_1 * seconds)), float(np.exp(-rate_2 * seconds)))}


@kernel
def draw_path(events: Any, key: Array, path: int, paths: int, at: Array, code: Array) -> int:
    """Draw the events of a path that has at least one; returns at how many noises they are.

    The first event is systematic: path j of m takes the j-th m-th of its distribution, so that paths are ordered by
    their first event. The next ones follow after exponential distances in the running sum of hazards.

    Args:
        events: an `Events` with at least one event.
        key: of the sample's stream, see `philox`.
        path: number of the path, below `paths`.
        paths: of the sample.
        at: int64, long enough for all: the noises, ascending.
        code: int64, what happened there.
    """
    words = np.empty(WORDS, dtype=np.uint64)
    block = path << 32
    philox(key, block, words)
    used = 1
    hazard, total = events.hazard, events.hazard[-1]
    reached = -np.log1p((path + unit(words[0])) / paths * np.expm1(-total))
    count = 0
    number = -1
    while reached < total or number < 0:
        number = min(np.searchsorted(hazard, reached, side="right"), len(hazard) - 1)
        noise, kind = events.noise[number], events.kind[number]
        if count == 0 or at[count - 1] != noise:
            at[count], code[count] = noise, 0
            count += 1
        if kind <= PAULI_2Q:
            if used == WORDS:
                block += 1
                philox(key, block, words)
                used = 0
            chosen = unit(words[used])
            used += 1
            if kind == PAULI_2Q:
                code[count - 1] |= 1 + int(chosen * 15)
            else:
                code[count - 1] |= (1 + int(chosen * 3)) << 2 * events.site[noise]
        elif kind < JUMP:
            code[count - 1] |= FLIP_BIT << (kind - FLIP)
        else:
            code[count - 1] |= JUMP_BIT << (kind - JUMP)
        if used == WORDS:
            block += 1
            philox(key, block, words)
            used = 0
        reached = hazard[number] - np.log1p(-unit(words[used]))
        used += 1
    return count
