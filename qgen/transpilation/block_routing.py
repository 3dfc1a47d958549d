"""Route blocks by beam search, each SWAP at its price: what its block takes more, or three gates alone.

As Sabre (Li, Ding and Xie, 2019, arXiv:1809.02573), the search goes from block to block, looks at those that come next,
and finds first places by going forwards and backwards; Sabre counts every SWAP alike. A wire is a qubit of the circuit,
a site one of the device.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Two-qubit gates of a SWAP alone, and of one with an empty site, which is in its ground state.
SWAP_GATES, EMPTY_GATES = 3, 2
#: Weight of a block in what is ahead, by the blocks that come before it; and up to which it counts.
_DECAY, _AHEAD = 0.75, 8
#: Blocks that are looked at ahead, for each wire.
_AHEAD_PER_WIRE = 4
#: What a coupler of distance costs, in gates.
_DISTANCE = 1.5
#: States without a block that can run, which are tried for each that is kept; and before a route is given up.
_TRIES, _MAX_TRIES = 4, 2_000

Pair = tuple[int, int]


@dataclass(frozen=True)
class Run:
    """A block runs, with a SWAP after it if `swap`."""

    block: int
    swap: bool


@dataclass(frozen=True)
class Swap:
    """A SWAP of two sites; one of them may be empty."""

    sites: Pair


@dataclass(frozen=True)
class Route:
    """A way to run all blocks.

    Attributes:
        gates: two-qubit gates that are added.
        start, end: the site of each wire.
        moves: in their order.
    """

    gates: int
    start: tuple[int, ...]
    end: tuple[int, ...]
    moves: tuple[Run | Swap, ...]


class _Ahead:
    """What lies ahead once some blocks have run: those that can run next, and weighted pairs by wire."""

    def __init__(self, front: list[int], terms: list[tuple[int, int, float]], wires: int) -> None:
        self.front, self.terms = front, terms
        self.by_wire: list[list[tuple[int, float]]] = [[] for _ in range(wires)]
        for a, b, weight in terms:
            self.by_wire[a].append((b, weight))
            self.by_wire[b].append((a, weight))


class BlockRouter:
    """Beam search over partial routes, by the number of blocks that have run.

    Args:
        pairs: the wires of each block.
        before: for each block, those that have to run before it.
        swap_gates: what each block takes more with a SWAP.
        wires: their number.
        neighbours: for each site, those it is coupled to.
        distances: between sites, in couplers.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        before: Sequence[frozenset[int]],
        swap_gates: Sequence[int],
        wires: int,
        neighbours: Sequence[Sequence[int]],
        distances: Sequence[Sequence[float]],
    ) -> None:
        self._pairs, self._swap_gates, self._wires = list(pairs), list(swap_gates), wires
        self._before = [sum(1 << other for other in others) for others in before]
        self._order = before
        self._neighbours, self._distances = neighbours, distances
        self._known: dict[int, _Ahead] = {}

    def reversed(self) -> BlockRouter:
        """Return the router of the same blocks backwards."""
        last = len(self._pairs) - 1
        after: list[set[int]] = [set() for _ in self._pairs]
        for block, before in enumerate(self._order):
            for other in before:
                after[last - other].add(last - block)
        pairs, swap_gates = self._pairs[::-1], self._swap_gates[::-1]
        order = [frozenset(one) for one in after]
        return BlockRouter(pairs, order, swap_gates, self._wires, self._neighbours, self._distances)

    def route(self, start: Sequence[int], width: int, rng: random.Random) -> Route | None:
        """Find a route from these sites; None if there is none within the limits.

        Args:
            start: the site of each wire.
            width: states that are kept for each number of blocks.
            rng: breaks ties.
        """
        beam = _Beam(len(self._pairs), rng)
        sites = tuple(start)
        beam.push(0, self._distance(sites, self._ahead(0)), sites, 0, (-1,) * self._wires, None)
        for level in range(len(self._pairs)):
            kept = tries = 0
            while kept < width and tries < (_TRIES * width if kept else _MAX_TRIES):
                state = beam.pop(level)
                if state is None:
                    break
                tries += 1
                block = self._next(state)
                if block is not None:
                    kept += 1
                    self._run(beam, state, block)
                else:
                    self._swap(beam, state)
        best = beam.best()
        return None if best is None else Route(best[2], sites, best[3], _moves(best[6]))

    def _next(self, state: _State) -> int | None:
        sites, distances = state[3], self._distances
        for block in self._ahead(state[4]).front:
            a, b = self._pairs[block]
            if distances[sites[a]][sites[b]] == 1:
                return block
        return None

    def _run(self, beam: _Beam, state: _State, block: int) -> None:
        """Run a block, and run it with a SWAP."""
        _, _, gates, sites, done, last, moves = state
        a, b = self._pairs[block]
        done |= 1 << block
        ahead = self._ahead(done)
        alone, swapped = list(last), list(last)
        alone[a] = alone[b] = block
        swapped[a] = swapped[b] = -1
        distance = self._distance(sites, ahead)
        beam.push(gates, distance, sites, done, tuple(alone), (Run(block, False), moves))
        moved = list(sites)
        moved[a], moved[b] = sites[b], sites[a]
        distance += self._change(ahead, a, sites, moved, b) + self._change(ahead, b, sites, moved, a)
        gates += self._swap_gates[block]
        beam.push(gates, distance, tuple(moved), done, tuple(swapped), (Run(block, True), moves))

    def _swap(self, beam: _Beam, state: _State) -> None:
        """Try every SWAP that touches a block that could run next."""
        _, _, gates, sites, done, last, moves = state
        ahead = self._ahead(done)
        occupied = {site: wire for wire, site in enumerate(sites)}
        candidates = {
            (min(site, other), max(site, other))
            for block in ahead.front
            for wire in self._pairs[block]
            for site in (sites[wire],)
            for other in self._neighbours[site]
        }
        distance = self._distance(sites, ahead)
        for first, second in sorted(candidates):
            a, b = occupied.get(first, -1), occupied.get(second, -1)
            price = EMPTY_GATES if a < 0 or b < 0 else SWAP_GATES
            if a >= 0 and b >= 0 and last[a] == last[b] >= 0:
                price = self._swap_gates[last[a]]
            moved, left = list(sites), list(last)
            for wire, site in ((a, second), (b, first)):
                if wire >= 0:
                    moved[wire] = site
                    left[wire] = -1
            change = sum(self._change(ahead, w, sites, moved, o) for w, o in ((a, b), (b, a)) if w >= 0)
            move = (Swap((first, second)), moves)
            beam.push(gates + price, distance + change, tuple(moved), done, tuple(left), move)

    def _ahead(self, done: int) -> _Ahead:
        known = self._known.get(done)
        if known is None:
            known = self._known[done] = self._look_ahead(done)
        return known

    def _look_ahead(self, done: int) -> _Ahead:
        depths: dict[int, int] = {}
        front, terms = [], []
        for block, pair in enumerate(self._pairs):
            if done >> block & 1:
                continue
            depth = max((depths[other] + 1 for other in self._order[block] if not done >> other & 1), default=0)
            depths[block] = depth
            if depth == 0:
                front.append(block)
            if depth <= _AHEAD:
                terms.append((*pair, _DISTANCE * _DECAY**depth))
            if len(depths) >= _AHEAD_PER_WIRE * self._wires:
                break
        return _Ahead(front, terms, self._wires)

    def _distance(self, sites: Sequence[int], ahead: _Ahead) -> float:
        distances = self._distances
        return sum([weight * (distances[sites[a]][sites[b]] - 1) for a, b, weight in ahead.terms])

    def _change(self, ahead: _Ahead, wire: int, sites: Sequence[int], moved: Sequence[int], other: int) -> float:
        """The change of distance of a wire that moves, but for its distance to the wire that takes its place."""
        old, new = self._distances[sites[wire]], self._distances[moved[wire]]
        terms = ahead.by_wire[wire]
        return sum([weight * (new[sites[one]] - old[sites[one]]) for one, weight in terms if one != other])


