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
        gate: lost by a two-qubit gate, and the one-qubit gates beside it.
        seconds: of the same.
        waiting: lost by a qubit that waits for a second.
    """

    block_gates: np.ndarray
    gate: float
    seconds: float
    waiting: float


@kernel
def route_price(problem: Any, prices: Any, moves: Any, count: int, end: Any) -> float:
    """Price a route: its gates, and what its wires wait until all are read, everything being as late as possible.

    Args:
        problem: a `Problem`.
        prices: `Prices`.
        moves: the last one first; see `find_route`.
        count: of the moves.
        end: (W,), the last sites.
    """
    size = len(problem.neighbour_ends) - 1
    wire_of, began, sites = np.full(size, -1, np.int32), np.zeros(size), end.copy()
    all_gates, waited = 0, 0.0
    for wire in range(len(sites)):
        wire_of[sites[wire]] = wire
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
                waited += start - began[site]
        all_gates += gates
        began[a] = began[b] = start + gates * prices.seconds
        if exchanged:
            wire_of[a], wire_of[b] = wire_of[b], wire_of[a]
            for site in (a, b):
                if wire_of[site] >= 0:
                    sites[wire_of[site]] = site
    return all_gates * prices.gate + waited * prices.waiting
