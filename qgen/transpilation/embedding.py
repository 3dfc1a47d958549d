"""All the places of a device, or a fair choice of them, to which a routed circuit can be moved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from qgen.transpilation.placing import Costs, joins, neighbours, ordered

#: So many ends of the search are visited at most, dead ends among them.
MOST_ENDS = 10_000


@dataclass(frozen=True)
class Spot:
    """A place for a whole circuit.

    Attributes:
        places: physical qubit of the circuit -> its place.
        cost: minus the logarithm of success, with the times of waiting that the circuit has where it is now.
    """

    places: Mapping[int, int]
    cost: float

    @property
    def qubits(self) -> frozenset[int]:
        """What it occupies."""
        return frozenset(self.places.values())


class Embeddings:
    """The search for spots: depth first over the wires, each next to those that it shares gates with.

    Where there are too many, every branch has its share of the ends, the cheaper ones first: spots of all regions and
    of many shapes come out, not thousands in one corner.
    """

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._order = ordered(costs.wires, costs.edge)
        self._joins, self._beside = joins(self._order, costs.edge), neighbours(costs.couplers)

    def within(self, free: Collection[int]) -> dict[frozenset[int], Spot]:
        """Spots on these qubits of the device: for each set of qubits the cheapest one that was found."""
        found: dict[frozenset[int], Spot] = {}
        self._descend({}, 0.0, set(free), MOST_ENDS, found)
        return found

    def _descend(
        self, places: dict[int, int], cost: float, free: set[int], share: int, found: dict[frozenset[int], Spot]
    ) -> int:
        """How many ends of the share were visited."""
        if len(places) == len(self._order):
            spot = Spot(dict(places), cost)
            if spot.qubits not in found or cost < found[spot.qubits].cost:
                found[spot.qubits] = spot
            return 1
        wire, options, visited = self._order[len(places)], self._options(places, free), 0
        for k, (added, place) in enumerate(options):
            if visited >= share:
                break
            places[wire] = place
            free.remove(place)
            part = -(-(share - visited) // (len(options) - k))
            visited += self._descend(places, cost + added, free, part, found)
            free.add(places.pop(wire))
        return max(visited, 1)

    def _options(self, places: Mapping[int, int], free: set[int]) -> list[tuple[float, int]]:
        """Places for the next wire and what they add, the cheapest first."""
        depth = len(places)
        node, edge = self._costs.node[self._order[depth]], self._costs.edge
        joins = [(places[other], edge[pair], other == pair[0]) for other, pair in self._joins[depth]]
        around = free.intersection(node, *(self._beside.get(place, ()) for place, _, _ in joins))
        options = []
        for place in around:
            pairs = [(losses, (there, place) if first else (place, there)) for there, losses, first in joins]
            if all(pair in losses for losses, pair in pairs):
                options.append((node[place] + sum(losses[pair] for losses, pair in pairs), place))
        return sorted(options)
