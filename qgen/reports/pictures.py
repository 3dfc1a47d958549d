"""Pictures for the page: the layout on the device's map and the circuit as it will run, as SVG within HTML."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import AbstractContextManager
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from qgen.backends.ibm.live import find_device
from qgen.devices import draw_device
from qgen.errors import QgenError
from qgen.extras import install_command
from qgen.reports.markup import Markup, element, plural, scroller
from qgen.reports.timeline import spans, timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from qiskit import QuantumCircuit

#: Beyond this many gates a drawing takes long, and nobody reads it.
MOST_GATES = 300

#: Instructions that a drawing leaves out: they are empty, and fill the drawing of a scheduled circuit.
_EMPTY = ("delay", "barrier")
_COLUMNS = 24
_TEXT_COLUMNS = 150


def device_map(name: str, qubits: Collection[int], couplers: Collection[tuple[int, int]] | None) -> Markup:
    """The device's map as SVG, with what the circuit uses brought out; a sentence where it cannot be drawn.

    Args:
        name: of a device snapshot.
        qubits: the physical qubits in use.
        couplers: the couplers in use; None for all between these qubits.
    """
    words = f"Map of {name}; in use: qubits {', '.join(map(str, sorted(qubits)))}."
    try:
        with TemporaryDirectory() as folder, _as_text(name):
            path = Path(folder) / "map.svg"
            draw_device(find_device(name), path, sorted(qubits), couplers)
            return scroller(_inline(path.read_text(encoding="utf-8"), words, "map"), words)
    except QgenError as error:
        return element("p", f"There is no map of {name}: {error}", class_="soft")


def circuit_drawing(circuit: QuantumCircuit, name: str) -> Markup:
    """The circuit on the wires that it uses, drawn by Qiskit: as SVG, or in characters where matplotlib is missing.

    Args:
        circuit: in the device's gates, on its physical qubits.
        name: of the device; what is in the drawing has names of its own by it.
    """
    bare = _without_empty(circuit)
    size = plural(bare.size(), "gate")
    if bare.size() > MOST_GATES:
        return element("p", f"It has {size}; up to {MOST_GATES} are drawn.", class_="soft")
    words = f"The routed circuit of {size}, a wire for each physical qubit."
    try:
        drawing = _drawn(bare, name, words)
    except (QgenError, ImportError):
        text = str(bare.draw("text", idle_wires=False, fold=_TEXT_COLUMNS))
        drawing = element("pre", text, aria_label=words)
    return scroller(drawing, words)


def schedule_drawing(circuit: QuantumCircuit, name: str) -> Markup:
    """The timeline of the circuit on that device; a sentence where its times are not known."""
    try:
        gates = spans(circuit, find_device(name).target)
    except QgenError as error:
        return element("p", f"There is no timeline: {error}", class_="soft")
    return timeline(gates) if gates else element("p", "The device gives no times of its gates.", class_="soft")


def used_couplers(circuit: QuantumCircuit) -> set[tuple[int, int]]:
    """The pairs of qubits with a two-qubit gate, in ascending order."""
    index = {qubit: k for k, qubit in enumerate(circuit.qubits)}
    pairs = ([index[qubit] for qubit in one.qubits] for one in circuit.data if one.operation.name not in _EMPTY)
    return {(min(pair), max(pair)) for pair in pairs if len(pair) == 2}


def _without_empty(circuit: QuantumCircuit) -> QuantumCircuit:
    bare = circuit.copy_empty_like()
    bare.global_phase = 0  # no measurement depends on it
    for instruction in circuit.data:
        if instruction.operation.name not in _EMPTY:
            bare.append(instruction)
    return bare


def _drawn(circuit: QuantumCircuit, name: str, words: str) -> Markup:
    with _as_text(f"circuit on {name}"):
        figure: Figure = circuit.draw("mpl", idle_wires=False, fold=_COLUMNS, scale=0.6)
        into = StringIO()
        figure.savefig(into, format="svg", bbox_inches="tight")
    return _inline(into.getvalue(), words, "circuit")


def _as_text(salt: str) -> AbstractContextManager[Any]:
    """Matplotlib's SVG with text rather than outlines, and the same names in it for the same picture."""
    try:
        import matplotlib
    except ImportError as error:
        raise QgenError(f"Drawing needs more packages: {install_command('plot')}.") from error
    return matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.sans-serif": ["DejaVu Sans"]})


def _inline(svg: str, words: str, kind: str) -> Markup:
    """What a page needs of matplotlib's SVG: no prologue, no metadata, no style that reaches beyond it."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style .*?</style>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'#([\w.]+)[")]', body))
    body = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r"\s+", " ", body)
    opening = element("svg", class_=f"drawn {kind}", role="img", aria_label=words).removesuffix("></svg>")
    return Markup(body.replace("<svg", opening, 1))
