"""qgen's QuantumLayer beside every peer that is installed: `python benchmarks/layer.py --help`."""

from __future__ import annotations

import json
import os
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
import typer
from harness import plot
from harness.case import Case
from harness.machine import machine, warn_if_busy
from harness.rounds import Bench, Row
from harness.tables import duration, make_table, save, spread
from peers import PEERS
from rich.console import Console

STOCK = "stock"
#: What `--scaling` varies: -> sizes.
SWEEPS = {
    "qubits": [Case(n, 3, 16) for n in (4, 8, 12, 16, 20)],
    "layers": [Case(12, layers, 128) for layers in (1, 2, 4, 8, 16)],
    "batch": [Case(12, 3, batch) for batch in (1, 4, 16, 64, 256, 1024)],
}
COLUMNS = ("", "step", "min-max", "x qgen", "peak MiB", "first call", "right?")

console = Console(highlight=False)


def main(
    qubits: Annotated[str, typer.Option(help="Sizes, multiples of 4.")] = "4,8,12,16,20",
    batch: Annotated[str, typer.Option(help="Samples a step.")] = "1,16,128,1024",
    layers: Annotated[int, typer.Option(min=1, help="Entangling layers.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, help="Times that every contender has its turn.")] = 5,
    peers: Annotated[str, typer.Option(help="`all`, or names with commas: " + ", ".join(PEERS))] = "all",
    stock: Annotated[bool, typer.Option("--stock", help="Also stock qiskit-machine-learning, on one sample.")] = False,
    budget_seconds: Annotated[float, typer.Option(help="A step over this is not repeated, nor any larger one.")] = 10.0,
    give_up_seconds: Annotated[float, typer.Option(help="Longest call, compilation included.")] = 180.0,
    memory_gib: Annotated[float, typer.Option(help="Larger steps are skipped; 0: 60 % of what is free now.")] = 0.0,
    threads: Annotated[int, typer.Option(help="Cores for each contender; 0: all.")] = 0,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="cuda: qgen and the peers on torch.")] = "cpu",
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
    names = [name for name in PEERS if name != STOCK or stock] if peers == "all" else peers.split(",")
    if scaling:
        names, plan = ["qgen"], [(sweep, case) for sweep, cases in SWEEPS.items() for case in cases]
    else:
        plan = [("", Case(n, layers, b)) for n in numbers(qubits) for b in numbers(batch)]
    if unknown := sorted(set(names) - set(PEERS)):
        raise typer.BadParameter(f"no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)}")
    bench = Bench(
        rounds=rounds,
        budget_seconds=budget_seconds,
        give_up_seconds=give_up_seconds,
        memory_gib=memory_gib or 0.6 * psutil.virtual_memory().available / 2**30,
        threads=threads or len(os.sched_getaffinity(0)),
        device=device,
        verbose=verbose,
        report=lambda text: console.print(text, style="dim"),
    )
    warn_if_busy(console)
    report = {
        "kind": "scaling" if scaling else "comparison",
        "machine": machine(bench.threads),
        "settings": {name: getattr(bench, name) for name in ("rounds", "device", "budget_seconds", "memory_gib")},
        "rows": [],
    }
    for sweep, case in plan:
        rows = bench.measure(case, names)
        report["rows"] += [{**row, "sweep": sweep} for row in rows]
        show(rows)
        save(report, out)  # after each case: a long run that is stopped keeps what it had
    draw(report, out)


def numbers(text: str) -> list[int]:
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 4,8,12") from None


def show(rows: list[Row]) -> None:
    """Prints a table for each size: the fastest first, those that were not measured last and with the reason."""
    for size, group in groupby(rows, key=lambda row: (row["qubits"], row["layers"], row["batch"])):
        table = make_table(str(Case(*size)), COLUMNS)
        members = sorted(group, key=lambda row: row.get("seconds", float("inf")))
        own = next((row.get("seconds") for row in members if row["peer"] == "qgen"), None)
        for row in members:
            table.add_row(row["name"], *cells(row, own))
        if any(row.get("extrapolated") for row in members):
            table.caption = "* measured on fewer samples and scaled to the batch"
        console.print(table)


def cells(row: Row, own: float | None) -> tuple[str, ...]:
    """A row for people, beside the seconds that qgen took."""
    if "seconds" not in row:
        return row["status"], "", "", "", "", row["reason"]
    seconds = row["seconds"]
    return (
        duration(seconds) + (" *" if row["extrapolated"] else ""),
        spread([row["seconds_low"], row["seconds_high"]]) if len(row["round_seconds"]) > 1 else "once",
        f"{seconds / own:,.{2 if seconds < 100 * own else 0}f}" if own else "-",
        "-" if row.get("peak_mib") is None else f"{row['peak_mib']:.0f}",
        duration(row["first_seconds"]),
        f"{'right' if row['right'] else 'off'} ({max(row['errors'].values()):.0e})",
    )


def draw(report: dict[str, Any], out: Path) -> None:
    """Draws a report beside its JSON."""
    picture, where = out.with_suffix(".png"), report["machine"]
    threads = "GPU" if report["settings"]["device"] == "cuda" else f"{where['threads']} threads"
    note = f"{where['cpu']}, {threads}, float32 where a library can, {where['date'][:10]}"
    if report["kind"] == "scaling":
        plot.scaling(report["rows"], note, picture)
    else:
        plot.comparison(report["rows"], note, picture)
    console.print(f"Results: {out.with_suffix('.json')}, figure: {picture}")


if __name__ == "__main__":
    typer.run(main)
