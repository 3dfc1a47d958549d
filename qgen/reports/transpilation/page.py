"""A transpilation report as a self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from qgen.errors import QgenError
from qgen.reports.html.document import asset, document
from qgen.reports.html.markup import Markup, element, microseconds, percent, plural, signed, table, times
from qgen.reports.transpilation.charts import PARTS, losses, success_chart
from qgen.reports.transpilation.device_section import describe_result, device_section
from qgen.reports.transpilation.result import DeviceReport, TranspilationReport
from qgen.storage import write_text
from qgen.transpilation import CircuitMetrics

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

_PACKAGE = "qgen.reports.transpilation"
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
    sections = (device_section(device, circuits.get(device.device), device is ranked[0]) for device in ranked)
    main = element(
        "main",
        _answer(report, ranked),
        _warnings(report),
        element("h2", "Devices" if len(ranked) > 1 else "Success"),
        _comparison(ranked),
        element("h2", "Device by device" if len(ranked) > 1 else "In detail"),
        *sections,
        element("h2", "How the numbers are computed"),
        element("section", Markup(asset("formulas.html", _PACKAGE)), class_="card"),
    )
    return document(f"{report.circuit}: transpilation report", _header(report), main, asset("report.css", _PACKAGE))


def _header(report: TranspilationReport) -> Markup:
    facts = (
        plural(report.qubits, "qubit"),
        plural(report.parameters, "open angle"),
        f"{plural(report.two_qubit_bound, 'two-qubit gate')} where every qubit is coupled to every other",
    )
    lines = (element("p", "Transpilation report", class_="eyebrow"), element("h1", report.circuit))
    said = "" if report.simulability is None else element("p", report.simulability.sentence.capitalize(), class_="soft")
    return element("header", *lines, element("p", " · ".join(facts), class_="soft"), said)


def _answer(report: TranspilationReport, ranked: Sequence[DeviceReport]) -> Markup:
    best = ranked[0]
    metrics = best.best.metrics
    success = element("strong", f"{percent(metrics.success.total)} of executions")
    start = (
        ("Run it on ", element("strong", best.device), ": ")
        if len(ranked) > 1
        else ("On ", element("strong", best.device), ", ")
    )
    time = "" if metrics.duration_us is None else f" in {microseconds(metrics.duration_us)}"
    gates = plural(metrics.two_qubit_gates, "two-qubit gate")
    sentence = element("p", *start, success, f" should pass without an error, with {gates}{time}.")
    reason = element("p", _versus(best, ranked[1]) if len(ranked) > 1 else f"{_loss(metrics)}.")
    chosen = element(
        "p", f"Chosen among {plural(len(best.candidates), 'candidate')}: {describe_result(best.best)}.", class_="soft"
    )
    return element(
        "section", sentence, reason, chosen, element("dl", *_key_figures(best), class_="tiles"), class_="answer"
    )


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


def _key_figures(device: DeviceReport) -> Iterator[Markup]:
    metrics, default = device.best.metrics, device.default.metrics
    rows = (
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
    for name, value, note in rows:
        yield element("div", element("dt", name), element("dd", value), element("dd", note))


def _warnings(report: TranspilationReport) -> Markup:
    items = [
        element("li", warning if device.device in warning else f"{device.device}: {warning}")
        for device in report.devices
        for warning in device.warnings
    ]
    return element("ul", *items, class_="warnings", aria_label="Warnings") if items else Markup()


def _comparison(ranked: Sequence[DeviceReport]) -> Markup:
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
    rows = table("The best candidate on each device", head, map(_comparison_row, ranked))
    return element("section", chart, rows, class_="card")


def _comparison_row(device: DeviceReport) -> tuple[str | int, ...]:
    metrics = device.best.metrics
    success = metrics.success
    shares = (percent(share) for share in (success.total, *(getattr(success, part) for part in PARTS)))
    counts = (metrics.two_qubit_gates, signed(metrics.extra_two_qubit_gates), metrics.two_qubit_depth, metrics.depth)
    gain = times(success.total, device.default.metrics.success.total)
    return device.device, *shares, *counts, microseconds(metrics.duration_us), gain
