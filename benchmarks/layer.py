"""qgen's QuantumLayer beside every peer that is installed: `python benchmarks/layer.py --help`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from harness import plot
from harness.cases import SWEEPS, Case, available_gib
from harness.machine import busy, machine
from harness.rounds import Bench
from harness.tables import layer_tables
from peers import ALL, STOCK
from rich.console import Console

EPILOG = """
Examples:

  python benchmarks/layer.py --qubits 12 --batch 128 --rounds 3

  python benchmarks/layer.py --peers qgen,tfq,pennylane_jax --peer-python tfq=ENV/bin/python

  python benchmarks/layer.py --scaling --out benchmarks/results/scaling

  python benchmarks/layer.py --redraw benchmarks/results/layer.json
"""

console = Console()


def numbers(text: str) -> list[int]:
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 4,8,12") from None


def chosen_peers(text: str, stock: bool) -> list[str]:
    names = list(ALL) if text == "all" else text.split(",")
    if unknown := sorted(set(names) - {*ALL, STOCK}):
        raise typer.BadParameter(f"no peer is called {', '.join(unknown)}; there are {', '.join([*ALL, STOCK])}")
    return names + [STOCK] * (stock and STOCK not in names)


def chosen_pythons(settings: list[str]) -> dict[str, str]:
    """The Python of each peer: from --peer-python, else from QGEN_PEER_PYTHON_NAME, else this one."""
    pythons = {name: os.environ.get(f"QGEN_PEER_PYTHON_{name.upper()}", sys.executable) for name in (*ALL, STOCK)}
    for setting in settings:
        name, separator, python = setting.partition("=")
        if not separator or name not in pythons:
            raise typer.BadParameter(f"{setting!r} is not NAME=PYTHON with a NAME from {', '.join(pythons)}")
        pythons[name] = python
    return pythons


def main(
    qubits: Annotated[str, typer.Option(help="Sizes, multiples of 4.")] = "4,8,12,16,20",
    batch: Annotated[str, typer.Option(help="Samples a step.")] = "1,16,128,1024",
    layers: Annotated[int, typer.Option(min=1, help="Entangling layers.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, help="Times that every contender has its turn.")] = 5,
    peers: Annotated[str, typer.Option(help="`all`, or names with commas: " + ", ".join(ALL))] = "all",
    stock: Annotated[bool, typer.Option("--stock", help="Also stock qiskit-machine-learning, on one sample.")] = False,
    budget_seconds: Annotated[float, typer.Option(help="A step over this is not repeated, nor any larger one.")] = 10.0,
    give_up_seconds: Annotated[float, typer.Option(help="Longest call, compilation included.")] = 180.0,
    memory_gib: Annotated[float, typer.Option(help="Larger steps are skipped; 0: 60 % of what is free now.")] = 0.0,
    threads: Annotated[int, typer.Option(help="Cores for each contender; 0: all.")] = 0,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="cuda: qgen and the peers on torch.")] = "cpu",
    peer_python: Annotated[list[str], typer.Option(help="NAME=PYTHON, for a peer with its own environment.")] = [],  # noqa: B006
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.png.")] = Path("benchmarks/results/layer"),
    scaling: Annotated[bool, typer.Option("--scaling", help="Only qgen: growth in qubits, layers and batch.")] = False,
    redraw: Annotated[Path | None, typer.Option(help="Only draw and print an earlier OUT.json again.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what the libraries print.")] = False,
) -> None:
    """Time, memory and correctness of one training step of a quantum layer, side by side."""
    if redraw:
        report = json.loads(redraw.read_text())
        show(report["rows"])
        draw(report, redraw.with_suffix(""))
        return
    bench = Bench(
        pythons=chosen_pythons(peer_python),
        rounds=rounds,
        budget_seconds=budget_seconds,
        give_up_seconds=give_up_seconds,
        memory_gib=memory_gib or 0.6 * available_gib(),
        threads=threads or len(os.sched_getaffinity(0)),
        device=device,
        verbose=verbose,
        report=lambda text: console.print(text, style="dim", highlight=False),
    )
    names = ["qgen"] if scaling else chosen_peers(peers, stock)
    plan = [("", Case(n, layers, b)) for n in numbers(qubits) for b in numbers(batch)]
    if scaling:
        plan = [(sweep, case) for sweep, cases in SWEEPS.items() for case in cases]
    if warning := busy():
        console.print(warning, style="yellow")
    report = {
        "kind": "scaling" if scaling else "comparison",
        "machine": machine(bench.threads),
        "settings": {name: getattr(bench, name) for name in ("rounds", "device", "budget_seconds", "memory_gib")},
        "rows": [],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    for sweep, case in plan:
        rows = bench.measure(case, names)
        report["rows"] += [{**row, "sweep": sweep} for row in rows]
        show(rows)
        # After each case: a long run that is stopped keeps what it had.
        out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    draw(report, out)


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the tables of some rows."""
    for table in layer_tables(rows):
        console.print(table.rich())


def draw(report: dict[str, Any], out: Path) -> None:
    """Draws a report beside its JSON."""
    note = plot.caption(report["machine"], report["settings"]["device"])
    if report["kind"] == "scaling":
        sweeps = {name: sorted({vars(case)[name] for case in cases}) for name, cases in SWEEPS.items()}
        plot.scaling(report["rows"], sweeps, note, out.with_suffix(".png"))
    else:
        plot.comparison(report["rows"], note, out.with_suffix(".png"))
    console.print(f"Results: {out.with_suffix('.json')}, figure: {out.with_suffix('.png')}", highlight=False)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(epilog=EPILOG)(main)
    app()
