"""Copies of a small circuit all over a device, so that one execution of the device is many of the circuit."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.errors import BackendError
from qgen.transpilation.embedding import Embeddings, Spot
from qgen.transpilation.figures import measure, read_steps
from qgen.transpilation.packing import Apart, pack
from qgen.transpilation.placing import Costs
from qgen.transpilation.result import Success
from qgen.transpilation.turning import relocated, turned

#: The least success of a tile, as a part of the best one's. What a tile loses pulls its values towards those of noise,
#: so that values of one call differ by the tile that they come from; a fifth is what one calibration differs from the
#: next on the same qubits.
LEAST = 0.8
#: How often tiles are chosen, measured, and chosen anew with what that has shown.
ROUNDS = 3


@dataclass(frozen=True)
class Tile:
    """A copy of a circuit on a device.

    Attributes:
        places: physical qubit of the circuit -> that of the copy, for every qubit that a gate or the readout touches.
        success: of the copy, its turned gates among them, as `measure` has it.
    """

    places: Mapping[int, int]
    success: Success

    @property
    def qubits(self) -> tuple[int, ...]:
        """The physical qubits of the copy, ascending."""
        return tuple(sorted(self.places.values()))

    @property
    def moved(self) -> bool:
        """Whether it lies somewhere else than the circuit."""
        return any(there != qubit for qubit, there in self.places.items())


@dataclass(frozen=True)
class Tiling:
    """Copies of a circuit that run at the same time.

    Attributes:
        tiles: at least one, those that are the likeliest to succeed first.
        margin: between qubits of two tiles are at least margin + 1 couplers.
        blocked: qubits that lie idle because a tile is near, ascending.
        idle: qubits that lie idle though no tile is near, ascending.
    """

    tiles: tuple[Tile, ...]
    margin: int
    blocked: tuple[int, ...]
    idle: tuple[int, ...]

    @property
    def expected(self) -> float:
        """Copies that succeed in one execution of the device, on average: what the tiles were chosen by."""
        return math.fsum(self.successes)

    @property
    def successes(self) -> tuple[float, ...]:
        """Total success of each tile, the best first."""
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
        """The success of a copy, on average over the tiles."""
        return self.expected / len(self.tiles)


def find_tiles(
    isa: QuantumCircuit,
    target: Target,
    measured: Sequence[int],
    *,
    margin: int = 1,
    most: int | None = None,
    least: float = LEAST,
) -> Tiling:
    """Where copies of a circuit go on its device.

    The tiles are those whose successes add up to the most that was found: to the largest number of error-free
    executions of the circuit in one execution of the device. Each tile adds to it, so that without `most` there are
    about as many as fit, but for places that are too bad by `least`. With `most=1` it is the best place for the one
    circuit. Equal arguments give equal results.

    Where no other place can be told, as on a device that lists no couplers, the circuit stays alone where it is.

    Args:
        isa: in the device's gates, on its physical qubits.
        target: the device.
        measured: the physical qubits that are read at the end.
        margin: between qubits of two tiles are at least margin + 1 couplers. 1 keeps an idle qubit between tiles,
            against crosstalk; 0 lets them touch.
        most: at most so many tiles; None: as many as are worth it.
        least: in [0, 1]: no tile succeeds with less than this part of the best place's probability.

    Raises:
        BackendError: a number out of range, or a circuit without qubits or of another device.
    """
    _check(margin, most, least)
    if target.num_qubits is None:
        raise BackendError("a device without a number of qubits has no room to tell: run one circuit at a time there")
    search = _Search(isa, target, measured, margin, most, least)
    tiles = search.best()
    blocked = search.blocked(tile.qubits for tile in tiles)
    used = {qubit for tile in tiles for qubit in tile.qubits}
    idle = set(range(isa.num_qubits)) - blocked
    return Tiling(tiles, margin, tuple(sorted(blocked - used)), tuple(sorted(idle)))


def measure_again(tiling: Tiling, isa: QuantumCircuit, target: Target, measured: Sequence[int]) -> Tiling:
    """The same tiles in the same order, with their success on the device as it is now.

    Args:
        tiling: of this circuit, found on the device as it was.
        isa: in the device's gates, on its physical qubits.
        target: the device.
        measured: the physical qubits that are read at the end.

    Raises:
        BackendError: a tile uses a gate that the device does not have any more.
    """
    tiles = tuple(_tile(tile.places, isa, target, measured) for tile in tiling.tiles)
    return replace(tiling, tiles=tiles)


class _Search:
    """Spots of the circuit by the qubits that they take, and tiles where their success was measured."""

    def __init__(
        self, isa: QuantumCircuit, target: Target, measured: Sequence[int], margin: int, most: int | None, least: float
    ) -> None:
        self._isa, self._target, self._measured, self._most, self._least = isa, target, tuple(measured), most, least
        costs = Costs(read_steps(isa, target), target, measured)
        if not costs.wires:
            raise BackendError("the circuit has no gate and no qubit that is measured: there is nothing to copy")
        self._embeddings = Embeddings(costs)
        self._apart = Apart(isa.num_qubits, costs.couplers, margin)
        own = {wire: wire for wire in costs.wires}
        self._spots = self._embeddings.within(range(isa.num_qubits))
        ways = [own, *(spot.places for region, spot in self._spots.items() if region == frozenset(own))]
        self._spots.setdefault(frozenset(own), Spot(own, math.inf))
        tiles = [tile for places in ways if (tile := self._tile(places))]
        self._tiles: dict[frozenset[int], Tile | None] = {frozenset(own): max(tiles, key=_total)}

    def best(self) -> tuple[Tile, ...]:
        """The tiles of the best round, the best first.

        A spot's cost leaves out the gates that turn others around, and that waiting depends on a place's speed; so what
        is chosen is measured, and chosen anew until it holds nothing unmeasured.
        """
        rounds = []
        for _ in range(ROUNDS):
            chosen = self._chosen()
            news = [self._measure(region) for region in chosen] + [self._fill(chosen)]
            rounds.append(chosen)
            if not any(news):
                break
        return max((self._worthy(chosen) for chosen in rounds), key=lambda tiles: math.fsum(map(_total, tiles)))

    def blocked(self, regions: Iterable[Collection[int]]) -> set[int]:
        """The qubits that no further tile may use."""
        return set().union(*map(self._apart.blocked, regions))

    def _chosen(self) -> list[frozenset[int]]:
        floor = self._floor()
        regions = [region for region in self._spots if self._weight(region) >= floor]
        weights = [self._weight(region) for region in regions]
        return [regions[k] for k in pack(self._apart.clashes(regions), weights, self._most)]

    def _top(self) -> frozenset[int]:
        """The best place, measured."""
        while self._measure(top := max(self._spots, key=self._weight)):
            pass
        return top

    def _weight(self, region: frozenset[int]) -> float:
        if region not in self._tiles:
            return math.exp(-self._spots[region].cost)
        tile = self._tiles[region]
        return -1.0 if tile is None else _total(tile)

    def _measure(self, region: frozenset[int]) -> bool:
        """Whether there was something to measure."""
        if region in self._tiles:
            return False
        self._tiles[region] = self._tile(self._spots[region].places)
        return True

    def _tile(self, places: Mapping[int, int]) -> Tile | None:
        """None where a gate cannot be turned around."""
        try:
            return _tile(places, self._isa, self._target, self._measured)
        except BackendError:
            return None

    def _fill(self, chosen: Iterable[frozenset[int]]) -> bool:
        """Whether there is a good spot between the tiles that was not known."""
        free = set(range(self._isa.num_qubits)) - self.blocked(chosen)
        found = self._embeddings.within(free)
        fresh = {region: spot for region, spot in found.items() if region not in self._spots}
        self._spots |= fresh
        return any(self._weight(region) >= self._floor() for region in fresh)

    def _floor(self) -> float:
        """The least success that is good enough; the smallest number above 0 at least."""
        return max(self._least * self._weight(self._top()), sys.float_info.min)

    def _worthy(self, chosen: Iterable[frozenset[int]]) -> tuple[Tile, ...]:
        """The tiles among these that are good enough, the best first; the best place where none is."""
        floor = self._floor()
        good = [region for region in chosen if self._weight(region) >= floor] or [self._top()]
        tiles = [tile for region in good if (tile := self._tiles[region]) is not None]
        return tuple(sorted(tiles, key=lambda tile: (-_total(tile), tile.qubits)))


def _tile(places: Mapping[int, int], isa: QuantumCircuit, target: Target, measured: Sequence[int]) -> Tile:
    """A copy of the circuit there.

    Raises:
        BackendError: a gate cannot be turned around.
    """
    moved = relocated(isa, places, isa.num_qubits)
    if any(there != qubit for qubit, there in places.items()):
        moved = turned(moved, target)
    return Tile(places, measure(moved, target, [places[qubit] for qubit in measured], 0).success)


def _total(tile: Tile) -> float:
    return tile.success.total


def _check(margin: int, most: int | None, least: float) -> None:
    if margin < 0 or not 0 <= least <= 1 or (most is not None and most < 1):
        raise BackendError(
            "tiles take a margin from 0 up, at least 1 tile, and a least success in [0, 1] of the best one's; given: "
            f"margin {margin}, at most {most} tiles, least {least:g}"
        )
