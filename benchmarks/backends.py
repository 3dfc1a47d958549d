"""Shifted, sampled and noisy circuits beside other ways to the same numbers: `python benchmarks/backends.py --help`."""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.backend_sheets import page, sheets, targets
from harness.bills import bills
from harness.contests import Contests
from harness.machine import machine
from harness.neighbours import Neighbours
from rich.console import Console

BILLED_SHOTS, DEVICE = 1024, "fake_brisbane"
PACKAGES = ("qiskit-aer", "qiskit-machine-learning", "qiskit-ibm-runtime")
EPILOG = """
Examples:

  python benchmarks/backends.py                  # about ten minutes

  python benchmarks/backends.py --full           # EstimatorQNN's whole step, nothing extrapolated: half an hour more

  python benchmarks/backends.py --only device,bills --rounds 5 --out device

  python benchmarks/backends.py --redraw benchmarks/results/backends.json
"""
console = Console(highlight=False)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Times that every way has its turn.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Samples of a step with gradients.")] = 16,
    forward_batch: Annotated[int, typer.Option(min=1, help="Samples of a step without.")] = 128,
    full: Annotated[bool, typer.Option("--full", help="Run EstimatorQNN's gradients on the whole batch.")] = False,
    only: Annotated[
        str, typer.Option(help="Some of shift,forward,sampled,device,bills; OUT keeps the others.")
    ] = "all",
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.md.")] = Path("benchmarks/results/backends"),
    redraw: Annotated[Path | None, typer.Option(help="Only print and write the tables of an earlier OUT.json.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what the libraries print.")] = False,
) -> None:
    """HQConv on Aer: parameter-shift beside EstimatorQNN, shots, a device's noise, and what hardware bills a step."""
    if redraw:
        show(json.loads(redraw.read_text()), redraw.with_suffix(""))
        return
    contests = Contests(rounds, batch, forward_batch, full, verbose, lambda text: console.print(text, style="dim"))
    parts = {name: getattr(contests, name) for name in ("shift", "forward", "sampled", "device")}
    parts["bills"] = lambda: bills(batch, BILLED_SHOTS, DEVICE)
    chosen = list(parts) if only == "all" else only.split(",")
    if unknown := sorted(set(chosen) - set(parts)):
        raise typer.BadParameter(f"no part is called {', '.join(unknown)}; there are {', '.join(parts)}")
    if (load := os.getloadavg()[0]) > 0.5:
        console.print(f"Something else is running here (load {load:.1f}): times will be too long.", style="yellow")
    report = (
        json.loads(out.with_suffix(".json").read_text()) if only != "all" and out.with_suffix(".json").exists() else {}
    )
    for name in chosen:
        neighbours, facts = Neighbours(), machine(os.cpu_count() or 1)
        rows = parts[name]()
        facts["packages"] |= {package: metadata.version(package) for package in PACKAGES}
        facts["cores_taken_by_others"] = neighbours.cores()
        report[name] = {"machine": facts, "settings": {"rounds": rounds, "full": full}, "rows": rows}
    show({"kind": "backends", **report}, out)


def show(report: dict[str, Any], out: Path) -> None:
    """Print a report, and write it with its tables and with what it says of the targets."""
    report["targets"] = targets(report)
    tables = sheets(report)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    out.with_suffix(".md").write_text(page(report, tables))
    for table in tables:
        console.print(table.rich())
    console.print(f"Results: {out.with_suffix('.json')}, tables: {out.with_suffix('.md')}")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(epilog=EPILOG)(main)
    app()
