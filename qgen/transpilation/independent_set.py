"""Choose regions of a device that lie apart, with the largest total weight: a maximum-weight independent set."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from operator import or_

import numpy as np
import rustworkx as rx

from qgen.randomness import derive

#: Effort of the search, in regions inspected: this number for each pair of regions, within these bounds.
EFFORT, MIN_EFFORT, MAX_EFFORT = 20, 20_000, 1_000_000
#: Effort of a trial beside the regions that it inspects.
TRIAL_EFFORT = 10
#: Temperature of the annealing at its start, as a part of the largest weight; it falls to 0.
START_TEMPERATURE = 0.2
_EQUAL = 1e-12


class DistanceGraph:
    """Distances between regions of a device.

    Args:
        num_qubits: of the device.
        couplers: pairs of its qubits.
        margin: qubits of two regions have to be margin + 1 or more couplers apart. 0 forbids shared qubits alone, 1
            couplers between regions, too.
    """

    def __init__(self, num_qubits: int, couplers: Iterable[tuple[int, int]], margin: int) -> None:
        graph = rx.PyGraph(multigraph=False)
        graph.add_nodes_from(range(num_qubits))
        graph.add_edges_from_no_data(list(couplers))
        self._near = rx.distance_matrix(graph, null_value=np.inf) <= margin

    def blocked(self, region: Collection[int]) -> frozenset[int]:
        """Return the qubits that no other region may use, the region's own included."""
        return frozenset(np.flatnonzero(self._near[list(region)].any(axis=0)).tolist())

    def conflicts(self, regions: Sequence[Collection[int]]) -> list[int]:
        """Return for each region those too near to it, itself included, as the bits of an integer."""
        users = [0] * len(self._near)
        for index, region in enumerate(regions):
            for qubit in region:
                users[qubit] |= 1 << index
        return [reduce(or_, (users[qubit] for qubit in self.blocked(region))) for region in regions]


def heavy_independent_set(
    conflicts: Sequence[int], weights: Sequence[float], max_size: int | None = None, seed: int = 0
) -> list[int]:
    """Choose regions without conflicts, by index, whose weights add up to as much as the search can reach.

    It begins with greedy rules (Sakai, Togasaki and Yamazaki, "A note on greedy algorithms for the maximum weighted
    independent set problem", 2003, doi:10.1016/S0166-218X(02)00205-6) and goes on by simulated annealing: the
    neighbourhood of one region is taken out and filled anew. Equal arguments give equal results.

    Args:
        conflicts: for each region those that it conflicts with, as by `DistanceGraph.conflicts`.
        weights: one for each region, 0 or more.
        max_size: the largest number of regions; None: any.
        seed: of the search.
    """
    return _Annealing(conflicts, weights, max_size, seed).run()


class _Annealing:
    """A set of regions is an integer with their bits; a solution is a list of regions."""

    def __init__(self, conflicts: Sequence[int], weights: Sequence[float], max_size: int | None, seed: int) -> None:
        self._conflicts, self._weights = conflicts, weights
        self._sets = [frozenset(_bits(region)) for region in conflicts]  # the same, where membership is asked for
        self._everything = (1 << len(conflicts)) - 1
        self._max_size = len(conflicts) if max_size is None else max_size
        self._rng = np.random.default_rng(derive(seed, "packing"))
        self._spent = 0

    def run(self) -> list[int]:
        best = current = max(
            (self._fill([], self._everything, by_weight) for by_weight in (True, False)), key=self._total
        )
        best_total = current_total = self._total(best)
        bound = math.fsum(sorted(self._weights)[-self._max_size :])
        effort = min(max(EFFORT * len(self._conflicts) ** 2, MIN_EFFORT), MAX_EFFORT)
        largest = max(self._weights, default=0.0)
        self._spent = 0
        while self._spent < effort and best_total < bound - _EQUAL:
            trial = self._change(current)
            total = self._total(trial)
            temperature = START_TEMPERATURE * largest * max(0.0, 1 - self._spent / effort)
            if total >= current_total - temperature * self._rng.exponential():
                current, current_total = trial, total
            if current_total > best_total + _EQUAL:
                best, best_total = current, current_total
        return sorted(best)

    def _total(self, chosen: Sequence[int]) -> float:
        return sum(map(self._weights.__getitem__, chosen))

    def _change(self, chosen: Sequence[int]) -> list[int]:
        """Force one region in, take out its neighbourhood, and fill up again."""
        conflicts = self._conflicts
        self._spent += TRIAL_EFFORT
        forced = int(self._rng.integers(len(conflicts)))
        around, near = self._sets[forced], conflicts[forced]
        if self._rng.random() < 0.5:
            around = around.union(*(self._sets[region] for region in chosen if region in around))
        kept = [region for region in chosen if region not in around]
        if len(kept) >= self._max_size:
            kept.remove(min(kept, key=self._weights.__getitem__))
        free = self._everything & ~near
        for region in kept:
            free &= ~conflicts[region]
        return self._fill([*kept, forced], free, bool(self._rng.random() < 0.3))

    def _fill(self, chosen: list[int], free: int, by_weight: bool) -> list[int]:
        """Add free regions one by one: the heaviest, or that of the largest weight for each region it excludes."""
        while free and len(chosen) < self._max_size:
            self._spent += free.bit_count()
            following = max(
                _bits(free),
                key=lambda region: (
                    self._weights[region] / (1 if by_weight else (self._conflicts[region] & free).bit_count())
                ),
            )
            chosen.append(following)
            free &= ~self._conflicts[following]
        return chosen


def _bits(number: int) -> Iterator[int]:
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low
