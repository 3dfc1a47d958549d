"""Coordinates of the qubits of a device: from the snapshot, from IBM's drawings, or from a spring layout."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

from qgen.devices.device import Coupler, Device

Point = tuple[float, float]
#: Characters per column in lattices.txt; the last digit of a qubit's number determines its column.
_CELL = 4
#: Qubits that share a coupler are neighbours on a drawing, side by side or diagonal.
_MAX_LENGTH = 1.5


def qubit_coordinates(device: Device) -> tuple[Point, ...]:
    """Return (column, row) of each physical qubit, rows downwards; neighbours are about one unit apart.

    Old snapshots have no coordinates; theirs are those of lattices.txt. A device of another shape gets a spring layout
    of its couplers, which is deterministic.
    """
    if device.coordinates:
        return device.coordinates
    fitting = [lattice for lattice in _lattices() if _fits(lattice, device)]
    if fitting:
        return min(fitting, key=lambda lattice: sum(_lengths(lattice, device.coupler_errors)))
    return _spring_layout(device)


@cache
def _lattices() -> tuple[tuple[Point, ...], ...]:
    text = resources.files("qgen.devices").joinpath("lattices.txt").read_text(encoding="ascii")
    return tuple(_read_lattice(block) for block in text.split("\n\n"))


def _read_lattice(block: str) -> tuple[Point, ...]:
    points = {
        int(number.group()): (float(number.end() // _CELL - 1), float(row))
        for row, line in enumerate(block.splitlines())
        for number in re.finditer(r"\d+", line)
    }
    return tuple(points[qubit] for qubit in range(len(points)))


def _fits(points: tuple[Point, ...], device: Device) -> bool:
    return len(points) == device.qubits and all(
        length < _MAX_LENGTH for length in _lengths(points, device.coupler_errors)
    )


def _lengths(points: tuple[Point, ...], couplers: Iterable[Coupler]) -> list[float]:
    return [math.dist(points[first], points[second]) for first, second in couplers]


def _spring_layout(device: Device) -> tuple[Point, ...]:
    import rustworkx

    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(device.qubits))
    graph.add_edges_from_no_data(list(device.coupler_errors))
    layout = rustworkx.spring_layout(graph, seed=0, num_iter=500)
    points = tuple((float(layout[qubit][0]), float(layout[qubit][1])) for qubit in range(device.qubits))
    lengths = _lengths(points, device.coupler_errors)
    unit = sorted(lengths)[len(lengths) // 2] if lengths else 1.0
    return tuple((column / unit, row / unit) for column, row in points)
