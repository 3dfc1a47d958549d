"""The schedule of a circuit as a picture: which gate runs on which qubit, from when to when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from qgen.reports.charts import round_step
from qgen.reports.markup import Markup, element, join, scroller
from qgen.transpilation.figures import MICROSECONDS, read_steps

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import Target

_ROW = 22
_BAR = 14
_FOOT = 26
#: Room for the usual gate of the largest ones: beyond the page's width the schedule scrolls.
_GATE = 14


class Span(NamedTuple):
    """A gate in its time: microseconds from the start of the circuit."""

    name: str
    qubits: tuple[int, ...]
    start: float
    end: float


def spans(circuit: QuantumCircuit, target: Target) -> list[Span]:
    """The gates that take time, each as late as possible; none where the device does not know the time of a gate.

    Args:
        circuit: in the device's own gates, on its physical qubits.
        target: the device.

    Raises:
        BackendError: the device does not have one of the gates on its qubits.
    """
    left: dict[int, float] = {}  # qubit -> microseconds from the start of its next step to the end of the circuit
    late = []
    for step in reversed(read_steps(circuit, target)):
        if step.duration is None:
            return []
        until = max((left.get(qubit, 0.0) for qubit in step.qubits), default=0.0)
        begin = until + MICROSECONDS * step.duration
        left.update(dict.fromkeys(step.qubits, begin))
        if step.takes_time:
            late.append((step, begin, until))
    whole = max((begin for _, begin, _ in late), default=0.0)
    return [Span(step.name, step.qubits, whole - begin, whole - until) for step, begin, until in reversed(late)]


def timeline(gates: Sequence[Span]) -> Markup:
    """A row for each qubit, with its gates in their times; two-qubit gates are joined by a line.

    Args:
        gates: from `spans`; at least one.
    """
    qubits = sorted({qubit for gate in gates for qubit in gate.qubits})
    rows = {qubit: k for k, qubit in enumerate(qubits)}
    last, most = max(gate.end for gate in gates), max(len(gate.qubits) for gate in gates)
    words = f"Schedule of {len(gates)} gates on {len(qubits)} qubits over {last:.3g} µs."
    count = len(qubits)
    content = (*_lines(count), *_boxes(gates, rows, last), *_joints(gates, rows, last), *_marks(last, count))
    height = _ROW * len(qubits) + _FOOT
    usual = median(gate.end - gate.start for gate in gates if len(gate.qubits) == most)
    style = f"min-width:{_GATE * last / usual:.0f}px"
    drawing = element("svg", *content, width="100%", height=height, style=style, role="img", aria_label=words)
    names = element("div", *(element("span", str(qubit)) for qubit in qubits), class_="names", aria_hidden="true")
    return join((_legend(), element("div", names, scroller(drawing, words), class_="timeline")))


def _legend() -> Markup:
    keys = (("one", "one-qubit gate"), ("two", "two-qubit gate"))
    return element("ul", *(element("li", words, class_=kind) for kind, words in keys), class_="legend")


def _lines(rows: int) -> Iterator[Markup]:
    for row in range(rows):
        y = _ROW * (row + 0.5)
        yield element("line", x1="0%", x2="100%", y1=y, y2=y, class_="grid")


def _joints(gates: Sequence[Span], rows: Mapping[int, int], last: float) -> Iterator[Markup]:
    for gate in gates:
        if len(gate.qubits) == 2:
            x = f"{50 * (gate.start + gate.end) / last:.2f}%"
            top, bottom = sorted(_ROW * (rows[qubit] + 0.5) for qubit in gate.qubits)
            yield element("line", x1=x, x2=x, y1=top, y2=bottom, class_="pair")
            yield from (element("circle", cx=x, cy=y, r=2, class_="pair") for y in (top, bottom))


def _boxes(gates: Sequence[Span], rows: Mapping[int, int], last: float) -> Iterator[Markup]:
    for gate in gates:
        kind = "two" if len(gate.qubits) == 2 else "one"
        title = element("title", f"{gate.name} on {' and '.join(map(str, gate.qubits))}")
        x, width = (f"{100 * time / last:.2f}%" for time in (gate.start, gate.end - gate.start))
        for qubit in gate.qubits:
            y = _ROW * rows[qubit] + (_ROW - _BAR) / 2
            yield element("rect", title, x=x, y=y, width=width, height=_BAR, class_=kind)


def _marks(last: float, rows: int) -> Iterator[Markup]:
    step = round_step(last)
    for mark in range(int(last / step) + 1):
        place = 100 * mark * step / last
        anchor = "start" if mark == 0 else "end" if place > 90 else "middle"
        text = f"{mark * step:.3g}\u202fµs"
        yield element("text", text, x=f"{place:.2f}%", y=_ROW * rows + 17, text_anchor=anchor, class_="tick")
