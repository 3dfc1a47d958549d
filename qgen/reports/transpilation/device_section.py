"""The section of the page for one device, folded up but for its name and success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from markupsafe import Markup

from qgen.reports.html.markup import UNKNOWN, microseconds, percent, plural, signed, times
from qgen.reports.html.templates import Values, fragment, table
from qgen.reports.transpilation.charts import strip_chart
from qgen.reports.transpilation.drawings import circuit_drawing, device_map, schedule_drawing, used_couplers
from qgen.reports.transpilation.result import DeviceReport
from qgen.transpilation import CircuitMetrics, TranspileResult

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: Candidates that are listed.
_MAX_LISTED = 10
_COST_HEAD = ("", "circuits", "executions", "jobs", "QPU seconds", "of the Open Plan")


def device_section(device: DeviceReport, circuit: QuantumCircuit | None, unfolded: bool) -> Markup:
    """Make the section of one device.

    Args:
        device: its report.
        circuit: of the best candidate, in the device's gates on its physical qubits; None: no drawings.
        unfolded: whether the section is open at first.
    """
    best = device.best
    used = {*best.layout, *best.metrics.idle_us}
    return fragment(
        "qgen.reports.transpilation/device.html",
        name=device.device,
        success=percent(best.metrics.success.total),
        unfolded=unfolded,
        facts=list(_facts(device).items()),
        map=device_map(device.device, used, None if circuit is None else used_couplers(circuit)),
        layout=best.layout,
        strips=strip_chart(device),
        levels=_levels(device),
        candidates=_candidates(device),
        gain=_gain(device),
        gates=_gates(best.metrics),
        idle=_idle(best.metrics),
        costs=_costs(device),
        schedule=None if circuit is None else schedule_drawing(circuit, device.device),
        drawing=None if circuit is None else circuit_drawing(circuit),
    )


def describe_result(result: TranspileResult) -> str:
    """Describe how a circuit was transpiled."""
    options = result.options
    methods = f"layout {options.layout_method}, routing {options.routing_method}"
    moved = ", then moved to better qubits" if result.moved else ""
    merged = "rotations joined, " if options.merge_rotations else ""
    return f"{merged}level {options.level}, seed {options.seed}, {methods}{moved}"


def _facts(device: DeviceReport) -> Mapping[str, str]:
    metrics = device.best.metrics
    seconds = sum(candidate.seconds for candidate in device.candidates)
    facts = {
        "Chosen": describe_result(device.best),
        "Device": f"{device.processor or 'processor unknown'}, {plural(device.qubits, 'qubit')}",
        "Calibrated": f"{device.calibrated:%Y-%m-%d %H:%M}" if device.calibrated else "unknown",
        "Worst coupler in use": _worst(metrics.worst_coupler),
        "Worst readout in use": _worst(metrics.worst_readout),
        "Time to transpile": f"{device.best.seconds:.2f}\u202fs; {seconds:.1f}\u202fs for all that was tried",
    }
    if device.check is not None:
        seen = device.check.simulated
        error = "" if seen.standard_error is None else f" \u00b1 {percent(seen.standard_error)}"
        facts["Simulated with its noise"] = f"{percent(seen.total)}{error}"
    if device.decoupling is not None:
        decoupling = device.decoupling
        covered = f"{plural(decoupling.pulses, 'pulse')} cover {percent(decoupling.coverage)} of the waiting"
        facts[f"Decoupling by {decoupling.sequence}"] = f"{covered}, at {percent(decoupling.gates)} of success"
    if device.tiles is not None:
        tiles = device.tiles
        spread = f"{percent(tiles.worst)} to {percent(tiles.best)}"
        facts["Copies side by side"] = f"{tiles.count}, success {spread}, {percent(tiles.mean)} on average"
    return facts


def _worst(worst: tuple[tuple[int, int] | int, float] | None) -> str:
    if worst is None:
        return UNKNOWN
    location, error = worst
    label = f"qubit {location}" if isinstance(location, int) else "\u2013".join(map(str, location))
    return f"{label}, error {percent(error)}"


def _levels(device: DeviceReport) -> Values:
    rows = []
    for level, group in device.by_level.items():
        values = [candidate.metrics.success.total for candidate in group]
        spread = (percent(value) for value in (min(values), median(values), max(values)))
        seconds = f"{median(candidate.seconds for candidate in group):.2f}"
        rows.append((str(level), str(len(group)), *spread, seconds))
    head = ("level", "tried", "worst", "median", "best", "seconds each")
    return table("Success probability and time by optimisation level", head, rows)


def _candidates(device: DeviceReport) -> Values:
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
    rows = [_candidate(rank, candidate) for rank, candidate in enumerate(device.candidates[:_MAX_LISTED], 1)]
    return table(f"Of {len(device.candidates)} that were tried", head, rows, (4, 5, 6))


def _candidate(rank: int, result: TranspileResult) -> tuple[str | int, ...]:
    metrics, options = result.metrics, result.options
    methods = (options.layout_method, options.routing_method, "yes" if result.moved else "no")
    counts = (metrics.two_qubit_gates, metrics.two_qubit_depth, metrics.depth, microseconds(metrics.duration_us))
    return rank, percent(metrics.success.total), options.level, options.seed, *methods, *counts


def _gain(device: DeviceReport) -> Values:
    best, default = device.best.metrics, device.default.metrics
    rows = []
    for part in ("total", "gates", "readout", "idle"):
        old, new = getattr(default.success, part), getattr(best.success, part)
        rows.append(("success" if part == "total" else part, percent(old), percent(new), times(new, old)))
    for name, field in (("two-qubit gates", "two_qubit_gates"), ("their depth", "two_qubit_depth"), ("depth", "depth")):
        before, after = getattr(default, field), getattr(best, field)
        rows.append((name, str(before), str(after), signed(after - before)))
    rows.append(("duration", microseconds(default.duration_us), microseconds(best.duration_us), _ratio(best, default)))
    return table("With seed 0", ("", "level 3", "chosen", "change"), rows)


def _ratio(best: CircuitMetrics, default: CircuitMetrics) -> str:
    if best.duration_us is None or default.duration_us is None:
        return UNKNOWN
    return times(best.duration_us, default.duration_us)


def _gates(metrics: CircuitMetrics) -> Values:
    ranked = sorted(metrics.gates.items(), key=lambda item: -item[1])
    rows = [(name, float(number), str(number)) for name, number in ranked]
    return _bars(f"{plural(sum(metrics.gates.values()), 'gate')} by name", ("gate", "number"), rows)


def _idle(metrics: CircuitMetrics) -> Values | None:
    rows = [(str(qubit), time, microseconds(time)) for qubit, time in sorted(metrics.idle_us.items())]
    caption = "Between first gate and measurement, by physical qubit"
    return _bars(caption, ("qubit", "idle time"), rows) if rows else None


def _bars(caption: str, head: tuple[str, str], rows: Sequence[tuple[str, float, str]]) -> Values:
    """Return a table of names and formatted values whose bars are in percent of the largest value."""
    largest = max((value for _, value, _ in rows), default=0) or 1
    bars = [(name, 100 * value / largest, text) for name, value, text in rows]
    return {"caption": caption, "head": head, "rows": bars}


def _costs(device: DeviceReport) -> Values | None:
    """Return the table of workloads and their costs; None without workloads."""
    if not device.workloads:
        return None
    first, tasks = device.workloads[0], {workload.task: workload.images for workload in device.workloads}
    rows = (
        (
            workload.gradient or workload.task,
            *(f"{number:,}".replace(",", "\u202f") for number in (workload.cost.circuits, workload.cost.executions)),
            f"{workload.cost.jobs:,}",
            f"{workload.cost.seconds:,.0f}".replace(",", "\u202f"),
            percent(workload.cost.share) if workload.cost.share < 1 else f"{workload.cost.share:.1f} times",
        )
        for workload in device.workloads
    )
    phrases = {"sampling": "sampling {}", "training step": "a step of training on {}, by its gradient"}
    what = ", and ".join(phrases[task].format(plural(images, "image")) for task, images in tasks.items())
    caption = f"{what[0].upper()}{what[1:]}; {plural(first.cost.shots, 'shot')} a circuit"
    formula = f"{first.task.capitalize()}: {first.cost.formula}."
    return table(caption, _COST_HEAD, rows) | {"formula": formula}
