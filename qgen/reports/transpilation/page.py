"""A transpilation report as a self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from qgen.errors import QgenError
from qgen.reports.html.markup import microseconds, percent, plural, signed, times
from qgen.reports.html.templates import render
from qgen.reports.transpilation.charts import PARTS, losses, success_chart
from qgen.reports.transpilation.device_section import describe_result, device_section
from qgen.reports.transpilation.result import DeviceReport, TranspilationReport
from qgen.storage import write_text
from qgen.transpilation import CircuitMetrics

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

_NONE: Mapping[str, QuantumCircuit] = MappingProxyType({})


def write_page(report: TranspilationReport, path: str | Path, circuits: Mapping[str, QuantumCircuit] = _NONE) -> None:
    """Write the report as a page: what to choose and why, then all results.

    The file is self-contained, follows the reader's choice of light or dark, and is readable on a phone.

    Args:
        report: of at least one device.
        path: the HTML file.
        circuits: device -> the circuit of its best candidate, in the device's gates on its physical qubits; other
            devices are shown without drawings of the circuit and its schedule.

    Raises:
        QgenError: the file cannot be written.
    """
    try:
        write_text(path, page(report, circuits))
    except OSError as error:
        raise QgenError(f"Cannot write {path}: {error.strerror or error}.") from error


def page(report: TranspilationReport, circuits: Mapping[str, QuantumCircuit] = _NONE) -> str:
    """Return the page of `write_page` as text."""
    ranked = sorted(report.devices, key=lambda device: -device.best.metrics.success.total)
    bound = plural(report.two_qubit_bound, "two-qubit gate")
    return render(
        "qgen.reports.transpilation/page.html",
        circuit=report.circuit,
        facts=(
            plural(report.qubits, "qubit"),
            plural(report.parameters, "open angle"),
            f"{bound} where every qubit is coupled to every other",
        ),
        simulability=None if report.simulability is None else report.simulability.sentence.capitalize(),
        best=_best(ranked),
        warnings=[
            warning if device.device in warning else f"{device.device}: {warning}"
            for device in report.devices
            for warning in device.warnings
        ],
        comparison=_comparison(ranked),
        devices=[device_section(device, circuits.get(device.device), device is ranked[0]) for device in ranked],
    )


def _best(ranked: Sequence[DeviceReport]) -> Mapping[str, Any]:
    """Return what is said of the best device."""
    best = ranked[0]
    metrics = best.best.metrics
    time = "" if metrics.duration_us is None else f" in {microseconds(metrics.duration_us)}"
    return {
        "device": best.device,
        "success": percent(metrics.success.total),
        "gates_and_time": f"{plural(metrics.two_qubit_gates, 'two-qubit gate')}{time}",
        "reason": _versus(best, ranked[1]) if len(ranked) > 1 else f"{_loss(metrics)}.",
        "chosen": f"Chosen among {plural(len(best.candidates), 'candidate')}: {describe_result(best.best)}.",
        "figures": _key_figures(best),
    }


def _loss(metrics: CircuitMetrics) -> str:
    shares = losses(metrics.success)
    part = max(PARTS, key=shares.__getitem__)
    return f"Most of the rest is lost to {part}" if shares[part] else "Nothing is lost"


def _versus(best: DeviceReport, second: DeviceReport) -> str:
    """Name the part of success in which the best device is ahead of the next by the largest factor."""
    ours, theirs = best.best.metrics.success, second.best.metrics.success
    next_best = f"{second.device} comes next with {percent(theirs.total)}"
    part = max(PARTS, key=lambda name: _log(getattr(ours, name)) - _log(getattr(theirs, name)))
    mine, other = getattr(ours, part), getattr(theirs, part)
    if mine <= other:
        return f"{next_best}."
    return f"{next_best}. What sets them apart most is {part}: {percent(mine)} against {percent(other)}."


def _log(share: float) -> float:
    return math.log(max(share, 1e-300))


def _key_figures(device: DeviceReport) -> tuple[tuple[str, str, str], ...]:
    metrics, default = device.best.metrics, device.default.metrics
    return (
        ("Success", percent(metrics.success.total), _loss(metrics)),
        (
            "Two-qubit gates",
            str(metrics.two_qubit_gates),
            f"{signed(metrics.extra_two_qubit_gates)} against all-to-all",
        ),
        ("Duration", microseconds(metrics.duration_us), f"depth {metrics.depth}"),
        (
            "Gain",
            times(metrics.success.total, default.success.total),
            f"level 3 reaches {percent(default.success.total)}",
        ),
    )


def _comparison(ranked: Sequence[DeviceReport]) -> Mapping[str, Any]:
    head = (
        "device",
        "success",
        *PARTS,
        "two-qubit gates",
        "against all-to-all",
        "their depth",
        "depth",
        "duration",
        "gain",
    )
    chart = success_chart([(device.device, device.best.metrics.success) for device in ranked])
    caption = "The best candidate on each device"
    return {"chart": chart, "caption": caption, "head": head, "rows": map(_comparison_row, ranked)}


def _comparison_row(device: DeviceReport) -> tuple[str | int, ...]:
    metrics = device.best.metrics
    success = metrics.success
    shares = (percent(share) for share in (success.total, *(getattr(success, part) for part in PARTS)))
    counts = (metrics.two_qubit_gates, signed(metrics.extra_two_qubit_gates), metrics.two_qubit_depth, metrics.depth)
    gain = times(success.total, device.default.metrics.success.total)
    return device.device, *shares, *counts, microseconds(metrics.duration_us), gain
