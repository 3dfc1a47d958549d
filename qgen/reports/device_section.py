"""The part of the page that is about one device, folded away but for its name and its success probability."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

from qgen.reports.charts import bars, strip_chart
from qgen.reports.cost_section import cost_table
from qgen.reports.markup import (
    UNKNOWN,
    Markup,
    element,
    join,
    microseconds,
    percent,
    plural,
    signed,
    table,
    times,
)
from qgen.reports.pictures import circuit_drawing, device_map, schedule_drawing, used_couplers
from qgen.reports.result import DeviceReport
from qgen.transpilation.result import Candidate, Figures

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

_SHOWN = 10


def device_section(device: DeviceReport, circuit: QuantumCircuit | None, unfolded: bool) -> Markup:
    """All that is known of the circuit on one device.

    Args:
        device: its report.
        circuit: the best candidate's, in the device's gates on its physical qubits; without it there is no drawing.
        unfolded: whether it is open at first.
    """
    total = device.best.figures.success.total
    summary = element(
        "summary", element("h3", device.device), element("span", f"{percent(total)} success", class_="soft")
    )
    parts = (
        element("dl", *_facts(device), class_="facts"),
        _layout(device, circuit),
        _distribution(device),
        _candidates(device),
        element("div", _gain(device), _gates_and_idle(device.best.figures), class_="pair"),
        cost_table(device),
        *_drawings(device, circuit),
    )
    return element("details", summary, element("div", *parts, class_="parts"), class_="card", open=unfolded)


def _part(title: str, *content: Markup) -> Markup:
    return element("section", element("h4", title), *content)


def way(candidate: Candidate) -> str:
    """How a candidate was transpiled, in words."""
    methods = f"layout {candidate.layout_method}, routing {candidate.routing_method}"
    moved = ", then moved to better qubits" if candidate.replaced else ""
    joined = "rotations joined, " if candidate.joined else ""
    return f"{joined}level {candidate.level}, seed {candidate.seed}, {methods}{moved}"


def _facts(device: DeviceReport) -> Iterator[Markup]:
    figures = device.best.figures
    seconds = sum(candidate.seconds for candidate in device.candidates)
    facts = {
        "Chosen": way(device.best),
        "Device": f"{device.processor or 'processor unknown'}, {plural(device.qubits, 'qubit')}",
        "Calibrated": f"{device.calibrated:%Y-%m-%d %H:%M}" if device.calibrated else "unknown",
        "Worst coupler in use": _worst(figures.worst_coupler),
        "Worst readout in use": _worst(figures.worst_readout),
        "Time to transpile": f"{device.best.seconds:.2f}\u202fs; {seconds:.1f}\u202fs for all that was tried",
    }
    if device.check is not None:
        seen = device.check.simulated
        error = "" if seen.standard_error is None else f" \u00b1 {percent(seen.standard_error)}"
        facts["Simulated with its noise"] = f"{percent(seen.total)}{error}"
    if device.decoupling is not None:
        pulses = device.decoupling
        covered = f"{plural(pulses.pulses, 'pulse')} cover {percent(pulses.coverage)} of the waiting"
        facts[f"Decoupling by {pulses.sequence}"] = f"{covered}, at {percent(pulses.gates)} of success"
    if device.tiles is not None:
        tiles = device.tiles
        spread = f"{percent(tiles.worst)} to {percent(tiles.best)}"
        facts["Copies side by side"] = f"{tiles.count}, success {spread}, {percent(tiles.mean)} on average"
    for name, fact in facts.items():
        yield element("div", element("dt", name), element("dd", fact))


def _worst(known: tuple[tuple[int, int] | int, float] | None) -> str:
    if known is None:
        return UNKNOWN
    place, error = known
    where = f"qubit {place}" if isinstance(place, int) else "\u2013".join(map(str, place))
    return f"{where}, error {percent(error)}"


def _layout(device: DeviceReport, circuit: QuantumCircuit | None) -> Markup:
    best = device.best
    used = {*best.layout, *best.figures.idle_us}
    picture = device_map(device.device, used, None if circuit is None else used_couplers(circuit))
    pinned = element("code", f"[{', '.join(map(str, best.layout))}]")
    text = join(("Logical qubits 0, 1, … start on the physical qubits ", pinned, "."))
    return _part("Layout", element("figure", picture), element("p", text))


def _distribution(device: DeviceReport) -> Markup:
    keys = (("point", "as transpiled"), ("replaced", "moved afterwards to better qubits"))
    legend = element("ul", *(element("li", words, class_=kind) for kind, words in keys), class_="legend")
    note = "Ring: the best. Box: half of the candidates. Dashed: Qiskit's level 3 as it comes."
    head = ("level", "tried", "worst", "median", "best", "seconds each")
    rows = table("Success probability and time by optimisation level", head, _levels(device))
    chart = element("figure", strip_chart(device), legend, element("p", note, class_="soft"))
    return _part("Success over seeds and methods", chart, rows)


def _levels(device: DeviceReport) -> Iterator[tuple[str, ...]]:
    for level in sorted({candidate.level for candidate in device.candidates}):
        group = [candidate for candidate in device.candidates if candidate.level == level]
        values = [candidate.figures.success.total for candidate in group]
        spread = (percent(value) for value in (min(values), median(values), max(values)))
        yield str(level), str(len(group)), *spread, f"{median(candidate.seconds for candidate in group):.2f}"


def _candidates(device: DeviceReport) -> Markup:
    head = (
        "",
        "success",
        "level",
        "seed",
        "layout",
        "routing",
        "moved",
        "two-qubit gates",
        "their depth",
        "depth",
        "time",
    )
    rows = (_candidate(rank, candidate) for rank, candidate in enumerate(device.candidates[:_SHOWN], 1))
    return _part(
        "The best candidates", table(f"Of {len(device.candidates)} that were tried", head, rows, words=(4, 5, 6))
    )


def _candidate(rank: int, one: Candidate) -> tuple[str | int, ...]:
    figures = one.figures
    methods = (one.layout_method, one.routing_method, "yes" if one.replaced else "no")
    counts = (figures.two_qubit_gates, figures.two_qubit_depth, figures.depth, microseconds(figures.duration_us))
    return rank, percent(figures.success.total), one.level, one.seed, *methods, *counts


def _gain(device: DeviceReport) -> Markup:
    best, default = device.best.figures, device.default.figures
    rows = []
    for part in ("total", "gates", "readout", "idle"):
        old, new = getattr(default.success, part), getattr(best.success, part)
        rows.append(("success" if part == "total" else part, percent(old), percent(new), times(new, old)))
    for name, field in (("two-qubit gates", "two_qubit_gates"), ("their depth", "two_qubit_depth"), ("depth", "depth")):
        before, after = getattr(default, field), getattr(best, field)
        rows.append((name, str(before), str(after), signed(after - before)))
    rows.append(("duration", microseconds(default.duration_us), microseconds(best.duration_us), _ratio(best, default)))
    return _part("Gain over Qiskit's level 3", table("With seed 0", ("", "level 3", "chosen", "change"), rows))


def _ratio(best: Figures, default: Figures) -> str:
    if best.duration_us is None or default.duration_us is None:
        return UNKNOWN
    return times(best.duration_us, default.duration_us)


def _gates_and_idle(figures: Figures) -> Markup:
    ranked = sorted(figures.gates.items(), key=lambda item: -item[1])
    names = ((name, float(number), str(number)) for name, number in ranked)
    gates = _part("Gates", bars(f"{plural(sum(figures.gates.values()), 'gate')} by name", ("gate", "number"), names))
    return element("div", gates, _part("Idle time", _idle(figures)), class_="parts")


def _idle(figures: Figures) -> Markup:
    if not figures.idle_us:
        return element("p", "The device gives no times of its gates.", class_="soft")
    rows = ((str(qubit), time, microseconds(time)) for qubit, time in sorted(figures.idle_us.items()))
    return bars("Between first gate and measurement, by physical qubit", ("qubit", "idle time"), rows)


def _drawings(device: DeviceReport, circuit: QuantumCircuit | None) -> Iterator[Markup]:
    if circuit is not None:
        yield _part("Schedule", schedule_drawing(circuit, device.device))
        yield _part("Routed circuit", circuit_drawing(circuit, device.device))
