"""The price of a route, compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qgen.compilation import kernel
from qgen.transpilation.kernels.routing import EMPTY_GATES, FIRST_SWAP, SWAP_GATES


class Prices(NamedTuple):
    """What is lost, minus the logarithms of fidelities, and how long gates take.

    Attributes:
        block_gates: (B,), two-qubit gates of each block.
        gate: (S, S), lost by a two-qubit gate on two sites, and the one-qubit gates beside it.
        seconds: (S, S), of the same.
        one: (S,), lost by a one-qubit gate alone.
        one_seconds: (S,), of the same.
        waiting: (S,), lost by a qubit that waits there for a second.
        reading: (S,), lost by reading it.
    """

    block_gates: np.ndarray
    gate: np.ndarray
    seconds: np.ndarray
    one: np.ndarray
    one_seconds: np.ndarray
    waiting: np.ndarray
    reading: np.ndarray


@kernel
def route_price(problem: Any, prices: Any, moves: Any, count: int, end: Any) -> float:
    """Price a route: its gates, what its wires wait, everything being as late as possible, and reading all of them.

    Args:
        problem: a `Problem`.
        prices: `Prices`.
        moves: the last one first; see `find_route`.
        count: of the moves.
        end: (W,), the last sites.
    """
    size = len(problem.neighbour_ends) - 1
    wire_of, began, sites = np.full(size, -1, np.int32), np.zeros(size), end.copy()
    price = 0.0
    for wire in range(len(sites)):
        wire_of[sites[wire]] = wire
        price += prices.reading[sites[wire]]
    for k in range(count):
        move = moves[k]
        if move < FIRST_SWAP:
            block = move // 2
            a, b = sites[problem.pairs[block, 0]], sites[problem.pairs[block, 1]]
            gates, exchanged = prices.block_gates[block], move % 2 == 1
            if exchanged:
                gates += problem.swap_gates[block]
        else:
            a, b = (move - FIRST_SWAP) // size, (move - FIRST_SWAP) % size
            gates, exchanged = EMPTY_GATES if wire_of[a] < 0 or wire_of[b] < 0 else SWAP_GATES, True
        # Seconds from here to the end of the circuit: an empty site does not wait.
        start = max(began[a], began[b])
        for site in (a, b):
            if wire_of[site] >= 0:
                price += (start - began[site]) * prices.waiting[site]
        price += gates * prices.gate[a, b]
        began[a] = began[b] = start + gates * prices.seconds[a, b]
        if exchanged:
            wire_of[a], wire_of[b] = wire_of[b], wire_of[a]
            for site in (a, b):
                if wire_of[site] >= 0:
                    sites[wire_of[site]] = site
    return price
