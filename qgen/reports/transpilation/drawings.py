"""Drawings of a transpilation report, as inline SVG: the device's map, the circuit and its schedule."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from qgen.backends.ibm.live_devices import find_device
from qgen.devices import draw_device
from qgen.errors import QgenError
from qgen.figures import plain_svg
from qgen.reports.html.charts import round_step
from qgen.reports.html.images import inline_svg
from qgen.reports.html.markup import element, plural
from qgen.reports.html.templates import fragment, part
from qgen.reports.transpilation.circuit_svg import draw_gates, place_gates
from qgen.transpilation.schedule import MICROSECONDS, alap_ends, device_instructions

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import Target

#: Gates of the largest circuit that is drawn: others take long, and are unreadable.
MAX_GATES = 300

#: Instructions that a drawing leaves out, since they fill that of a scheduled circuit.
_EMPTY = ("delay", "barrier")
#: Pixels of the timeline: a row, a box in it, the axis, and the least width of a typical gate of the widest kind.
_ROW, _BOX, _AXIS, _MIN_GATE = 22, 14, 26, 14


def device_map(name: str, qubits: Collection[int], couplers: Collection[tuple[int, int]] | None) -> Markup:
    """Draw the device's map, with what the circuit uses highlighted; a sentence if that is impossible.

    Args:
        name: of the device.
        qubits: the physical qubits in use.
        couplers: the couplers in use; None: all between these qubits.
    """
    label = f"Map of {name}; in use: qubits {', '.join(map(str, sorted(qubits)))}."
    try:
        with TemporaryDirectory() as folder, plain_svg(name):
            path = Path(folder) / "map.svg"
            draw_device(find_device(name), path, sorted(qubits), couplers)
            return part("scroller", inline_svg(path.read_text(encoding="utf-8"), label, "map"), label)
    except QgenError as error:
        return part("note", f"There is no map of {name}: {error}")


def circuit_drawing(circuit: QuantumCircuit) -> Markup:
    """Draw the circuit on the qubits that it uses.

    Args:
        circuit: in the device's gates, on its physical qubits.
    """
    bare = _without_empty(circuit)
    size = plural(bare.size(), "gate")
    if bare.size() > MAX_GATES:
        return part("note", f"It has {size}; up to {MAX_GATES} are drawn.")
    if not bare.size():
        return part("note", "It has no gates.")
    label = f"The routed circuit of {size}, a wire for each physical qubit."
    return part("scroller", draw_gates(place_gates(bare), label), label)


def schedule_drawing(circuit: QuantumCircuit, name: str) -> Markup:
    """Draw the timeline of the circuit on that device; a sentence if its times are not known."""
    try:
        gates = timed_gates(circuit, find_device(name).target)
    except QgenError as error:
        return part("note", f"There is no timeline: {error}")
    return timeline(gates) if gates else part("note", "The device gives no times of its gates.")


def used_couplers(circuit: QuantumCircuit) -> set[tuple[int, int]]:
    """Return the pairs (a, b), a < b, of qubits with a two-qubit gate."""
    index = {qubit: k for k, qubit in enumerate(circuit.qubits)}
    gates = (instruction for instruction in circuit.data if instruction.operation.name not in _EMPTY)
    qubits = ([index[qubit] for qubit in gate.qubits] for gate in gates)
    return {(min(pair), max(pair)) for pair in qubits if len(pair) == 2}


class TimedGate(NamedTuple):
    """A gate with its start and end, in microseconds from the start of the circuit."""

    name: str
    qubits: tuple[int, ...]
    start: float
    end: float


def timed_gates(circuit: QuantumCircuit, target: Target) -> list[TimedGate]:
    """Return the gates that take time, each as late as possible; none if the device lacks the duration of a gate.

    Args:
        circuit: in the device's own gates, on its physical qubits.
        target: the device.

    Raises:
        BackendError: the device does not have one of the gates on its qubits.
    """
    instructions = device_instructions(circuit, target)
    ends = alap_ends(instructions)
    if ends is None:
        return []
    times = [(gate, end + (gate.duration or 0.0), end) for gate, end in zip(instructions, ends, strict=True)]
    times = [(gate, start, end) for gate, start, end in times if gate.takes_time]  # seconds to the circuit's end
    length = max((start for _, start, _ in times), default=0.0)
    return [
        TimedGate(gate.name, gate.qubits, MICROSECONDS * (length - start), MICROSECONDS * (length - end))
        for gate, start, end in times
    ]


def timeline(gates: Sequence[TimedGate]) -> Markup:
    """Draw a row for each qubit with its gates in their times; a line connects the qubits of a two-qubit gate.

    Args:
        gates: of `timed_gates`; at least one.
    """
    qubits = sorted({qubit for gate in gates for qubit in gate.qubits})
    rows = {qubit: k for k, qubit in enumerate(qubits)}
    last, widest = max(gate.end for gate in gates), max(len(gate.qubits) for gate in gates)
    label = f"Schedule of {len(gates)} gates on {len(qubits)} qubits over {last:.3g} µs."
    count = len(qubits)
    content = (*_grid_lines(count), *_boxes(gates, rows, last), *_links(gates, rows, last), *_ticks(last, count))
    height = _ROW * len(qubits) + _AXIS
    typical = median(gate.end - gate.start for gate in gates if len(gate.qubits) == widest)
    style = f"min-width:{_MIN_GATE * last / typical:.0f}px"
    drawing = element("svg", *content, width="100%", height=height, style=style, role="img", aria_label=label)
    keys = [("one", "one-qubit gate"), ("two", "two-qubit gate")]
    return fragment("qgen.reports.transpilation/timeline.html", keys=keys, qubits=qubits, drawing=drawing, label=label)


def _without_empty(circuit: QuantumCircuit) -> QuantumCircuit:
    bare = circuit.copy_empty_like()
    bare.global_phase = 0  # it has no effect on measurements
    for instruction in circuit.data:
        if instruction.operation.name not in _EMPTY:
            bare.append(instruction)
    return bare


def _grid_lines(rows: int) -> Iterator[Markup]:
    for row in range(rows):
        y = _ROW * (row + 0.5)
        yield element("line", x1="0%", x2="100%", y1=y, y2=y, class_="grid")


def _links(gates: Sequence[TimedGate], rows: Mapping[int, int], last: float) -> Iterator[Markup]:
    for gate in gates:
        if len(gate.qubits) == 2:
            x = f"{50 * (gate.start + gate.end) / last:.2f}%"
            top, bottom = sorted(_ROW * (rows[qubit] + 0.5) for qubit in gate.qubits)
            yield element("line", x1=x, x2=x, y1=top, y2=bottom, class_="pair")
            yield from (element("circle", cx=x, cy=y, r=2, class_="pair") for y in (top, bottom))


def _boxes(gates: Sequence[TimedGate], rows: Mapping[int, int], last: float) -> Iterator[Markup]:
    for gate in gates:
        kind = "two" if len(gate.qubits) == 2 else "one"
        title = element("title", f"{gate.name} on {' and '.join(map(str, gate.qubits))}")
        x, width = (f"{100 * time / last:.2f}%" for time in (gate.start, gate.end - gate.start))
        for qubit in gate.qubits:
            y = _ROW * rows[qubit] + (_ROW - _BOX) / 2
            yield element("rect", title, x=x, y=y, width=width, height=_BOX, class_=kind)


def _ticks(last: float, rows: int) -> Iterator[Markup]:
    step = round_step(last)
    for mark in range(int(last / step) + 1):
        x = 100 * mark * step / last
        anchor = "start" if mark == 0 else "end" if x > 90 else "middle"
        text = f"{mark * step:.3g}\u202fµs"
        yield element("text", text, x=f"{x:.2f}%", y=_ROW * rows + 17, text_anchor=anchor, class_="tick")
