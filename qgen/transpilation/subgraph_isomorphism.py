"""Find other qubits of a device on which a routed circuit fits as it is, and what they cost.

The idea is that of mapomatic (Nation and Treinish, 2022, arXiv:2209.15512): the graph of a circuit's two-qubit gates is
matched with subgraphs of the device's couplers. Unlike Qiskit's `VF2PostLayout`, which counts gate errors alone, costs
are nearly those of `CircuitMetrics.success`: gates, readout, and what a qubit loses while it is idle, of a state in
which all are entangled.

A wire is a physical qubit on which the circuit lies now, a site one to which it may be moved.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.transpilation.circuit_metrics import readout_error
from qgen.transpilation.schedule import NON_GATES, device_instructions, reported_error
from qgen.transpilation.state_fidelity import entangled_fidelity, light_cone, target_rates

Pair = tuple[int, int]

#: Sites that `post_layout` tries at most, in all.
MAX_TRIED = 20_000
#: Leaves of the search tree that `EmbeddingSearch` visits at most, dead ends included.
MAX_LEAVES = 10_000
_MIN_GAIN = 1e-9
#: What one gate may lose at most, so that of two bad places one is the better.
_MOST_LOST = 1 - 1e-9


class LayoutCosts:
    """Minus the logarithm of success for every wire and every pair of coupled wires, on every site.

    Args:
        isa: in the device's gates.
        target: the device.
        measured: the physical qubits that are read at the end.

    Attributes:
        num_sites: qubits of the device.
        couplers: pairs of sites that share a gate, in both directions.
        wires: the physical qubits in use, ascending.
        node: wire -> site -> cost of its one-qubit gates, readout and idle time; only sites of finite cost.
        edge: pair of wires (a, b), a < b -> pair of sites -> cost of their gates; only pairs of finite cost.

    Raises:
        BackendError: the device does not have one of the gates on its qubits.
    """

    def __init__(self, isa: QuantumCircuit, target: Target, measured: Sequence[int]) -> None:
        instructions = device_instructions(isa, target)
        gates = [instruction for instruction in instructions if instruction.name not in NON_GATES]
        counts = Counter((gate.qubits, gate.name) for gate in gates)
        self._measured, self._waits = frozenset(measured), dict[int, list[float]]()
        for after in light_cone(instructions, measured)[1]:
            for wire, seconds in after:
                self._waits.setdefault(wire, []).append(seconds)
        self._gates = {name: _gate_costs(target, name) for _, name in counts}
        self.num_sites = int(target.num_qubits)
        self._readout = [_cost(readout_error(target, site)) for site in range(self.num_sites)]
        self._rates = [target_rates(target, site) for site in range(self.num_sites)]
        self.couplers = _couplers(target)
        self.wires = sorted({qubit for gate in gates for qubit in gate.qubits} | self._measured)
        single: dict[int, dict[str, int]] = {wire: {} for wire in self.wires}
        double: dict[Pair, dict[tuple[str, bool], int]] = {}
        for (qubits, name), count in counts.items():
            if len(qubits) == 1:
                single[qubits[0]][name] = count
            else:
                double.setdefault((min(qubits), max(qubits)), {})[name, qubits[0] > qubits[1]] = count
        self.node = {wire: self._node_costs(wire, names) for wire, names in single.items()}
        self.edge = {pair: self._edge_costs(names) for pair, names in double.items()}

    def _node_costs(self, wire: int, names: Mapping[str, int]) -> dict[int, float]:
        read, waits = wire in self._measured, self._waits.get(wire, ())
        costs = {
            site: sum(count * self._gate_cost(name, (site,)) for name, count in names.items())
            + (self._readout[site] if read else 0.0)
            - sum(math.log(entangled_fidelity(rates, seconds)) for seconds in waits)
            for site, rates in enumerate(self._rates)
        }
        return {site: cost for site, cost in costs.items() if cost < math.inf}

    def _edge_costs(self, names: Mapping[tuple[str, bool], int]) -> dict[Pair, float]:
        """Costs by (site of the smaller wire, site of the larger one)."""
        costs = {
            (first, second): sum(
                count * self._undirected_cost(name, (second, first) if reverse else (first, second))
                for (name, reverse), count in names.items()
            )
            for first, second in self.couplers
        }
        return {pair: cost for pair, cost in costs.items() if cost < math.inf}

    def _undirected_cost(self, name: str, pair: Pair) -> float:
        cost = self._gate_cost(name, pair)
        return self._gate_cost(name, pair[::-1]) if cost == math.inf else cost

    def _gate_cost(self, name: str, qubits: tuple[int, ...]) -> float:
        costs = self._gates[name]
        return costs.get(qubits, costs.get(None, math.inf))


class _SearchTree:
    """Partial layouts, wire after wire, each next to the wires before it that it shares gates with.

    Attributes:
        order: the wires in the order in which they are placed.
        links: for each of them, the wires before it that it shares gates with, each with their pair.
    """

    def __init__(self, costs: LayoutCosts) -> None:
        self.costs = costs
        self.order = _search_order(costs.wires, costs.edge)
        self.links = [
            [(other, pair) for other in self.order[:k] if (pair := (min(wire, other), max(wire, other))) in costs.edge]
            for k, wire in enumerate(self.order)
        ]
        self._neighbours: dict[int, set[int]] = {}
        for first, second in costs.couplers:
            self._neighbours.setdefault(first, set()).add(second)

    def options(self, layout: Mapping[int, int], free: set[int]) -> list[tuple[float, int]]:
        """List (added cost, site) for the next wire on the free sites, the cheapest first.

        Args:
            layout: wire -> site, for the wires placed so far.
            free: sites that may be taken.
        """
        depth = len(layout)
        node, edge = self.costs.node[self.order[depth]], self.costs.edge
        links = [(layout[other], edge[pair], other == pair[0]) for other, pair in self.links[depth]]
        reachable = free.intersection(node, *(self._neighbours.get(site, ()) for site, _, _ in links))
        options = []
        for site in reachable:
            pairs = [(costs, (other, site) if first else (site, other)) for other, costs, first in links]
            if all(pair in costs for costs, pair in pairs):
                options.append((node[site] + sum(costs[pair] for costs, pair in pairs), site))
        return sorted(options)


def post_layout(isa: QuantumCircuit, target: Target, measured: Sequence[int]) -> dict[int, int] | None:
    """Find sites on which more executions succeed: wire -> site; None if none were found.

    A depth-first branch and bound, the cheapest sites first; each site of the first wire has an equal share of
    `MAX_TRIED`. Couplers count in both directions: a gate that a device has in one direction alone may have to be
    reversed (`relayout` does it).

    Args:
        isa: in the device's gates.
        target: the device.
        measured: the physical qubits that are read at the end.
    """
    costs = LayoutCosts(isa, target, measured)
    return _BranchAndBound(costs).run() if costs.wires else None


class _BranchAndBound:
    """Cut off a branch if no completion can beat the best layout."""

    def __init__(self, costs: LayoutCosts) -> None:
        self._tree, self._free = _SearchTree(costs), set(range(costs.num_sites))
        self._bounds = self._lower_bounds(costs)
        self._best_cost = self._current_cost(costs) - _MIN_GAIN
        self._best: dict[int, int] | None = None
        self._layout: dict[int, int] = {}
        self._left = 0

    def run(self) -> dict[int, int] | None:
        options = self._tree.options(self._layout, self._free)
        for added, site in options:
            self._left = MAX_TRIED // len(options)
            self._try(0.0, added, site)
        return self._best

    def _descend(self, cost: float) -> None:
        if len(self._layout) == len(self._tree.order):
            self._best_cost, self._best = cost - _MIN_GAIN, dict(self._layout)
            return
        for added, site in self._tree.options(self._layout, self._free):
            if self._left <= 0 or not self._try(cost, added, site):
                return

    def _try(self, cost: float, added: float, site: int) -> bool:
        """Place the next wire and go on; False if that is too expensive already."""
        depth = len(self._layout)
        wire = self._tree.order[depth]
        if cost + added + self._bounds[depth + 1] >= self._best_cost:
            return False
        self._left -= 1
        self._layout[wire] = site
        self._free.remove(site)
        self._descend(cost + added)
        self._free.add(self._layout.pop(wire))
        return True

    def _lower_bounds(self, costs: LayoutCosts) -> list[float]:
        """For each depth, the least that the wires from there on cost."""
        least = [
            min(costs.node[wire].values(), default=math.inf)
            + sum(min(costs.edge[pair].values(), default=math.inf) for _, pair in links)
            for wire, links in zip(self._tree.order, self._tree.links, strict=True)
        ]
        return [sum(least[depth:]) for depth in range(len(least) + 1)]

    def _current_cost(self, costs: LayoutCosts) -> float:
        nodes = (costs.node[wire].get(wire, math.inf) for wire in self._tree.order)
        return sum(nodes) + sum(costs.edge[pair].get(pair, math.inf) for pair in costs.edge)


@dataclass(frozen=True)
class Embedding:
    """A set of sites for a whole circuit.

    Attributes:
        mapping: wire -> site.
        cost: nearly minus the logarithm of success, with the idle times that the circuit has where it is now.
    """

    mapping: Mapping[int, int]
    cost: float

    @property
    def qubits(self) -> frozenset[int]:
        """The sites that it occupies."""
        return frozenset(self.mapping.values())


class EmbeddingSearch:
    """Enumerate embeddings of a circuit, depth first, at most `MAX_LEAVES` at a time.

    Every branch has its share of the leaves, the cheaper ones first: embeddings in all regions and of many shapes are
    found, not thousands in one corner.
    """

    def __init__(self, costs: LayoutCosts) -> None:
        self._tree = _SearchTree(costs)

    def find(self, free: Collection[int]) -> dict[frozenset[int], Embedding]:
        """Find embeddings on these sites: for each set of sites the cheapest one."""
        embeddings: dict[frozenset[int], Embedding] = {}

        def keep(embedding: Embedding) -> None:
            before = embeddings.get(embedding.qubits)
            if before is None or embedding.cost < before.cost:
                embeddings[embedding.qubits] = embedding

        self._descend({}, 0.0, set(free), MAX_LEAVES, keep)
        return embeddings

    def find_all_on(self, region: Collection[int]) -> list[Embedding]:
        """Find all embeddings that take just these sites, the cheapest first."""
        found: list[Embedding] = []
        self._descend({}, 0.0, set(region), MAX_LEAVES, found.append)
        return sorted(found, key=lambda embedding: embedding.cost)

    def _descend(
        self,
        layout: dict[int, int],
        cost: float,
        free: set[int],
        share: int,
        keep: Callable[[Embedding], None],
    ) -> int:
        """Return the number of leaves visited, at most `share`."""
        if len(layout) == len(self._tree.order):
            keep(Embedding(dict(layout), cost))
            return 1
        wire, options, visited = self._tree.order[len(layout)], self._tree.options(layout, free), 0
        for k, (added, site) in enumerate(options):
            if visited >= share:
                break
            layout[wire] = site
            free.remove(site)
            part = -(-(share - visited) // (len(options) - k))
            visited += self._descend(layout, cost + added, free, part, keep)
            free.add(layout.pop(wire))
        return max(visited, 1)


def _search_order(wires: Sequence[int], edges: Iterable[Pair]) -> list[int]:
    """Order the wires: each after as many of its neighbours as can be, those with many neighbours early."""
    neighbours: dict[int, set[int]] = {wire: set() for wire in wires}
    for first, second in edges:
        neighbours[first].add(second)
        neighbours[second].add(first)
    order: list[int] = []
    left = set(wires)
    while left:
        following = max(left, key=lambda w: (len(neighbours[w].intersection(order)), len(neighbours[w]), -w))
        order.append(following)
        left.remove(following)
    return order


def _couplers(target: Target) -> list[Pair]:
    pairs = {
        qubits for name in target.operation_names for qubits in (target[name] or {}) if qubits and len(qubits) == 2
    }
    return sorted(pairs | {pair[::-1] for pair in pairs})


def _gate_costs(target: Target, name: str) -> dict[tuple[int, ...] | None, float]:
    """Minus the logarithm of what a gate leaves of an entangled state of d dimensions, 1 - error (d + 1) / d."""
    return {
        qubits: _cost(reported_error(properties), 1 + 1 / (1 << len(qubits or ())))
        for qubits, properties in (target.get(name) or {}).items()
    }


def _cost(error: float | None, factor: float = 1.0) -> float:
    """Minus the logarithm of 1 - factor * error, of an error of 1 infinity; an unknown error costs nothing."""
    if error is None:
        return 0.0
    return math.inf if error >= 1 else -math.log1p(-min(factor * error, _MOST_LOST))
