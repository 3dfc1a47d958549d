"""The beam search of `block_routing`, compiled.

A state is the site of each wire, the blocks that have run, as bits, and for each wire the block that ran last on it
without a SWAP since, or -1. States with equally many blocks are a level; two levels are kept at a time, in turns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qgen.compilation import internal, kernel
from qgen.transpilation.kernels.arrays import chance, copy, hashed

#: Two-qubit gates of a SWAP alone, and of one with an empty site, which is in its ground state.
SWAP_GATES, EMPTY_GATES = 3, 2
#: Weight of a block in what is ahead, by the blocks that come before it; and up to which it counts.
DECAY, AHEAD = 0.75, 8
#: Blocks that are looked at ahead, for each wire.
AHEAD_PER_WIRE = 4
#: What a coupler of distance costs, in gates.
DISTANCE = 1.5
#: States without a block that can run, which are tried for each that is kept; and before a route is given up.
TRIES, MAX_TRIES = 4, 2_000
MAX_STATES, MAX_NARROW = 200_000, 20_000  # of a level, at most; and where one is kept
#: Moves are numbers: 2 block + (a SWAP follows), or FIRST_SWAP + sites * first site + second site.
FIRST_SWAP, NONE, REPLACED = 1 << 20, -1, -2


class Problem(NamedTuple):
    """Blocks and device, as arrays.

    Attributes:
        pairs: (B, 2), the wires of each block.
        before_ends, before: those before block b are before[before_ends[b]:before_ends[b + 1]]; they come earlier.
        swap_gates: (B,), what each takes more with a SWAP.
        neighbour_ends, neighbours: of each site, likewise.
        distances: (S, S), in couplers.
    """

    pairs: np.ndarray
    before_ends: np.ndarray
    before: np.ndarray
    swap_gates: np.ndarray
    neighbour_ends: np.ndarray
    neighbours: np.ndarray
    distances: np.ndarray


class _Pool(NamedTuple):
    """States of two levels, a heap of each, and a hash table to find equal ones."""

    sites: Any
    last: Any
    done: Any
    gates: Any
    priority: Any
    node: Any
    move: Any
    slot: Any
    heap: Any
    table: Any
    size: Any
    heaped: Any


class _Ahead(NamedTuple):
    """What lies ahead of a state: blocks that can run next, weighted pairs, and the same by wire."""

    depth: Any
    front: Any
    pairs: Any
    weights: Any
    ends: Any
    others: Any
    other_weights: Any
    counts: Any  # blocks in front, pairs


@kernel
def find_route(problem: Any, start: Any, width: int, seed: int, moves: Any, end: Any) -> tuple[int, int]:
    """Find a route.

    Args:
        problem: a `Problem`.
        start: (W,), the site of each wire.
        width: states that are kept at each level.
        seed: breaks ties.
        moves: is filled with the moves, the last one first.
        end: (W,), is filled with the last sites.

    Returns:
        Two-qubit gates that are added, and the number of moves; -1 and 0 if there is no route within the limits.
    """
    blocks, wires = len(problem.pairs), len(start)
    words = (blocks + 63) // 64
    most = MAX_NARROW if width == 1 else MAX_STATES
    pool = _new_pool(most, wires, words)
    ahead = _new_ahead(blocks, wires)
    nodes = (blocks + 1) * (TRIES * width + 2) + MAX_TRIES * min(blocks, 64)
    parents, node_moves, count = np.empty(nodes, np.int32), np.empty(nodes, np.int32), 0
    wire_of = np.full(len(problem.neighbour_ends) - 1, -1, np.int32)
    seen = np.full(len(problem.neighbours), -1, np.int32)
    sites, last, done = start.astype(np.int16), np.full(wires, -1, np.int16), np.zeros(words, np.uint64)
    state = np.array([np.uint64(seed) | np.uint64(1)], np.uint64)
    _push(pool, 0, sites, last, done, 0, 0.0, -1, NONE)
    for level in range(blocks):
        now, following = level & 1, 1 - (level & 1)
        _clear(pool, following)
        kept = tries = 0
        while kept < width and tries < (TRIES * width if kept else MAX_TRIES):
            index = _pop(pool, now)
            if index < 0:
                break
            if pool.move[now, index] == REPLACED:
                continue
            if count == nodes:
                return -1, 0
            tries += 1
            parents[count], node_moves[count] = pool.node[now, index], pool.move[now, index]
            copy(pool.sites[now, index], sites)
            copy(pool.last[now, index], last)
            copy(pool.done[now, index], done)
            gates = pool.gates[now, index]
            block = _look_ahead(problem, ahead, sites, done)
            if block >= 0:
                kept += 1
                _run(problem, pool, ahead, following, sites, last, done, gates, block, count, state)
            else:
                _swap(problem, pool, ahead, now, sites, last, done, gates, count, state, wire_of, seen)
            count += 1
    level, best = blocks & 1, -1
    for k in range(pool.size[level]):
        if pool.move[level, k] != REPLACED and (best < 0 or pool.gates[level, k] < pool.gates[level, best]):
            best = k
    if best < 0:
        return -1, 0
    copy(pool.sites[level, best], end)
    moves[0], length, node = pool.move[level, best], 1, pool.node[level, best]
    while node >= 0:
        if node_moves[node] != NONE:
            if length == len(moves):
                return -1, 0
            moves[length] = node_moves[node]
            length += 1
        node = parents[node]
    return pool.gates[level, best], length


@internal
def _look_ahead(problem: Any, ahead: Any, sites: Any, done: Any) -> int:
    """List what is ahead, by wire, too; return a block that can run where its wires are, or -1."""
    pairs, distances = problem.pairs, problem.distances
    wires = len(sites)
    found, looked, fronts, terms = -1, 0, 0, 0
    for block in range(len(pairs)):
        if done[block >> 6] >> np.uint64(block & 63) & np.uint64(1):
            continue
        depth = 0
        for k in range(problem.before_ends[block], problem.before_ends[block + 1]):
            other = problem.before[k]
            if not done[other >> 6] >> np.uint64(other & 63) & np.uint64(1):
                depth = max(depth, ahead.depth[other] + 1)
        ahead.depth[block] = depth
        if depth == 0:
            ahead.front[fronts] = block
            fronts += 1
            if found < 0 and distances[sites[pairs[block, 0]], sites[pairs[block, 1]]] == 1:
                found = block
        if depth <= AHEAD:
            ahead.pairs[terms, 0], ahead.pairs[terms, 1] = pairs[block, 0], pairs[block, 1]
            ahead.weights[terms] = DISTANCE * DECAY**depth
            terms += 1
        looked += 1
        if looked >= AHEAD_PER_WIRE * wires:
            break
    ahead.counts[0], ahead.counts[1] = fronts, terms
    ahead.ends[:] = 0
    for k in range(terms):
        for side in range(2):
            ahead.ends[ahead.pairs[k, side] + 1] += 1
    for wire in range(wires):
        ahead.ends[wire + 1] += ahead.ends[wire]
    for k in range(terms):
        for side in range(2):
            wire = ahead.pairs[k, side]
            place = ahead.ends[wire]
            ahead.others[place], ahead.other_weights[place] = ahead.pairs[k, 1 - side], ahead.weights[k]
            ahead.ends[wire] += 1
    for wire in range(wires, 0, -1):
        ahead.ends[wire] = ahead.ends[wire - 1]
    ahead.ends[0] = 0
    return found


@internal
def _run(
    problem: Any, pool: Any, ahead: Any, level: int, sites: Any, last: Any, done: Any,
    gates: int, block: int, node: int, state: Any,
) -> None:  # fmt: skip
    """Run a block, and run it with a SWAP."""
    a, b = problem.pairs[block]
    done[block >> 6] |= np.uint64(1) << np.uint64(block & 63)
    _look_ahead(problem, ahead, sites, done)
    last[a] = last[b] = block
    _push(pool, level, sites, last, done, gates, _distance(problem, ahead, sites) + _noise(state), node, 2 * block)
    last[a] = last[b] = -1
    sites[a], sites[b] = sites[b], sites[a]
    gates += problem.swap_gates[block]
    _push(pool, level, sites, last, done, gates, _distance(problem, ahead, sites) + _noise(state), node, 2 * block + 1)


@internal
def _swap(
    problem: Any, pool: Any, ahead: Any, level: int, sites: Any, last: Any, done: Any,
    gates: int, node: int, state: Any, wire_of: Any, seen: Any,
) -> None:  # fmt: skip
    """Try every SWAP that touches a block that could run next."""
    ends, neighbours, size = problem.neighbour_ends, problem.neighbours, len(problem.neighbour_ends) - 1
    distance = _distance(problem, ahead, sites)
    for wire in range(len(sites)):
        wire_of[sites[wire]] = wire
    for k in range(ahead.counts[0]):
        for side in range(2):
            site = sites[problem.pairs[ahead.front[k], side]]
            for place in range(ends[site], ends[site + 1]):
                first, second = min(site, neighbours[place]), max(site, neighbours[place])
                coupler = ends[first]
                while neighbours[coupler] != second:
                    coupler += 1
                if seen[coupler] == node:
                    continue
                seen[coupler] = node
                a, b = wire_of[first], wire_of[second]
                price = SWAP_GATES
                if a < 0 or b < 0:
                    price = EMPTY_GATES
                elif last[a] == last[b] >= 0:
                    price = problem.swap_gates[last[a]]
                change = _change(problem, ahead, a, sites, first, second, b)
                change += _change(problem, ahead, b, sites, second, first, a)
                last_a, last_b = last[a], last[b]
                if a >= 0:
                    sites[a], last[a] = second, -1
                if b >= 0:
                    sites[b], last[b] = first, -1
                move = FIRST_SWAP + size * first + second
                ahead_of = distance + change + _noise(state)
                _push(pool, level, sites, last, done, gates + price, ahead_of, node, move)
                if a >= 0:
                    sites[a], last[a] = first, last_a
                if b >= 0:
                    sites[b], last[b] = second, last_b
    for wire in range(len(sites)):
        wire_of[sites[wire]] = -1


@internal
def _distance(problem: Any, ahead: Any, sites: Any) -> float:
    total = 0.0
    for k in range(ahead.counts[1]):
        a, b = ahead.pairs[k]
        total += ahead.weights[k] * (problem.distances[sites[a], sites[b]] - 1)
    return total


@internal
def _change(problem: Any, ahead: Any, wire: int, sites: Any, old: int, new: int, other: int) -> float:
    """The change of distance of a wire that moves, but for its distance to the wire that takes its place."""
    change = 0.0
    if wire >= 0:
        for k in range(ahead.ends[wire], ahead.ends[wire + 1]):
            one = ahead.others[k]
            if one != other:
                here = sites[one]
                change += ahead.other_weights[k] * (problem.distances[new, here] - problem.distances[old, here])
    return change


@internal
def _noise(state: Any) -> float:
    return 1e-3 * chance(state)  # decides between equals


@internal
def _new_pool(most: int, wires: int, words: int) -> Any:
    table = 1
    while table < 2 * most:
        table *= 2
    return _Pool(
        np.empty((2, most, wires), np.int16),
        np.empty((2, most, wires), np.int16),
        np.empty((2, most, words), np.uint64),
        np.empty((2, most), np.int32),
        np.empty((2, most), np.float64),
        np.empty((2, most), np.int32),
        np.empty((2, most), np.int32),
        np.empty((2, most), np.int32),
        np.empty((2, most), np.int32),
        np.full((2, table), -1, np.int32),
        np.zeros(2, np.int64),
        np.zeros(2, np.int64),
    )


@internal
def _new_ahead(blocks: int, wires: int) -> Any:
    return _Ahead(
        np.empty(blocks, np.int32),
        np.empty(blocks, np.int32),
        np.empty((blocks, 2), np.int32),
        np.empty(blocks, np.float64),
        np.zeros(wires + 1, np.int32),
        np.empty(2 * blocks, np.int32),
        np.empty(2 * blocks, np.float64),
        np.zeros(2, np.int64),
    )


@internal
def _clear(pool: Any, level: int) -> None:
    for k in range(pool.size[level]):
        pool.table[level, pool.slot[level, k]] = -1
    pool.size[level] = pool.heaped[level] = 0


@internal
def _push(
    pool: Any, level: int, sites: Any, last: Any, done: Any, gates: int, ahead: float, node: int, move: int
) -> None:
    """Add a state, unless an equal one has no more gates; of a level that is full nothing more is kept."""
    slot = hashed(sites, last, done) & np.uint64(pool.table.shape[1] - 1)
    while pool.table[level, slot] >= 0:
        other = pool.table[level, slot]
        if pool.move[level, other] != REPLACED and _equal(pool, level, other, sites, last, done):
            if pool.gates[level, other] <= gates:
                return
            pool.move[level, other] = REPLACED
        slot = (slot + np.uint64(1)) & np.uint64(pool.table.shape[1] - 1)
    index = pool.size[level]
    if index == pool.gates.shape[1]:
        return
    pool.size[level] += 1
    copy(sites, pool.sites[level, index])
    copy(last, pool.last[level, index])
    copy(done, pool.done[level, index])
    pool.gates[level, index], pool.priority[level, index] = gates, gates + ahead
    pool.node[level, index], pool.move[level, index], pool.slot[level, index] = node, move, slot
    pool.table[level, slot] = index
    heap, priority = pool.heap[level], pool.priority[level]
    k = pool.heaped[level]
    pool.heaped[level] += 1
    while k > 0 and priority[heap[(k - 1) >> 1]] > priority[index]:
        heap[k] = heap[(k - 1) >> 1]
        k = (k - 1) >> 1
    heap[k] = index


@internal
def _pop(pool: Any, level: int) -> int:
    """Take out the state of the least priority; -1 if there is none."""
    size = pool.heaped[level] - 1
    if size < 0:
        return -1
    pool.heaped[level] = size
    heap, priority = pool.heap[level], pool.priority[level]
    top, last, k = heap[0], heap[size], 0
    while 2 * k + 1 < size:
        child = 2 * k + 1
        if child + 1 < size and priority[heap[child + 1]] < priority[heap[child]]:
            child += 1
        if priority[heap[child]] >= priority[last]:
            break
        heap[k] = heap[child]
        k = child
    heap[k] = last
    return top


@internal
def _equal(pool: Any, level: int, other: int, sites: Any, last: Any, done: Any) -> bool:
    for k in range(len(sites)):
        if pool.sites[level, other, k] != sites[k] or pool.last[level, other, k] != last[k]:
            return False
    differ = np.uint64(0)
    for k in range(len(done)):
        differ |= pool.done[level, other, k] ^ done[k]
    return bool(differ == 0)
