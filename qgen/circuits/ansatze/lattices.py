"""Couplings of devices, as layers of edges: a circuit that uses these needs no SWAP."""

from collections.abc import Iterator, Sequence
from functools import cache

import rustworkx
from qiskit.transpiler import CouplingMap

from qgen.errors import CircuitError

Edge = tuple[int, int]

#: A cell of the heavy-hex lattice is a hexagon with a qubit on each of its 6 corners and 6 sides.
_CELL = 12
#: Code distances of the lattices that patches are cut from: 115, 193 and 291 qubits.
_DISTANCES = (7, 9, 11)


def line(qubits: int) -> list[list[Edge]]:
    """Return the edges of a line of qubits, in two layers of disjoint edges: even, then odd."""
    edges = [(qubit, qubit + 1) for qubit in range(qubits - 1)]
    return [layer for layer in (edges[0::2], edges[1::2]) if layer]


def heavy_hex(qubits: int) -> list[list[Edge]]:
    """Return the edges of a patch of the heavy-hex lattice, in at most three layers of disjoint edges.

    Qubits 0 to 11 go around one hexagon; further ones close the neighbouring cells, one cell after another. The patch
    has all edges that the lattice has between its qubits.

    Raises:
        CircuitError: more qubits than the largest lattice has in whole cells.
    """
    distance, sites = heavy_hex_sites(qubits)
    place = {site: qubit for qubit, site in enumerate(sites)}
    neighbours = _neighbours(distance)
    edges = sorted((place[a], place[b]) for a in sites for b in neighbours[a] if place[a] < place.get(b, -1))
    return edge_layers(edges, qubits)


def edge_layers(edges: Sequence[Edge], qubits: int) -> list[list[Edge]]:
    """Return the same edges in layers of disjoint ones: as few as a qubit has edges at most, where the lattice allows.

    Args:
        edges: pairs of qubits.
        qubits: how many there are.
    """
    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(qubits))
    graph.add_edges_from([(a, b, None) for a, b in edges])
    try:
        colours = rustworkx.graph_bipartite_edge_color(graph)
    except rustworkx.GraphNotBipartite:
        colours = rustworkx.graph_misra_gries_edge_color(graph)
    layers: dict[int, list[Edge]] = {}
    for index, edge in enumerate(edges):
        layers.setdefault(colours[index], []).append(edge)
    return sorted(layers.values())


def heavy_hex_sites(qubits: int) -> tuple[int, tuple[int, ...]]:
    """Return the code distance of `CouplingMap.from_heavy_hex` for the patch, and the site of each qubit in it.

    Raises:
        CircuitError: as `heavy_hex`.
    """
    for distance in _DISTANCES:
        sites = _patch(distance)
        if len(sites) >= qubits:
            return distance, sites[:qubits]
    raise CircuitError(f"coupling='heavy-hex' has at most {len(sites)} qubits, not {qubits}; use coupling='line'.")


@cache
def _neighbours(distance: int) -> dict[int, frozenset[int]]:
    edges = CouplingMap.from_heavy_hex(distance, bidirectional=True).get_edges()
    return {site: frozenset(b for a, b in edges if a == site) for site in sorted({a for a, _ in edges})}


@cache
def _patch(distance: int) -> tuple[int, ...]:
    """Order the sites of all cells: around an inner cell, then the missing sites of the cell that lacks fewest, etc."""
    cells = sorted({frozenset(ring): ring for ring in _rings(_neighbours(distance))}.values())
    # The cell that touches most others is an inner one: a patch that starts there stays compact.
    sites = list(max(cells, key=lambda ring: sum(not set(ring).isdisjoint(other) for other in cells)))
    while gaps := [gap for ring in cells if 0 < len(gap := _gap(ring, set(sites))) < _CELL]:
        fewest = min(gaps, key=len)
        sites += fewest
    return tuple(sites)


def _rings(neighbours: dict[int, frozenset[int]]) -> Iterator[tuple[int, ...]]:
    """Find each ring of 12 sites, in order from its lowest site; once in each direction."""
    paths: list[tuple[int, ...]] = [(site,) for site in neighbours]
    for _ in range(_CELL - 1):
        paths = [
            (*path, site)
            for path in paths
            for site in sorted(neighbours[path[-1]])
            if site > path[0] and site not in path
        ]
    return (path for path in paths if path[0] in neighbours[path[-1]])


def _gap(ring: tuple[int, ...], taken: set[int]) -> tuple[int, ...]:
    """Return the free sites of a ring, in an order in which each neighbours the one before it or a taken one."""
    starts = (k for k in range(_CELL) if ring[k - 1] in taken and ring[k] not in taken)
    start = next(starts, 0)
    return tuple(site for site in ring[start:] + ring[:start] if site not in taken)
