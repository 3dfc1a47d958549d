"""A routed circuit as SVG: angles that can be read, lines as wide as a page, wires that end with their last gate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup
from qiskit.circuit.tools import pi_check

from qgen.reports.html.markup import element

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import CircuitInstruction

#: Pixels: a row, a gate in it, a letter of a label, room beside labels, between columns and between lines, and a line.
_ROW, _HEIGHT, _LETTER, _ROOM, _GAP, _SPACE, _LINE = 46, 34, 6.6, 10, 8, 26, 900
_NAMES = 40
#: Longest label of an angle; the tooltip has all of it.
_LONGEST = 18
#: Two-qubit gates that are dots on both wires, and those whose second wire has a cross in a circle.
_DOTS, _CROSSED = ("cz",), ("cx",)
_NUMBERED = re.compile(r"\[(\d+)\]")


class DrawnGate(NamedTuple):
    """A gate in its column.

    Attributes:
        name: of the gate.
        angles: short, as they are written into the drawing.
        full: name and angles in full.
        qubits: physical qubits.
        column: from 0; gates of one column do not cross.
    """

    name: str
    angles: str
    full: str
    qubits: tuple[int, ...]
    column: int


def place_gates(circuit: QuantumCircuit) -> list[DrawnGate]:
    """Return the gates, each in the first column after those before it whose wires it needs or crosses."""
    index = {qubit: k for k, qubit in enumerate(circuit.qubits)}
    used = sorted({index[qubit] for instruction in circuit.data for qubit in instruction.qubits})
    row = {qubit: k for k, qubit in enumerate(used)}
    free = [0] * len(used)
    placed = []
    for instruction in circuit.data:
        qubits = tuple(index[qubit] for qubit in instruction.qubits)
        rows = [row[qubit] for qubit in qubits]
        crossed = slice(min(rows), max(rows) + 1)
        column = max(free[crossed])
        free[crossed] = [column + 1] * (crossed.stop - crossed.start)
        placed.append(DrawnGate(*_words(instruction), qubits, column))
    return placed


def draw_gates(gates: Sequence[DrawnGate], label: str) -> Markup:
    """Draw gates in lines: a wire for each qubit that has a gate in the line, from its first gate to its last.

    Args:
        gates: of `place_gates`; at least one.
        label: what is drawn, for those who do not see it.
    """
    last = {qubit: max(gate.column for gate in gates if qubit in gate.qubits) for qubit in _qubits(gates)}
    first = {qubit: min(gate.column for gate in gates if qubit in gate.qubits) for qubit in _qubits(gates)}
    content: list[Markup] = []
    top = 0.0
    for columns in _lines(gates):
        part = [gate for gate in gates if gate.column in columns]
        live = _qubits(part)  # a qubit that waits all along has no wire in this line
        ends = {qubit: (max(first[qubit], columns.start), min(last[qubit], columns.stop - 1)) for qubit in live}
        content += _draw_line(part, columns, ends, {qubit: last[qubit] >= columns.stop for qubit in live}, top)
        top += _ROW * len(live) + _SPACE
    return element(
        "svg",
        *content,
        viewBox=f"0 0 {_NAMES + _LINE} {top - _SPACE:g}",
        class_="gates-drawn",
        role="img",
        aria_label=label,
    )


def _draw_line(
    gates: Sequence[DrawnGate],
    columns: range,
    ends: Mapping[int, tuple[int, int]],
    goes_on: Mapping[int, bool],
    top: float,
) -> Iterator[Markup]:
    """Draw some columns: wires, then names of qubits, then gates."""
    widths = _widths(gates)
    left: dict[int, float] = {}
    x = float(_NAMES)
    for column in columns:
        left[column] = x
        x += widths[column] + _GAP
    middle = {qubit: top + _ROW * (k + 0.5) for k, qubit in enumerate(sorted(ends))}
    for qubit, (begin, end) in ends.items():
        right = x if goes_on[qubit] else left[end] + widths[end] / 2
        begins = left[begin] if begin == columns.start else left[begin] + widths[begin] / 2
        yield element("line", x1=begins - _GAP, x2=right, y1=middle[qubit], y2=middle[qubit], class_="wire")
        yield element("text", str(qubit), x=begins - _GAP - 4, y=middle[qubit] + 4, text_anchor="end", class_="tick")
    for gate in gates:
        yield _draw_gate(gate, left[gate.column] + widths[gate.column] / 2, middle)


def _draw_gate(gate: DrawnGate, x: float, middle: Mapping[int, float]) -> Markup:
    levels = [middle[qubit] for qubit in gate.qubits]
    parts = [element("title", f"{gate.full} on {' and '.join(map(str, gate.qubits))}")]
    if len(levels) > 1:
        parts.append(element("line", x1=x, x2=x, y1=min(levels), y2=max(levels), class_="link"))
    for k, y in enumerate(levels):
        if gate.name in _DOTS or (gate.name in _CROSSED and k == 0):
            parts.append(element("circle", cx=x, cy=y, r=4, class_="dot"))
        elif gate.name in _CROSSED:
            parts.append(element("circle", cx=x, cy=y, r=9, class_="target"))
            parts.append(element("path", d=f"M{x - 9:g} {y:g}h18M{x:g} {y - 9:g}v18", class_="link"))
        else:
            parts += _draw_box(gate, x, y)
    return element("g", *parts)


def _draw_box(gate: DrawnGate, x: float, y: float) -> Iterator[Markup]:
    width = _width(gate)
    height = _HEIGHT if gate.angles else _HEIGHT - 12
    kind = "two" if len(gate.qubits) > 1 else "one"
    yield element("rect", x=x - width / 2, y=y - height / 2, width=width, height=height, rx=3, class_=kind)
    lines = [gate.name.upper(), *([gate.angles] if gate.angles else [])]
    for k, text in enumerate(lines):
        level = y + 4 + (k - (len(lines) - 1) / 2) * 13
        yield element("text", text, x=x, y=level, text_anchor="middle", class_="angle" if k else "name")


def _lines(gates: Sequence[DrawnGate]) -> Iterator[range]:
    """Cut the columns into lines, none wider than a page."""
    widths = _widths(gates)
    start, filled = 0, 0.0
    for column in range(len(widths)):
        if filled + widths[column] > _LINE and column > start:
            yield range(start, column)
            start, filled = column, 0.0
        filled += widths[column] + _GAP
    yield range(start, len(widths))


def _widths(gates: Sequence[DrawnGate]) -> dict[int, float]:
    widths: dict[int, float] = {}
    for gate in gates:
        widths[gate.column] = max(widths.get(gate.column, 0.0), _width(gate))
    return widths


def _width(gate: DrawnGate) -> float:
    if gate.name in (*_DOTS, *_CROSSED):
        return 22.0
    return max(26.0, _LETTER * max(len(gate.name), len(gate.angles)) + _ROOM)


def _qubits(gates: Sequence[DrawnGate]) -> list[int]:
    return sorted({qubit for gate in gates for qubit in gate.qubits})


def _words(instruction: CircuitInstruction) -> tuple[str, str, str]:
    """Return the name of a gate, its angles as they are written into a box, and all of it."""
    operation = instruction.operation
    exact = [str(pi_check(value, output="text", ndigits=3)) for value in operation.params]
    angles = ", ".join(map(_short, exact))
    shown = angles if len(angles) <= _LONGEST else f"{angles[: _LONGEST - 1]}…"
    full = f"{operation.name}({', '.join(exact)})" if exact else operation.name
    return operation.name, shown, full


def _short(angle: str) -> str:
    """Write an angle as on paper: `2*pi*w[3] + pi/2` is `2πw3 + π/2`."""
    return _NUMBERED.sub(r"\1", angle.replace("pi", "π").replace("(-π)", "-π").replace("*", ""))
