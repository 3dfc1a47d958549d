"""Better qubits for a circuit that is routed already: the same gates in another place of the device.

The idea is that of mapomatic (Nation and Treinish, 2022, arXiv:2209.15512). Other than `VF2PostLayout`, which knows of
gates alone, the search counts what the report counts: gates, readout, and what a qubit loses while it waits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.transpilation.figures import BESIDES, Step, error_of, lifetime, read_steps, readout_error, schedule

Pair = tuple[int, int]

#: Places of a qubit that are tried at most.
MOST_TRIED = 20_000
_BETTER = 1e-9


def better_places(isa: QuantumCircuit, target: Target, measured: Sequence[int]) -> dict[int, int] | None:
    """Where each physical qubit of a circuit goes so that more executions succeed; None where no such place was found.

    Couplers count in both directions: a gate that a device has in one direction alone may have to be turned around.

    Args:
        isa: in the device's gates.
        target: the device.
        measured: the physical qubits that are read at the end.
    """
    costs = Costs(read_steps(isa, target), target, measured)
    if not costs.wires:
        return None
    return _Search(costs).run()


class Costs:
    """Minus the logarithm of success, by wire and by pair of wires, for all places.

    A wire is a physical qubit on which the circuit lies now; a place is one on which it may lie.
    """

    def __init__(self, steps: Sequence[Step], target: Target, measured: Sequence[int]) -> None:
        gates = [step for step in steps if step.name not in BESIDES]
        counts = Counter((step.qubits, step.name) for step in gates)
        waits = schedule(steps, measured)
        self._target, self._measured, self._idle = target, frozenset(measured), waits.idle if waits else {}
        self._lost = {name: _losses(target, name) for _, name in counts}
        self._read = [_loss(readout_error(target, place)) for place in range(target.num_qubits)]
        self._lives = [lifetime(target, place) for place in range(target.num_qubits)]
        self.couplers = _couplers(target)
        self.wires = sorted({qubit for step in gates for qubit in step.qubits} | self._measured)
        ones: dict[int, dict[str, int]] = {wire: {} for wire in self.wires}
        twos: dict[Pair, dict[tuple[str, bool], int]] = {}
        for (qubits, name), count in counts.items():
            if len(qubits) == 1:
                ones[qubits[0]][name] = count
            else:
                twos.setdefault((min(qubits), max(qubits)), {})[name, qubits[0] > qubits[1]] = count
        self.node = {wire: self._nodes(wire, form) for wire, form in ones.items()}
        self.edge = {pair: self._edges(form) for pair, form in twos.items()}

    def _nodes(self, wire: int, form: Mapping[str, int]) -> dict[int, float]:
        """What the gates on one qubit, its measurement and its waiting cost, for every place that can take it."""
        read, idle = wire in self._measured, self._idle.get(wire, 0.0)
        costs = {
            place: sum(count * self._gate(name, (place,)) for name, count in form.items())
            + (self._read[place] if read else 0.0)
            + idle / life
            for place, life in enumerate(self._lives)
        }
        return {place: cost for place, cost in costs.items() if cost < math.inf}

    def _edges(self, form: Mapping[tuple[str, bool], int]) -> dict[Pair, float]:
        """For each coupler, as (place of the smaller wire, place of the larger one)."""
        costs = {
            (first, second): sum(
                count * self._either(name, (second, first) if turned else (first, second))
                for (name, turned), count in form.items()
            )
            for first, second in self.couplers
        }
        return {pair: cost for pair, cost in costs.items() if cost < math.inf}

    def _either(self, name: str, pair: Pair) -> float:
        there = self._gate(name, pair)
        return self._gate(name, pair[::-1]) if there == math.inf else there

    def _gate(self, name: str, qubits: tuple[int, ...]) -> float:
        losses = self._lost[name]
        return losses.get(qubits, losses.get(None, math.inf))


class _Search:
    """Depth first, cheapest places first, cut off where no completion can beat the best; each start has its share."""

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._order = ordered(costs.wires, costs.edge)
        self._joins, self._beside = joins(self._order, costs.edge), neighbours(costs.couplers)
        self._floor = self._floors()
        self._best = self._now() - _BETTER
        self._found: dict[int, int] | None = None
        self._places: dict[int, int] = {}
        self._left = 0

    def run(self) -> dict[int, int] | None:
        starts = self._options(0)
        for added, place in starts:
            self._left = MOST_TRIED // len(starts)
            self._try(0, 0.0, added, place)
        return self._found

    def _descend(self, depth: int, cost: float) -> None:
        if depth == len(self._order):
            self._best, self._found = cost - _BETTER, dict(self._places)
            return
        for added, place in self._options(depth):
            if self._left <= 0 or not self._try(depth, cost, added, place):
                return

    def _try(self, depth: int, cost: float, added: float, place: int) -> bool:
        """Puts the next wire there and goes on; False where that is too dear already."""
        if cost + added + self._floor[depth + 1] >= self._best:
            return False
        self._left -= 1
        self._places[self._order[depth]] = place
        self._descend(depth + 1, cost + added)
        del self._places[self._order[depth]]
        return True

    def _options(self, depth: int) -> list[tuple[float, int]]:
        """Free places for the next wire and what they add, the cheapest first."""
        node, taken = self._costs.node[self._order[depth]], set(self._places.values())
        joins = [(self._places[other], pair, other == pair[0]) for other, pair in self._joins[depth]]
        around = (self._beside.get(place, set()) for place, _, _ in joins)
        free = set(node).intersection(*around) - taken
        options = []
        for place in free:
            edges = (self._edge(pair, (there, place) if first else (place, there)) for there, pair, first in joins)
            options.append((node[place] + sum(edges), place))
        return sorted(option for option in options if option[0] < math.inf)

    def _edge(self, pair: Pair, places: Pair) -> float:
        return self._costs.edge[pair].get(places, math.inf)

    def _floors(self) -> list[float]:
        """For each depth, what the wires from there on cost at least."""
        least = [
            min(self._costs.node[wire].values(), default=math.inf)
            + sum(min(self._costs.edge[pair].values(), default=math.inf) for _, pair in joins)
            for wire, joins in zip(self._order, self._joins, strict=True)
        ]
        return [sum(least[depth:]) for depth in range(len(least) + 1)]

    def _now(self) -> float:
        nodes = (self._costs.node[wire].get(wire, math.inf) for wire in self._order)
        return sum(nodes) + sum(self._edge(pair, pair) for pair in self._costs.edge)


def joins(order: Sequence[int], edges: Collection[Pair]) -> list[list[tuple[int, Pair]]]:
    """For each wire those before it in the order that it has gates with, each with the pair that they are."""
    return [
        [(other, pair) for other in order[:k] if (pair := (min(wire, other), max(wire, other))) in edges]
        for k, wire in enumerate(order)
    ]


def neighbours(couplers: Iterable[Pair]) -> dict[int, set[int]]:
    """The places beside each place."""
    beside: dict[int, set[int]] = {}
    for first, second in couplers:
        beside.setdefault(first, set()).add(second)
    return beside


def ordered(wires: Sequence[int], edges: Iterable[Pair]) -> list[int]:
    """Each wire after as many of its neighbours as can be, those with many neighbours early."""
    beside: dict[int, set[int]] = {wire: set() for wire in wires}
    for first, second in edges:
        beside[first].add(second)
        beside[second].add(first)
    order: list[int] = []
    left = set(wires)
    while left:
        following = max(left, key=lambda wire: (len(beside[wire].intersection(order)), len(beside[wire]), -wire))
        order.append(following)
        left.remove(following)
    return order


def _couplers(target: Target) -> list[Pair]:
    """All pairs of qubits that share a gate, both ways round."""
    pairs = {place for name in target.operation_names for place in (target[name] or {}) if place and len(place) == 2}
    return sorted(pairs | {pair[::-1] for pair in pairs})


def _losses(target: Target, name: str) -> dict[tuple[int, ...] | None, float]:
    return {place: _loss(error_of(about)) for place, about in (target.get(name) or {}).items()}


def _loss(error: float | None) -> float:
    """Minus the logarithm of 1 - error; what is not known costs nothing."""
    return 0.0 if error is None else math.inf if error >= 1 else -math.log1p(-error)
