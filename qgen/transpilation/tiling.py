"""Tile a device with copies of a small circuit, so that one execution of the device is many of the circuit."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.errors import BackendError
from qgen.transpilation.circuit_metrics import Success, compute_metrics
from qgen.transpilation.independent_set import DistanceGraph, heavy_independent_set
from qgen.transpilation.relayout import fix_directions, relabel_qubits
from qgen.transpilation.subgraph_isomorphism import Embedding, EmbeddingSearch, LayoutCosts

#: The lowest success of a tile, relative to the best one's. What a tile loses pulls its values towards those of noise,
#: so that values of one call differ by the tile that they come from; calibrations of the same qubits differ by a fifth
#: from one to the next.
MIN_RELATIVE_SUCCESS = 0.8
#: Regions of which tiles are chosen together; of more, as a circuit in several parts has, one after the other. And
#: regions whose success is computed in search of the best one.
MOST_REGIONS, MOST_COMPUTED = 2_000, 300
#: Rounds of choosing tiles, measuring them, and choosing again with what was measured.
ROUNDS = 10
#: Success may be so many times its estimate, which takes the state for entangled: what might be better is computed.
UNDERESTIMATE = 1.05
#: Arrangements of a circuit on the same qubits whose success is computed, and how far above the cheapest they may cost.
ARRANGEMENTS, CLOSE = 4, 0.1


@dataclass(frozen=True)
class Tile:
    """A copy of a circuit on a device.

    Attributes:
        mapping: physical qubit of the circuit -> that of the copy, for every qubit that a gate or the readout touches.
        success: of the copy, reversed gates included; see `compute_metrics`.
    """

    mapping: Mapping[int, int]
    success: Success

    @property
    def qubits(self) -> tuple[int, ...]:
        """The physical qubits of the copy, ascending."""
        return tuple(sorted(self.mapping.values()))

    @property
    def moved(self) -> bool:
        """Whether it lies elsewhere than the circuit."""
        return any(site != qubit for qubit, site in self.mapping.items())


@dataclass(frozen=True)
class Tiling:
    """Copies of a circuit that run at the same time.

    Attributes:
        tiles: at least one, by falling success.
        margin: qubits of two tiles are margin + 1 or more couplers apart.
        blocked: qubits that are unused because a tile is near, ascending.
        idle: qubits that are unused though no tile is near, ascending.
    """

    tiles: tuple[Tile, ...]
    margin: int
    blocked: tuple[int, ...]
    idle: tuple[int, ...]

    @property
    def expected(self) -> float:
        """The expected number of copies that succeed in one execution of the device; what the tiling maximises."""
        return math.fsum(self.successes)

    @property
    def successes(self) -> tuple[float, ...]:
        """The total success of each tile, falling."""
        return tuple(tile.success.total for tile in self.tiles)

    @property
    def best(self) -> float:
        """The success of the best tile."""
        return self.successes[0]

    @property
    def worst(self) -> float:
        """The success of the worst tile."""
        return self.successes[-1]

    @property
    def mean(self) -> float:
        """The mean success of the tiles."""
        return self.expected / len(self.tiles)


def find_tiles(
    isa: QuantumCircuit,
    target: Target,
    measured: Sequence[int],
    *,
    margin: int = 1,
    max_tiles: int | None = None,
    min_relative_success: float = MIN_RELATIVE_SUCCESS,
) -> Tiling:
    """Find qubits for copies of a circuit on its device.

    The search maximises the sum of successes: the expected number of error-free executions of
    the circuit in one execution of the device. Each tile adds to it, so that without `max_tiles` about as many are
    chosen as fit, except for those below `min_relative_success`. With `max_tiles=1` it is the best position of the one
    circuit. Equal arguments give equal results. Of more places than `MOST_REGIONS`, as a circuit in several parts has,
    tiles are taken one after the other, and the sum is not the largest.

    On a device that lists no couplers, where no other position is known, the circuit stays alone where it is.

    Args:
        isa: in the device's gates, on its physical qubits.
        target: the device.
        measured: the physical qubits that are read at the end.
        margin: qubits of two tiles are margin + 1 or more couplers apart. 1 keeps an idle qubit between tiles, against
            crosstalk; 0 lets them touch.
        max_tiles: the largest number of tiles; None: as many as are worth it.
        min_relative_success: in [0, 1], the lowest success of a tile relative to the best position's.

    Raises:
        BackendError: a number out of range, or a circuit without qubits or of another device.
    """
    _check(margin, max_tiles, min_relative_success)
    if target.num_qubits is None:
        raise BackendError("a device without a number of qubits has no room to tell: run one circuit at a time there")
    search = _TileSearch(isa, target, measured, margin, max_tiles, min_relative_success)
    tiles = search.run()
    blocked = search.blocked(tile.qubits for tile in tiles)
    used = {qubit for tile in tiles for qubit in tile.qubits}
    idle = set(range(isa.num_qubits)) - blocked
    return Tiling(tiles, margin, tuple(sorted(blocked - used)), tuple(sorted(idle)))


def refresh_tiling(tiling: Tiling, isa: QuantumCircuit, target: Target, measured: Sequence[int]) -> Tiling:
    """Recompute the success of the same tiles, in the same order, for the device as it is now.

    Args:
        tiling: of this circuit, found with an earlier calibration of the device.
        isa: in the device's gates, on its physical qubits.
        target: the device.
        measured: the physical qubits that are read at the end.

    Raises:
        BackendError: a tile uses a gate that the device no longer has.
    """
    tiles = tuple(_make_tile(tile.mapping, isa, target, measured) for tile in tiling.tiles)
    return replace(tiling, tiles=tiles)


class _TileSearch:
    """Embeddings of the circuit by the qubits that they take, and tiles of those whose success was computed."""

    def __init__(
        self,
        isa: QuantumCircuit,
        target: Target,
        measured: Sequence[int],
        margin: int,
        max_tiles: int | None,
        min_relative_success: float,
    ) -> None:
        self._isa, self._target, self._measured = isa, target, tuple(measured)
        self._max_tiles, self._min_relative_success = max_tiles, min_relative_success
        costs = LayoutCosts(isa, target, measured)
        if not costs.wires:
            raise BackendError("the circuit has no gate and no qubit that is measured: there is nothing to copy")
        self._search = EmbeddingSearch(costs)
        self._distances = DistanceGraph(isa.num_qubits, costs.couplers, margin)
        identity = {wire: wire for wire in costs.wires}
        home = frozenset(identity)
        self._embeddings = self._search.find(range(isa.num_qubits))
        mappings = [identity, *(e.mapping for region, e in self._embeddings.items() if region == home)]
        self._embeddings.setdefault(home, Embedding(identity, math.inf))
        tiles = [tile for mapping in mappings if (tile := self._make_tile(mapping))]
        self._tiles: dict[frozenset[int], Tile | None] = {}
        self._underestimate, self._tries_left = UNDERESTIMATE, MOST_COMPUTED
        self._note(home, max(tiles, key=_total))

    def run(self) -> tuple[Tile, ...]:
        """Return the tiles of the best round, the best first.

        The cost of an embedding leaves out reversed gates, and that idle times depend on a site's speed; so the success
        of what is chosen is computed, and the choice repeated until it holds no estimates.
        """
        rounds = []
        for _ in range(ROUNDS):
            chosen = self._choose()
            changes = [self._evaluate(region) for region in chosen] + [self._fill(chosen)]
            rounds.append(chosen)
            if not any(changes):
                break
        return max((self._good_tiles(chosen) for chosen in rounds), key=lambda tiles: math.fsum(map(_total, tiles)))

    def blocked(self, regions: Iterable[Collection[int]]) -> set[int]:
        """Return the qubits that no further tile may use."""
        return set().union(*map(self._distances.blocked, regions))

    def _choose(self) -> list[frozenset[int]]:
        floor = self._floor()
        regions = [region for region in self._embeddings if self._weight(region) >= floor]
        if len(regions) > MOST_REGIONS:
            return self._heaviest(regions)
        weights = [self._weight(region) for region in regions]
        chosen = heavy_independent_set(self._distances.conflicts(regions), weights, self._max_tiles)
        return [regions[k] for k in chosen]

    def _heaviest(self, regions: Iterable[frozenset[int]]) -> list[frozenset[int]]:
        """Choose regions one after the other: of those apart from the ones before, that of the most success.

        If as many are wanted as fit, it is the success per qubit, its own and those that no other tile may use then.
        """
        chosen, blocked, around = list[frozenset[int]](), set[int](), {one: self.blocked([one]) for one in regions}

        def worth(region: frozenset[int]) -> float:
            return self._weight(region) / (len(around[region]) if self._max_tiles is None else 1)

        for region in sorted(regions, key=worth, reverse=True):
            if blocked.isdisjoint(region):
                chosen.append(region)
                blocked |= around[region]
        return chosen[: self._max_tiles]

    def _best_region(self) -> frozenset[int]:
        """Return the region of the largest success, which is computed, not estimated, as long as tries are left."""
        while self._tries_left and self._evaluate(max(self._embeddings, key=self._weight)):
            self._tries_left -= 1
        return max(self._tiles, key=self._weight)

    def _weight(self, region: frozenset[int]) -> float:
        """Return the success of a region, estimated if it was not computed."""
        if region not in self._tiles:
            return self._underestimate * math.exp(-self._embeddings[region].cost)
        tile = self._tiles[region]
        return -1.0 if tile is None else _total(tile)

    def _evaluate(self, region: frozenset[int]) -> bool:
        """Compute the success of a region; False if it was computed before."""
        if region in self._tiles:
            return False
        cheapest = self._embeddings[region].cost
        close = [one for one in self._search.find_all_on(region)[:ARRANGEMENTS] if one.cost <= cheapest + CLOSE]
        tiles = [tile for one in close if (tile := self._make_tile(one.mapping))]
        self._note(region, max(tiles, key=_total, default=None))
        return True

    def _note(self, region: frozenset[int], tile: Tile | None) -> None:
        self._tiles[region], cost = tile, self._embeddings[region].cost
        if tile is not None and cost < math.inf:
            self._underestimate = max(self._underestimate, _total(tile) * math.exp(cost))

    def _make_tile(self, mapping: Mapping[int, int]) -> Tile | None:
        """None if a gate cannot be reversed."""
        try:
            return _make_tile(mapping, self._isa, self._target, self._measured)
        except BackendError:
            return None

    def _fill(self, chosen: Iterable[frozenset[int]]) -> bool:
        """Search for embeddings between the tiles; whether there is a good one that was not known."""
        free = set(range(self._isa.num_qubits)) - self.blocked(chosen)
        embeddings = self._search.find(free)
        new = {region: embedding for region, embedding in embeddings.items() if region not in self._embeddings}
        self._embeddings |= new
        return any(self._weight(region) >= self._floor() for region in new)

    def _floor(self) -> float:
        """Return the lowest success that is good enough; above 0."""
        return max(self._min_relative_success * self._weight(self._best_region()), sys.float_info.min)

    def _good_tiles(self, chosen: Iterable[frozenset[int]]) -> tuple[Tile, ...]:
        """Return the tiles that are good enough, the best first; the best region alone if none is."""
        floor = self._floor()
        good = [region for region in chosen if self._weight(region) >= floor] or [self._best_region()]
        tiles = [tile for region in good if (tile := self._tiles[region]) is not None]
        return tuple(sorted(tiles, key=lambda tile: (-_total(tile), tile.qubits)))


def _make_tile(mapping: Mapping[int, int], isa: QuantumCircuit, target: Target, measured: Sequence[int]) -> Tile:
    """Copy the circuit to other qubits and compute its success.

    Raises:
        BackendError: a gate cannot be reversed.
    """
    copy = relabel_qubits(isa, mapping, isa.num_qubits)
    if any(site != qubit for qubit, site in mapping.items()):
        copy = fix_directions(copy, target)
    return Tile(mapping, compute_metrics(copy, target, [mapping[qubit] for qubit in measured]).success)


def _total(tile: Tile) -> float:
    return tile.success.total


def _check(margin: int, max_tiles: int | None, min_relative_success: float) -> None:
    bad_maximum = max_tiles is not None and max_tiles < 1
    if margin < 0 or not 0 <= min_relative_success <= 1 or bad_maximum:
        raise BackendError(
            "tiles take a margin from 0 up, at least 1 tile, and a least success in [0, 1] of the best one's; given: "
            f"margin {margin}, at most {max_tiles} tiles, least {min_relative_success:g}"
        )