#: Priority, a number that makes it unique, gates, sites, blocks that have run as bits, for each wire the block that ran
#: last on it without a SWAP since or -1, and the moves.
_State = tuple[float, int, int, tuple[int, ...], int, tuple[int, ...], Any]


class _Beam:
    """States by the number of blocks that have run."""

    def __init__(self, blocks: int, rng: random.Random) -> None:
        self._levels: list[list[_State]] = [[] for _ in range(blocks + 1)]
        self._gates: dict[tuple[object, ...], int] = {}
        self._rng, self._count = rng, 0

    def push(
        self, gates: int, distance: float, sites: tuple[int, ...], done: int, last: tuple[int, ...], moves: Any
    ) -> None:
        key = sites, done, last
        if self._gates.get(key, gates + 1) <= gates:
            return
        self._gates[key] = gates
        self._count += 1
        priority = gates + distance + 1e-3 * self._rng.random()
        heapq.heappush(self._levels[done.bit_count()], (priority, self._count, gates, sites, done, last, moves))

    def pop(self, level: int) -> _State | None:
        states = self._levels[level]
        while states:
            state = heapq.heappop(states)
            if self._gates[state[3], state[4], state[5]] == state[2]:
                return state
        return None

    def best(self) -> _State | None:
        return min(self._levels[-1], key=lambda state: (state[2], state[0]), default=None)


def _moves(linked: Any) -> tuple[Run | Swap, ...]:
    moves = []
    while linked is not None:
        moves.append(linked[0])
        linked = linked[1]
    return tuple(reversed(moves))
