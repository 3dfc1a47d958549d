"""Lay out and route a circuit by its blocks: local search over first places, and the circuit on the device's qubits."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import rustworkx as rx
from qiskit import QuantumCircuit
from qiskit.circuit.library import CXGate, SwapGate
from qiskit.transpiler import CouplingMap, Layout, PassManager, Target
from qiskit.transpiler.passes import SabreLayout

from qgen.randomness import derive
from qgen.transpilation.absorb_swaps import Step, absorb_steps
from qgen.transpilation.block_routing import BlockRouter, Route, Run
from qgen.transpilation.blocks import BlockCircuit
from qgen.transpilation.resynthesis import resynthesize
from qgen.transpilation.route_prices import route_prices

#: States that the beam search keeps at the end, in turns; while places are changed it is one.
_LAST_WIDTHS = (4, 16, 64)
#: Changes of the first places that are tried for a circuit of `_USUAL_BLOCKS` or fewer; of a larger one, fewer.
#: And near good places.
_CHANGES, _CHANGES_NEAR, _USUAL_BLOCKS = 1_500, 1_000, 42
#: Blocks above which a circuit is left to Qiskit alone.
MAX_BLOCKS = 2_000
#: Parts of a route that are written anew without success before that ends (`resynthesize`); and near good places.
_PATIENCE, _PATIENCE_NEAR = 100, 500
#: Steps of the search for places without a SWAP.
_CALLS = 100_000
#: Rounds forwards and backwards from each first places.
_ROUNDS = 2
_SABRE_TRIALS = 4
#: Of the annealing over first places at its start, in gates; and near good places.
_TEMPERATURE, _TEMPERATURE_NEAR = 2.0, 1.0
#: Of every so many seeds, one begins with Sabre's places.
_SABRE_EVERY = 4
_FAR = 1e6


class RoutedCircuit(NamedTuple):
    """A circuit on a device's qubits, not yet in its gates.

    Attributes:
        circuit: in CX, CY, CZ and one-qubit gates, on all qubits of the device. It does what the original one does
            if all others start in their ground state, as they do on any device, and end there again.
        starts, ends: for each qubit of the original circuit, that of the device.
    """

    circuit: QuantumCircuit
    starts: tuple[int, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True)
class _Device:
    """The couplers of a device: neighbours of each site, distances, and sites at most two couplers away."""

    neighbours: list[list[int]]
    distances: list[list[float]]
    near: list[list[int]]


def route_blocks(
    blocks: BlockCircuit, target: Target, seed: int, start: Sequence[int] | None = None
) -> RoutedCircuit | None:
    """Route a circuit for a device; None if no route was found, or none is needed.

    None is where all qubits are coupled, and where a large circuit fits onto the couplers as it is, as circuits made of
    a device's couplers do: Qiskit finds that layout.

    Args:
        blocks: of the circuit.
        target: the device.
        seed: equal seeds give equal routes.
        start: the sites on which a good route begins; routes near by are compared by what each qubit of the device
            loses. None: look everywhere, as if all qubits were alike.
    """
    pairs = blocks.blocks()
    coupling = target.build_coupling_map()
    if coupling is None or not 0 < len(pairs) <= MAX_BLOCKS:
        return None
    device = _device(coupling)
    if all(distance <= 1 for row in device.distances for distance in row):
        return None
    if len(pairs) > _USUAL_BLOCKS and _fits([block.wires for block in pairs], coupling):
        return None
    wires, prices = len(blocks.ends), route_prices(pairs, target, usual=start is None)
    router = BlockRouter(
        [block.wires for block in pairs],
        blocks.block_order(),
        [block.swap_gates for block in pairs],
        device.neighbours,
        device.distances,
        prices,
    )
    rng = random.Random(derive(seed, "route blocks"))
    changes, temperature, patience = _CHANGES, _TEMPERATURE, _PATIENCE
    if start is not None:
        changes, temperature, patience = _CHANGES_NEAR, _TEMPERATURE_NEAR, _PATIENCE_NEAR
    elif seed % _SABRE_EVERY:
        start = _random_region(device, wires, rng)
    if start is None:
        # Sabre's places lead to good routes, often the same; others to better and worse ones.
        start = _sabre_layout(blocks.circuit, coupling, derive(seed, "sabre layout") % 2**31)
    changes = max(1, changes * _USUAL_BLOCKS // max(len(pairs), _USUAL_BLOCKS))
    route = _LocalSearch(router, device, rng, temperature * prices.gate.min()).run(start, changes)
    if route is None:
        return None
    routed = _routed_circuit(blocks, route, target.num_qubits)
    return routed._replace(circuit=resynthesize(routed.circuit, prices, derive(seed, "resynthesis"), patience))


def _fits(pairs: Sequence[Sequence[int]], coupling: CouplingMap) -> bool:
    """Whether places without a SWAP are found quickly."""
    device, circuit = rx.PyGraph(multigraph=False), rx.PyGraph(multigraph=False)
    device.extend_from_edge_list([tuple(edge) for edge in coupling.get_edges()])
    number = {wire: k for k, wire in enumerate(dict.fromkeys(wire for pair in pairs for wire in pair))}
    circuit.extend_from_edge_list([(number[a], number[b]) for a, b in pairs])
    found = rx.vf2_mapping(device, circuit, subgraph=True, induced=False, id_order=False, call_limit=_CALLS)
    return next(iter(found), None) is not None


class _LocalSearch:
    """Simulated annealing over first places, each judged by the price of a quick route from it."""

    def __init__(self, router: BlockRouter, device: _Device, rng: random.Random, temperature: float) -> None:
        self._forwards, self._backwards = router, router.reversed()
        self._device, self._rng, self._temperature = device, rng, temperature

    def run(self, start: Sequence[int], changes: int) -> Route | None:
        best = current = self._refined(start, 1)
        if best is None or current is None:
            return None
        for step in range(changes):
            other = self._forwards.route(self._changed(current.start), 1, self._rng)
            if other is None:
                continue
            warmth = self._temperature * (1 - step / changes)
            if other.price <= current.price + warmth * self._rng.expovariate(1):
                current = other
            best = min(best, other, key=_price)
        for width in _LAST_WIDTHS:
            last = self._refined(best.start, width)
            best = best if last is None else min(best, last, key=_price)
        return best

    def _refined(self, start: Sequence[int], width: int) -> Route | None:
        """Go forwards and backwards a few times, each time from where the last one ended."""
        best: Route | None = None
        for _ in range(_ROUNDS):
            route = self._forwards.route(start, width, self._rng)
            back = None if route is None else self._backwards.route(route.end, width, self._rng)
            if route is not None:
                best = route if best is None else min(best, route, key=_price)
            if back is None:
                return best
            start = back.end
        return best

    def _changed(self, start: Sequence[int]) -> list[int]:
        """Move one to three wires to sites near by; one that is there changes places."""
        sites = list(start)
        for _ in range(self._rng.choice((1, 1, 2, 3))):
            wire = self._rng.randrange(len(sites))
            old, new = sites[wire], self._rng.choice(self._device.near[sites[wire]] or [sites[wire]])
            if new in sites:
                sites[sites.index(new)] = old
            sites[wire] = new
        return sites


def _price(route: Route) -> float:
    return route.price


def _device(coupling: CouplingMap) -> _Device:
    graph = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(coupling.size()))
    graph.add_edges_from_no_data([tuple(edge) for edge in coupling.get_edges()])
    distances = rx.distance_matrix(graph, null_value=_FAR).tolist()
    neighbours = [sorted(graph.neighbors(site)) for site in range(coupling.size())]
    near = [[other for other, distance in enumerate(row) if 0 < distance <= 2] for row in distances]
    return _Device(neighbours, distances, near)


def _random_region(device: _Device, wires: int, rng: random.Random) -> list[int] | None:
    """Draw sites around one of them, some more than there are wires; None if too few are coupled to it."""
    distances = device.distances[rng.randrange(len(device.distances))]
    around = sorted((distance, rng.random(), site) for site, distance in enumerate(distances) if distance < _FAR)
    sites = [site for *_, site in around[: wires + wires // 2 - 1]]
    return rng.sample(sites, wires) if len(sites) >= wires else None


def _sabre_layout(circuit: QuantumCircuit, coupling: CouplingMap, seed: int) -> list[int]:
    """Return the site of each qubit that Sabre begins with."""
    layout = SabreLayout(coupling, seed=seed, swap_trials=_SABRE_TRIALS, layout_trials=_SABRE_TRIALS, skip_routing=True)
    manager = PassManager([layout])
    manager.run(circuit)
    found: Layout = manager.property_set["layout"]
    return [found[qubit] for qubit in circuit.qubits]


def _routed_circuit(blocks: BlockCircuit, route: Route, size: int) -> RoutedCircuit:
    circuit = QuantumCircuit(size, global_phase=blocks.circuit.global_phase, name=blocks.circuit.name)
    for operation, sites in absorb_steps(_steps(blocks, route)):
        if isinstance(operation, SwapGate):  # Qiskit would take it for a change of names
            for pair in (sites, sites[::-1], sites):
                circuit.cx(*pair)
        else:
            circuit.append(operation, sites)
    return RoutedCircuit(circuit, route.start, tuple(route.end[wire] for wire in blocks.ends))


def _steps(blocks: BlockCircuit, route: Route) -> Iterator[Step]:
    """List the gates on the device's qubits; those outside of blocks as early as they can run."""
    site = list(route.start)
    left = dict(enumerate(blocks.before))
    indices, done = blocks.block_indices, set[int]()

    def run(k: int) -> Iterator[Step]:
        done.add(k)
        del left[k]
        for operation, wires in blocks.nodes[k].steps:
            yield Step(operation, tuple(site[wire] for wire in wires))

    def ready() -> Iterator[Step]:
        # In the order of the nodes, so that what depends on another comes after it.
        for k in [k for k in left if len(blocks.nodes[k].wires) == 1]:
            if left[k] <= done:
                yield from run(k)

    yield from ready()
    for move in route.moves:
        if isinstance(move, Run):
            k = indices[move.block]
            yield from run(k)
            if move.swap:
                a, b = blocks.nodes[k].wires
                yield Step(SwapGate(), (site[a], site[b]))
                site[a], site[b] = site[b], site[a]
            yield from ready()
        else:
            filled = [one for one in move.sites if one in site]
            if len(filled) == 1:  # the other is in its ground state, and the first CX of three does nothing
                full, empty = filled[0], move.sites[1 - move.sites.index(filled[0])]
                yield from (Step(CXGate(), (full, empty)), Step(CXGate(), (empty, full)))
            else:
                yield Step(SwapGate(), move.sites)
            exchange = dict(zip(move.sites, move.sites[::-1], strict=True))
            site = [exchange.get(one, one) for one in site]
