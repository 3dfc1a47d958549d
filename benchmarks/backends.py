"""Shifted, sampled and noisy circuits beside other ways to the same numbers: `python benchmarks/backends.py --help`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.machine import cores_of_others, machine, warn_if_busy
from harness.tables import duration, make_table, markdown, save, spread
from harness.ways import Row, Way, measure
from rich.console import Console
from rich.table import Table

from qgen.backends import SPSA, Adjoint, ParameterShift, open_backend
from qgen.backends.measurement import Measurement
from qgen.circuits import ansatz
from qgen.errors import BackendError

PACKAGES = ("qiskit-aer", "qiskit-machine-learning", "qiskit-ibm-runtime")
SIZE = "HQConv, 12 qubits, 3 layers, on Aer"
TITLES = {
    "shift weights": f"Values and parameter-shift gradients for weights, {SIZE}",
    "shift weights and inputs": f"Values and parameter-shift gradients for weights and inputs, {SIZE}",
    "forward": f"Exact values, {SIZE}",
    "device": "Noise of fake_brisbane from its name to values, HQConv, 4 qubits, 1 layer",
}
COUNTS = ("circuits", "runs", "again_seconds")
console = Console(highlight=False)


def part(name: str, batch: int, forward_batch: int, full: bool, rounds: int) -> tuple[list[Row], Table]:
    """Measures what one of the titles says: its rows, and their table for people."""
    samples, extra = batch, {}
    if name == "device":
        samples = 64
        ways = {"qgen": Way("harness.tasks:qgen_on_device")}
        ways["AerSimulator.from_backend"] = Way("harness.tasks:aer_on_device")
    elif name == "forward":
        samples = forward_batch
        ways = {"qgen": Way("harness.tasks:qgen_on_aer")}
        ways["EstimatorV2, one PUB, by hand"] = Way("harness.tasks:estimator_by_hand")
        ways["EstimatorQNN"] = Way("harness.tasks:estimator_qnn")
    else:
        extra = {"input_gradients": "inputs" in name}
        ways = {"qgen": Way("harness.tasks:qgen_on_aer")}
        ways["EstimatorQNN"] = Way("harness.tasks:estimator_qnn", part=None if full else 1)
        ways["qgen, 256 shots"] = Way("harness.tasks:qgen_on_aer", {"shots": 256})
    console.print(TITLES[name], style="dim")
    rows = measure(ways, {"samples": samples} | extra, rounds, console, fresh=name == "device")
    counts = [key for key in COUNTS if key in rows[0]]
    columns = ("way", "seconds", "min-max", "ratio", *(key.replace("_", " ") for key in counts), "difference")
    table = make_table(f"{TITLES[name]}, {samples} samples", columns)
    for row in rows:
        numbers = [duration(row[key]) if "seconds" in key else f"{row[key]:,.0f}" for key in counts]
        apart = "-" if row["difference"] is None else f"{row['difference']:.0e}"
        ratio = f"{row['ratio']:,.1f}{' *' * row['extrapolated']}"
        table.add_row(row["way"], duration(row["seconds"]), spread(row["rounds"]), ratio, *numbers, apart)
    if any(row["extrapolated"] for row in rows):
        table.caption = "* measured on one sample, once, and scaled up"
    return rows, table


def costs(batch: int, shots: int = 1024, device: str = "fake_brisbane") -> Table:
    """What a training step asks of hardware, by gradient method, as written (`aer`) and as placed on a device.

    QPU seconds are IBM's estimate of one job: 2 s, and 0.35 ms for each execution (a shot of a circuit). Source: IBM
    Quantum documentation, "Estimate job run time", for the default delay of 250 us between executions.
    """
    methods = {
        "adjoint": (Adjoint(), True),
        "spsa, 1 direction": (SPSA(), True),
        "parameter-shift, weights": (ParameterShift(), False),
        "parameter-shift, weights and inputs": (ParameterShift(), True),
        "parameter-shift:fraction=0.25, weights": (ParameterShift(fraction=0.25), False),
    }
    columns = ("circuit", "gradient", "place", "circuits a sample", "circuits", "shots in all", "QPU seconds")
    table = make_table(f"A training step on hardware, batch {batch}, {shots:,} shots a circuit", columns, labels=3)
    for name, qubits, layers in (("hqconv", 12, 3), ("fqconv", 12, 3), ("basic", 4, 1)):
        circuit = ansatz(name, qubits=qubits, layers=layers)
        bases = len(Measurement(circuit.conditional.observables).bases)
        for place in ("aer", f"aer:{device}"):
            executable = open_backend(place, shots=shots).compile(circuit)
            for method, (gradient, inputs) in methods.items():
                evaluations = gradient.evaluations(executable, (inputs, True))
                executions = batch * bases * evaluations * shots
                try:
                    gradient.check(executable)
                    money = (f"{executions:,}", f"{2 + 0.00035 * executions:,.0f}")
                except BackendError:  # not where values are sampled
                    money = ("-", "-")
                numbers = (f"{evaluations:,}", f"{batch * bases * evaluations:,}")
                table.add_row(f"{name}, {qubits} qubits, {layers} layers", method, place, *numbers, *money)
    return table


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Times that everything is measured.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Samples of a step with gradients.")] = 16,
    forward_batch: Annotated[int, typer.Option(min=1, help="Samples of a step without.")] = 128,
    full: Annotated[bool, typer.Option("--full", help="EstimatorQNN's whole step, nothing scaled: hours.")] = False,
    only: Annotated[str, typer.Option(help="Some of shift,forward,device,costs.")] = "shift,forward,device,costs",
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.md.")] = Path("benchmarks/results/backends"),
) -> None:
    """HQConv on Aer: parameter-shift beside EstimatorQNN, shots, a device's noise, and costs on hardware."""
    chosen = set(only.split(","))
    if unknown := sorted(chosen - {"shift", "forward", "device", "costs"}):
        raise typer.BadParameter(f"no part is called {', '.join(unknown)}")
    warn_if_busy(console)
    facts = machine(os.cpu_count() or 1, PACKAGES)
    report: dict[str, Any] = {"kind": "backends", "machine": facts, "settings": {"rounds": rounds, "full": full}}
    tables = []
    with cores_of_others(facts):
        for name in TITLES:
            if name.split()[0] in chosen:
                report[name], table = part(name, batch, forward_batch, full, rounds)
                tables.append(table)
        if "costs" in chosen:
            tables.append(costs(batch))
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    where = f"{facts['threads']} cores ({facts['cpu']}), Python {facts['python']}, {packages}, {facts['date'][:10]}"
    others = f"other processes took {facts['cores_taken_by_others']} of {facts['cores']} cores meanwhile"
    page = f"# Backends, measured\n\nBy `benchmarks/backends.py`. {where}. Medians of {rounds} rounds; {others}.\n"
    save(report, out)
    out.with_suffix(".md").write_text("\n".join([page, *map(markdown, tables)]))
    for table in tables:
        console.print(table)
    console.print(f"Results: {out.with_suffix('.json')}, tables: {out.with_suffix('.md')}")


if __name__ == "__main__":
    typer.run(main)
