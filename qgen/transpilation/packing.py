"""Which of many overlapping regions of a device to take, so that their weights add up to the most."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from operator import or_

import numpy as np
import rustworkx as rx

from qgen.randomness import derive

#: Effort of the search, in regions looked at: so many for each pair of regions, but within these bounds.
EFFORT, LEAST_EFFORT, MOST_EFFORT = 20, 20_000, 1_000_000
#: A trial costs as much as looking at so many regions, beside those that it looks at.
TRIAL = 10
#: What a trial may lose at first, as a part of the largest weight; less and less up to the last one.
WARM = 0.2
_EQUAL = 1e-12


class Apart:
    """How far apart regions of a device lie.

    Args:
        qubits: of the device.
        couplers: pairs of its qubits.
        margin: between qubits of two regions are at least margin + 1 couplers. 0 forbids shared qubits alone, 1
            couplers between regions, too.
    """

    def __init__(self, qubits: int, couplers: Iterable[tuple[int, int]], margin: int) -> None:
        graph = rx.PyGraph(multigraph=False)
        graph.add_nodes_from(range(qubits))
        graph.add_edges_from_no_data(list(couplers))
        self._near = rx.distance_matrix(graph, null_value=np.inf) <= margin

    def blocked(self, region: Collection[int]) -> frozenset[int]:
        """The qubits that no other region may use, those of the region among them."""
        return frozenset(np.flatnonzero(self._near[list(region)].any(axis=0)).tolist())

    def clashes(self, regions: Sequence[Collection[int]]) -> list[int]:
        """For each region those that it cannot go with, itself among them, as the bits of an integer."""
        users = [0] * len(self._near)
        for index, region in enumerate(regions):
            for qubit in region:
                users[qubit] |= 1 << index
        return [reduce(or_, (users[qubit] for qubit in self.blocked(region))) for region in regions]


def pack(clashes: Sequence[int], weights: Sequence[float], most: int | None = None, seed: int = 0) -> list[int]:
    """Regions of which no two clash, by index, whose weights add up to much: a heavy independent set.

    It begins with greedy rules (Sakai, Togasaki and Yamazaki, "A note on greedy algorithms for the maximum weighted
    independent set problem", 2003, doi:10.1016/S0166-218X(02)00205-6) and goes on by simulated annealing: what is
    around one region is taken out and put together anew. Equal arguments give equal results.

    Args:
        clashes: for each region those that it cannot go with, as by `Apart.clashes`.
        weights: 0 or more, one a region.
        most: at most so many regions.
        seed: of the search.
    """
    return _Packing(clashes, weights, most, seed).best()


class _Packing:
    """A set of regions is an integer with their bits; a solution is a list of them."""

    def __init__(self, clashes: Sequence[int], weights: Sequence[float], most: int | None, seed: int) -> None:
        self._clashes, self._weights = clashes, weights
        self._most = len(clashes) if most is None else most
        self._rng = np.random.default_rng(derive(seed, "packing"))
        self._spent = 0

    def best(self) -> list[int]:
        everything = (1 << len(self._clashes)) - 1
        best = now = max((self._filled([], everything, heavy) for heavy in (True, False)), key=self._sum)
        bound = math.fsum(sorted(self._weights)[-self._most :])
        effort = min(max(EFFORT * len(self._clashes) ** 2, LEAST_EFFORT), MOST_EFFORT)
        scale = max(self._weights, default=0.0)
        self._spent = 0
        while self._spent < effort and self._sum(best) < bound - _EQUAL:
            trial = self._changed(now)
            warmth = WARM * scale * max(0.0, 1 - self._spent / effort)
            if self._sum(trial) >= self._sum(now) - warmth * self._rng.exponential():
                now = trial
            if self._sum(now) > self._sum(best) + _EQUAL:
                best = now
        return sorted(best)

    def _sum(self, chosen: Sequence[int]) -> float:
        return sum(self._weights[region] for region in chosen)

    def _changed(self, chosen: Sequence[int]) -> list[int]:
        """With some region in it, without those around it, and filled up again."""
        self._spent += TRIAL
        forced = int(self._rng.integers(len(self._clashes)))
        around = self._clashes[forced]
        if self._rng.random() < 0.5:
            around = reduce(or_, (self._clashes[one] for one in chosen if around >> one & 1), around)
        kept = [one for one in chosen if not around >> one & 1]
        if len(kept) >= self._most:
            kept.remove(min(kept, key=self._weights.__getitem__))
        taken = reduce(or_, (self._clashes[one] for one in kept), self._clashes[forced])
        return self._filled([*kept, forced], ((1 << len(self._clashes)) - 1) & ~taken, bool(self._rng.random() < 0.3))

    def _filled(self, chosen: list[int], free: int, heavy: bool) -> list[int]:
        """With regions added while any is free: the heaviest, or the one of most weight for what it shuts out."""
        while free and len(chosen) < self._most:
            self._spent += free.bit_count()
            following = max(
                _bits(free),
                key=lambda one: self._weights[one] / (1 if heavy else (self._clashes[one] & free).bit_count()),
            )
            chosen.append(following)
            free &= ~self._clashes[following]
        return chosen


def _bits(number: int) -> Iterator[int]:
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low
