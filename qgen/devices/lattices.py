"""Where the qubits of a device lie: as the snapshot says, as IBM draws such a chip, or as springs would have it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

from qgen.devices.device import Coupler, Device

Place = tuple[float, float]
#: Characters that a qubit takes up in a line of lattices.txt; the last one of its number says in which column it lies.
_CELL = 4
#: Qubits that share a coupler are neighbours on a drawing: side by side, or across a corner.
_NEIGHBOURS = 1.5


def place_qubits(device: Device) -> tuple[Place, ...]:
    """(column, row) of each physical qubit, rows counted downwards; neighbours are about one unit apart.

    Old snapshots give no coordinates; those are drawn as in lattices.txt. A device of a shape that is not in there is
    laid out by springs between coupled qubits, always in the same way.
    """
    if device.places:
        return device.places
    fitting = [lattice for lattice in _lattices() if _fits(lattice, device)]
    if fitting:
        return min(fitting, key=lambda lattice: sum(_lengths(lattice, device.coupler_errors)))
    return _by_springs(device)


@cache
def _lattices() -> tuple[tuple[Place, ...], ...]:
    text = resources.files("qgen.devices").joinpath("lattices.txt").read_text(encoding="ascii")
    return tuple(_read_lattice(block) for block in text.split("\n\n"))


def _read_lattice(block: str) -> tuple[Place, ...]:
    places = {
        int(number.group()): (float(number.end() // _CELL - 1), float(row))
        for row, line in enumerate(block.splitlines())
        for number in re.finditer(r"\d+", line)
    }
    return tuple(places[qubit] for qubit in range(len(places)))


def _fits(places: tuple[Place, ...], device: Device) -> bool:
    return len(places) == device.qubits and all(
        length < _NEIGHBOURS for length in _lengths(places, device.coupler_errors)
    )


def _lengths(places: tuple[Place, ...], couplers: Iterable[Coupler]) -> list[float]:
    return [math.dist(places[first], places[second]) for first, second in couplers]


def _by_springs(device: Device) -> tuple[Place, ...]:
    import rustworkx

    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(device.qubits))
    graph.add_edges_from_no_data(list(device.coupler_errors))
    drawn = rustworkx.spring_layout(graph, seed=0, num_iter=500)
    places = tuple((float(drawn[qubit][0]), float(drawn[qubit][1])) for qubit in range(device.qubits))
    lengths = _lengths(places, device.coupler_errors)
    unit = sorted(lengths)[len(lengths) // 2] if lengths else 1.0
    return tuple((column / unit, row / unit) for column, row in places)
