"""Route blocks by beam search, each SWAP at its price: what its block takes more, or three gates alone.

As Sabre (Li, Ding and Xie, 2019, arXiv:1809.02573), the search goes from block to block, looks at those that come next,
and finds first places by going forwards and backwards; Sabre counts every SWAP alike. A wire is a qubit of the circuit,
a site one of the device.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from qgen.transpilation.kernels.pricing import Prices, route_price
from qgen.transpilation.kernels.routing import FIRST_SWAP, Problem, find_route

#: Moves of a route, at most, for each block; a route of more is given up.
_MOVES_PER_BLOCK, _MORE_MOVES = 32, 2_000

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


@dataclass(frozen=True, eq=False)
class Route:
    """A way to run all blocks.

    Attributes:
        gates: two-qubit gates that are added.
        price: see `route_price`; of a router without prices, the gates.
        start, end: the site of each wire.
    """

    gates: int
    price: float
    start: tuple[int, ...]
    end: tuple[int, ...]
    _numbers: np.ndarray  # the moves, as in `find_route`: of most routes, nobody looks at them
    _sites: int

    @property
    def moves(self) -> tuple[Run | Swap, ...]:
        """The moves in their order."""
        return tuple(self._move(number) for number in self._numbers.tolist())

    def _move(self, number: int) -> Run | Swap:
        if number < FIRST_SWAP:
            return Run(number // 2, number % 2 == 1)
        first, second = divmod(number - FIRST_SWAP, self._sites)
        return Swap((first, second))


class BlockRouter:
    """Beam search over partial routes, by the number of blocks that have run.

    Args:
        pairs: the wires of each block.
        before: for each block, those that have to run before it; they come earlier.
        swap_gates: what each block takes more with a SWAP.
        neighbours: for each site, those it is coupled to.
        distances: between sites, in couplers.
        prices: to compare routes by.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        before: Sequence[frozenset[int]],
        swap_gates: Sequence[int],
        neighbours: Sequence[Sequence[int]],
        distances: Sequence[Sequence[float]],
        prices: Prices | None = None,
    ) -> None:
        self._prices = prices
        self._pairs, self._swap_gates, self._before = list(pairs), list(swap_gates), list(before)
        self._neighbours, self._distances = neighbours, distances
        self._problem = Problem(
            np.array(self._pairs, np.int32),
            *_joined(before),
            np.array(self._swap_gates, np.int32),
            *_joined(neighbours),
            np.array(distances, np.float64),
        )
        self._moves = np.empty(_MOVES_PER_BLOCK * len(self._pairs) + _MORE_MOVES, np.int32)

    def reversed(self) -> BlockRouter:
        """Return the router of the same blocks backwards, without prices."""
        last = len(self._pairs) - 1
        after: list[set[int]] = [set() for _ in self._pairs]
        for block, before in enumerate(self._before):
            for other in before:
                after[last - other].add(last - block)
        order = [frozenset(one) for one in after]
        return BlockRouter(self._pairs[::-1], order, self._swap_gates[::-1], self._neighbours, self._distances)

    def route(self, start: Sequence[int], width: int, rng: random.Random) -> Route | None:
        """Find a route from these sites; None if there is none within the limits.

        Args:
            start: the site of each wire.
            width: states that are kept for each number of blocks.
            rng: breaks ties.
        """
        end = np.empty(len(start), np.int16)
        first = np.array(start, np.int16)
        gates, count = find_route(self._problem, first, width, rng.getrandbits(63), self._moves, end)
        if count == 0:
            return None
        moves, price = self._moves[:count].copy(), float(gates)
        if self._prices is not None:
            price = route_price(self._problem, self._prices, moves, count, end)
        return Route(gates, price, tuple(start), tuple(end.tolist()), moves[::-1], len(self._neighbours))


def _joined(lists: Sequence[Iterable[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return where each list ends in all of them together, 0 first, and all of them."""
    ordered = [sorted(one) for one in lists]
    ends = np.cumsum([0, *map(len, ordered)]).astype(np.int32)
    return ends, np.array([one for some in ordered for one in some], np.int32)
