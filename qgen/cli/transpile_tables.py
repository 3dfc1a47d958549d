"""The tables that `qgen transpile` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qgen.cli.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.reports import DeviceReport, TranspilationReport
    from qgen.reports.transpilation.suitability import Suitability

_NUMBERS = ("2q", "extra", "depth", "us", "gates", "read", "idle", "success", "gain")
_LEGEND = (
    "2q, extra, depth: two-qubit gates, those that routing adds, and their layers;",
    "us: duration; gates, read(out), idle: parts of success; gain: over Qiskit's level 3;",
    "+: moved to better qubits afterwards",
)
_PERCENT = 100


def print_report(console: Console, report: TranspilationReport) -> None:
    """Print the results of a circuit on its devices, and the cost of its workload."""
    console.print(
        f"\n{report.circuit}: {report.qubits} qubits, {report.parameters} parameters; "
        f"{report.two_qubit_bound} two-qubit gates where every qubit is coupled to every other",
        soft_wrap=True,
    )
    if report.simulability is not None:
        console.print(report.simulability.sentence, soft_wrap=True)
    rows = [(device.device, *_row(device)) for device in report.devices]
    print_table(console, ("device", "level/seed", *_NUMBERS), rows, _NUMBERS, whole=True)
    console.print("\n".join(_LEGEND), style="dim", soft_wrap=True)
    for device in report.devices:
        _print_extras(console, device)
        _print_tiles(console, device)
        _print_costs(console, device)


def print_warnings(console: Console, reports: Sequence[TranspilationReport]) -> None:
    """Print each warning once."""
    sentences = [warning for report in reports for device in report.devices for warning in device.warnings]
    for warning in dict.fromkeys(sentences):
        console.print(f"warning: {warning}", soft_wrap=True, style="yellow")


def print_suitability(console: Console, circuits: Sequence[Suitability]) -> None:
    """Print success and two-qubit gates of circuits by devices, and the change that would help most."""
    devices = [device.device for device in circuits[0].report.devices]
    console.print("\nsuccess, and two-qubit gates, of each circuit on each device", soft_wrap=True)
    rows = []
    for circuit in circuits:
        cells = [
            f"{_probability(device.best.metrics.success.total)} ({device.best.metrics.two_qubit_gates})"
            for device in circuit.report.devices
        ]
        rows.append((circuit.report.circuit, *cells))
    print_table(console, ("circuit", *devices), rows, devices, whole=True)
    console.print("\nwhat would help most: by how many times success would grow (~: estimated)", soft_wrap=True)
    changes = []
    for circuit in circuits:
        for name, change in circuit.changes.items():
            gain = "-" if change is None else f"{'~' if change.estimated else ''}{change.gain:.2f}x"
            changes.append((circuit.report.circuit, name, "nothing" if change is None else change.what, gain))
    print_table(console, ("circuit", "device", "change", "gain"), changes, ("gain",), whole=True)


def _print_extras(console: Console, device: DeviceReport) -> None:
    if device.check is not None:
        simulated, predicted = device.check.simulated, device.check.predicted
        pairs = ((part, getattr(predicted, part), getattr(simulated, part)) for part in ("gates", "readout", "idle"))
        parts = "; ".join(f"{part} {expected:.3f} as {actual:.3f}" for part, expected, actual in pairs)
        error = "" if simulated.standard_error is None else f" +- {simulated.standard_error:.3f}"
        console.print(
            f"\n{device.device}, simulated with its noise: {simulated.total:.3f}{error}, predicted "
            f"{predicted.total:.3f} ({parts})",
            soft_wrap=True,
        )
    if device.decoupling is not None:
        decoupling = device.decoupling
        console.print(
            f"\n{device.device}, {decoupling.sequence}: {decoupling.pulses:,} pulses cover "
            f"{100 * decoupling.coverage:.0f} % of the waiting, at {decoupling.gates:.4f} of success; "
            "what they gain shows on the machine alone",
            soft_wrap=True,
        )


def _print_tiles(console: Console, device: DeviceReport) -> None:
    if device.tiles is not None:
        tiles = device.tiles
        copies = "1 copy fits" if tiles.count == 1 else f"{tiles.count} copies fit"
        console.print(
            f"\n{device.device}: {copies} side by side, and as many settings of the angles run in one "
            f"execution; success {tiles.worst:.3f} to {tiles.best:.3f}, {tiles.mean:.3f} on average",
            soft_wrap=True,
        )


def _print_costs(console: Console, device: DeviceReport) -> None:
    if not device.workloads:
        return
    first, tasks = device.workloads[0], {workload.task: workload.images for workload in device.workloads}
    phrases = {"sampling": "sampling {:,} images", "training step": "a step of training on {:,}, by its gradient"}
    what = ", and ".join(phrases[task].format(images) for task, images in tasks.items())
    console.print(f"\non {device.device}, {first.cost.shots:,} shots a circuit: {what}", soft_wrap=True)
    numbers, rows = ("circuits", "executions", "jobs", "QPU s", "of 10 min"), []
    for workload in device.workloads:
        cost = workload.cost
        counts = (f"{number:,}" for number in (cost.circuits, cost.executions, cost.jobs))
        seconds = f"{cost.seconds:,.0f}", f"{_PERCENT * cost.share:,.1f} %"
        rows.append((workload.gradient or workload.task, *counts, *seconds))
    print_table(console, ("", *numbers), rows, numbers, whole=True)
    console.print(f"QPU s: {first.cost.formula}", style="dim", soft_wrap=True)


def _row(device: DeviceReport) -> list[str]:
    best, metrics = device.best, device.best.metrics
    success = metrics.success
    return [
        f"{best.options.level}/{best.options.seed}{'+' if best.moved else ''}",
        f"{metrics.two_qubit_gates}",
        f"{metrics.extra_two_qubit_gates}",
        f"{metrics.two_qubit_depth}",
        "-" if metrics.duration_us is None else f"{metrics.duration_us:.1f}",
        *(f"{part:.3f}" for part in (success.gates, success.readout, success.idle)),
        _probability(success.total),
        "-" if device.gain is None else f"{device.gain:.2f}x",
    ]


def _probability(value: float) -> str:
    return f"{value:.3f}" if value >= 1e-3 else f"{value:.0e}"
