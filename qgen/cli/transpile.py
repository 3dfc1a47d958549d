"""`qgen transpile`: what circuits become on a device."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.cli import words
from qgen.cli.progress import progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from qgen.circuits import LayerCircuit
    from qgen.reports import DeviceReport, TranspilationReport

EXAMPLES = """\b
Examples:
  qgen transpile --circuit hqconv:8,1 --backend fake_fez --seeds 5
  qgen transpile --circuit basic --backend fake_fez --compare fake_boston
  qgen transpile --circuit basic:6,2 --backend fake_fez --levels 2-3 --json
  qgen transpile --circuit basic --backend fake_fez --html page.html --seeds 3
  qgen transpile --qasm circuit.qasm --backend fake_torino --seeds 5
  qgen transpile runs/first-try --backend fake_fez --seeds 5"""

_LEVELS = re.compile(r"(?P<first>\d)(?:-(?P<last>\d))?")
_NUMBERS = ("2q", "extra", "depth", "us", "gates", "read", "idle", "success", "gain")
_LEGEND = (
    "2q, extra, depth: two-qubit gates, those that routing adds, and their layers;",
    "us: duration; gates, read(out), idle: parts of success; gain: over Qiskit's level 3;",
    "+: moved to better qubits afterwards",
)
#: Seeds that are worth one more process: to start one and to bring its circuits back takes as long as many of them.
_WORTH = 30


def transpile(
    backend: Annotated[str, typer.Option(metavar="NAME", help="A device; `qgen backends` lists them.")],
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="The folder of a trained run: its circuits. Default: the latest."),
    ] = None,
    circuit: Annotated[
        str | None, typer.Option(metavar="CIRCUIT", help="NAME[:QUBITS,LAYERS], or the file of a saved circuit.")
    ] = None,
    qasm: Annotated[Path | None, typer.Option(metavar="FILE", help="A circuit in OpenQASM 2 or 3.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="What an ansatz offers; see `qgen describe`. Repeatable."),
    ] = None,
    compare: Annotated[str | None, typer.Option(metavar="NAME,NAME", help="Other devices to set beside it.")] = None,
    levels: Annotated[str, typer.Option(metavar="0-3", help="Optimisation levels: 3, 1-3 or 0,2.")] = "0-3",
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="How many seeds of the transpiler.")] = 20,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write a page with pictures; one circuit only.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all that was tried.")] = False,
) -> None:
    """Search for the best way to run circuits on devices, and tell how likely they succeed.

    Success is the probability that no gate, no readout and no waiting qubit fails in one execution; gain is that over
    what Qiskit's level 3 reaches with seed 0.
    """
    from rich.console import Console

    from qgen.reports import report_with_circuits
    from qgen.reports.page import write_page

    if sum(given is not None for given in (run, circuit, qasm)) > 1:
        raise typer.BadParameter("Give one of RUN, --circuit and --qasm.")
    if option and circuit is None:
        raise typer.BadParameter("--option goes with --circuit.", param_hint="--option")
    wanted = _levels(levels)
    devices = _devices(backend, compare)
    if html and html.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"{str(html)!r} does not end in .html.", param_hint="--html")
    console, reports = Console(highlight=False, stderr=as_json), []
    circuits = _circuits(run, circuit, qasm, option or [])
    if html and len(circuits) > 1:
        raise typer.BadParameter(f"{run} has {len(circuits)} circuits, and a page shows one.", param_hint="--html")
    for name, chosen in circuits.items():
        with progress(console, f"transpiling {name}") as told:
            report, best = report_with_circuits(
                chosen, devices, wanted, seeds, told, name=name, processes=_processes(seeds)
            )
        reports.append(report)
        if html:
            write_page(report, html, {device.device: one.isa for device, one in zip(report.devices, best, strict=True)})
    if as_json:
        typer.echo(json.dumps({"reports": [report.to_dict() for report in reports]}, indent=2, ensure_ascii=False))
        return
    for report in reports:
        _print(console, report)
    if html:
        console.print(f"page: {html}", soft_wrap=True)


def _levels(text: str) -> tuple[int, ...]:
    """The levels that `3`, `1-3` or `0,2` name, in order."""
    found: set[int] = set()
    for part in text.split(","):
        match = _LEVELS.fullmatch(part.strip())
        first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (1, 0)
        if not 0 <= first <= last <= 3:
            raise typer.BadParameter(
                f"{text!r} names no optimisation levels from 0 to 3; write 3, 1-3 or 0,2.", param_hint="--levels"
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def _devices(backend: str, compare: str | None) -> tuple[str, ...]:
    names = [backend, *(compare or "").split(",")]
    return tuple(dict.fromkeys(name.strip().removeprefix("aer:") for name in names if name.strip()))


def _circuits(run: Path | None, circuit: str | None, qasm: Path | None, options: list[str]) -> dict[str, LayerCircuit]:
    """What is asked for, by the names that a reader is shown."""
    if qasm is not None:
        from qgen.reports.qasm import read_qasm

        return {str(qasm): read_qasm(qasm)}
    if circuit is not None:
        from qgen.circuits import LayerCircuit

        recipe = words.read_recipe(circuit, options)
        return {circuit: recipe.build() if recipe else LayerCircuit.load(circuit)}
    return _circuits_of_run(run)


def _processes(seeds: int) -> int:
    """One for each core, where there is enough to do."""
    return min(os.cpu_count() or 1, 8, 1 + seeds // _WORTH)


def _circuits_of_run(path: Path | None) -> dict[str, LayerCircuit]:
    """Every form of circuit in the model of a run, once."""
    from qgen.errors import RunError
    from qgen.models.quantum import PatchCircuits
    from qgen.runs import find_run, open_trained

    run = find_run(path)
    modules = open_trained(run, {"name": "statevector"}).generator.network.modules()
    banks = {_form(inner.bank.circuit): inner.bank for inner in modules if isinstance(inner, PatchCircuits)}
    if not banks:
        raise RunError(f"{run.path} has no circuits: its model is classical")
    # The largest first: one that does not fit is refused before anything is run.
    ordered = sorted(banks.values(), key=lambda bank: -bank.circuit.qubits)
    return {
        f"{run.name}, circuit {k} ({bank.ansatz}:{bank.circuit.num_inputs},{bank.layers})": bank.circuit
        for k, bank in enumerate(ordered, 1)
    }


def _form(circuit: LayerCircuit) -> tuple[object, ...]:
    """What is equal for circuits that differ in their angles alone."""
    whole = circuit.circuit
    index = {qubit: k for k, qubit in enumerate(whole.qubits)}
    gates = tuple((step.operation.name, *(index[qubit] for qubit in step.qubits)) for step in whole.data)
    return circuit.qubits, circuit.num_inputs, circuit.num_weights, gates


def _print(console: Console, report: TranspilationReport) -> None:
    console.print(
        f"\n{report.circuit}: {report.qubits} qubits, {report.parameters} parameters; "
        f"{report.two_qubit_bound} two-qubit gates where every qubit is coupled to every other",
        soft_wrap=True,
    )
    console.print(_table(report.devices))
    console.print("\n".join(_LEGEND), style="dim", soft_wrap=True)
    for device in report.devices:
        for warning in device.warnings:
            console.print(f"warning: {warning}", soft_wrap=True, style="yellow")


def _table(devices: tuple[DeviceReport, ...]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("device", no_wrap=True)
    table.add_column("level/seed", no_wrap=True)
    for heading in _NUMBERS:
        table.add_column(heading, justify="right", no_wrap=True)
    for device in devices:
        table.add_row(device.device, *_row(device))
    return table


def _row(device: DeviceReport) -> list[str]:
    best, figures = device.best, device.best.figures
    success, before = figures.success, device.default.figures.success.total
    gain = f"{success.total / before:.2f}x" if before else "-"
    return [
        f"{best.level}/{best.seed}{'+' if best.replaced else ''}",
        f"{figures.two_qubit_gates}",
        f"{figures.extra_two_qubit_gates}",
        f"{figures.two_qubit_depth}",
        "-" if figures.duration_us is None else f"{figures.duration_us:.1f}",
        *(f"{part:.3f}" for part in (success.gates, success.readout, success.idle)),
        f"{success.total:.3f}" if success.total >= 1e-3 else f"{success.total:.0e}",
        gain,
    ]
