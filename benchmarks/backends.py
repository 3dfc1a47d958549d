"""Shifted, sampled and noisy circuits beside other ways to the same numbers: `python benchmarks/backends.py --help`."""

from __future__ import annotations

import json
import os
import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from harness.machine import CPULoad, busy, machine
from harness.tables import Table, duration, spread
from harness.worker import Worker
from rich.console import Console

from qgen.backends import SPSA, Adjoint, ParameterShift, open_backend
from qgen.backends.measurement import Measurement
from qgen.circuits import ansatz
from qgen.errors import BackendError

PACKAGES = ("qiskit-aer", "qiskit-machine-learning", "qiskit-ibm-runtime")
EPILOG = """
Examples:

  python benchmarks/backends.py                  # about ten minutes

  python benchmarks/backends.py --only device,costs --rounds 5 --out device
"""
console = Console(highlight=False)
Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One question: several ways to the same numbers, measured in interleaved rounds.

    Attributes:
        title: of its table.
        samples: of a request.
        ways: name -> task in `harness.tasks`, what that is built with, and how its request differs.
        fresh: a new process for every round.
        request: what is asked of all of them.
    """

    title: str
    samples: int
    ways: dict[str, tuple[str, Row, Row]]
    fresh: bool = False
    request: Row = field(default_factory=dict)

    def measure(self, rounds: int, verbose: bool) -> list[Row]:
        """A row for each way. One that does fewer samples is scaled up, and is measured once."""
        rows: list[Row] = [{"way": way, "rounds": [], "difference": None} for way in self.ways]
        with ExitStack() as stack:
            workers: dict[str, Worker] = {}
            for number in range(-1, rounds):  # the first round warms up
                numbers: list[Any] = []
                for row in rows:
                    task, settings, change = self.ways[row["way"]]
                    request = {"samples": self.samples, "seed": abs(number), **self.request, **change}
                    part = request["samples"] < self.samples
                    if (part and number != 0) or (self.fresh and number < 0):
                        continue
                    console.print(f"round {number + 1}: {row['way']}, {self.title}", style="dim")
                    if self.fresh or row["way"] not in workers:
                        worker = Worker(f"harness.tasks:{task}", verbose=verbose, **settings)
                        workers[row["way"]] = stack.enter_context(worker)
                    answer = workers[row["way"]].ask(**request)
                    numbers = numbers or answer.pop("numbers", [])
                    if number >= 0:
                        scale = self.samples / request["samples"]
                        if numbers and (row is rows[0] or "numbers" in answer):
                            apart = _difference(numbers, answer.pop("numbers", numbers))
                            row["difference"] = max(row["difference"] or 0.0, apart)
                        row["rounds"].append(scale * answer.pop("seconds"))
                        row |= {"extrapolated": part} | {key: scale * value for key, value in answer.items()}
        return [row | {"seconds": statistics.median(row["rounds"])} for row in rows]

    def table(self, rows: list[Row]) -> Table:
        """For people."""
        counts = [key for key in ("circuits", "runs", "again_seconds") if key in rows[0]]
        columns = ("way", "seconds", "min-max", "ratio", *(key.replace("_", " ") for key in counts), "difference")
        table = Table(f"{self.title}, {self.samples} samples", columns)
        for row in rows:
            ratio = f"{row['seconds'] / rows[0]['seconds']:,.1f}{' *' * row['extrapolated']}"
            numbers = [duration(row[key]) if "seconds" in key else f"{row[key]:,.0f}" for key in counts]
            times = (duration(row["seconds"]), spread(row["rounds"]))
            apart = "-" if row["difference"] is None else f"{row['difference']:.0e}"
            table.rows.append((row["way"], *times, ratio, *numbers, apart))
        if any(row["extrapolated"] for row in rows):
            table.notes.append("* measured on one sample, once, and scaled up")
        return table


def _difference(numbers: list[Any], others: list[Any]) -> float:
    """The largest deviation, over as many samples as both have; weights' gradients are sums over samples."""
    pairs = [(np.asarray(one), np.asarray(other)) for one, other in zip(numbers, others, strict=True)]
    same = [(one[: len(other)], other) for one, other in pairs if one.shape == other.shape or one.ndim == 2]
    if any(one.shape != other.shape for one, other in pairs):
        same = [pair for pair in same if pair[1].ndim == 2]
    return max((float(np.max(np.abs(one - other))) for one, other in same), default=0.0)


def parts(batch: int, forward_batch: int, full: bool) -> dict[str, Part]:
    """All that is measured."""
    some = {} if full else {"samples": 1}
    size, found = "HQConv, 12 qubits, 3 layers", {}
    for name, both in (("weights", False), ("weights and inputs", True)):
        ways = {
            "qgen": ("Shift", {}, {}),
            "EstimatorQNN": ("Stock", {}, some),
            "qgen, 256 shots": ("Shift", {"shots": 256}, {}),
        }
        title = f"Values and parameter-shift gradients for {name}, {size}, on Aer"
        found[f"shift {name}"] = Part(title, batch, ways, request={"input_gradients": both})
    ways = {"qgen": ("Values", {}, {}), "EstimatorV2, one PUB, by hand": ("Broadcast", {}, {})}
    title = f"Exact values, {size}, on Aer"
    found["forward"] = Part(title, forward_batch, ways | {"EstimatorQNN": ("Stock", {}, {})})
    ways = {"qgen": ("Device", {}, {}), "AerSimulator.from_backend": ("WholeDevice", {}, {})}
    title = "Noise of fake_brisbane from its name to values, HQConv, 4 qubits, 1 layer"
    return found | {"device": Part(title, 64, ways, fresh=True)}


def costs(batch: int, shots: int = 1024, device: str = "fake_brisbane") -> Table:
    """What a training step asks of hardware, by gradient method, as written (`aer`) and as placed on a device.

    QPU seconds are IBM's estimate of one job: 2 s, and 0.35 ms for each execution (a shot of a circuit). Source: IBM
    Quantum documentation, "Estimate job run time", for the default delay of 250 us between executions.
    """
    methods = {"adjoint": (Adjoint(), True), "spsa, 1 direction": (SPSA(), True)}
    methods |= {"parameter-shift, weights": (ParameterShift(), False)}
    methods |= {"parameter-shift, weights and inputs": (ParameterShift(), True)}
    methods |= {"parameter-shift:fraction=0.25, weights": (ParameterShift(fraction=0.25), False)}
    columns = ("circuit", "gradient", "place", "circuits a sample", "circuits", "shots in all", "QPU seconds")
    table = Table(f"A training step on hardware, batch {batch}, {shots:,} shots a circuit", columns, labels=3)
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
                table.rows.append((f"{name}, {qubits} qubits, {layers} layers", method, place, *numbers, *money))
    return table


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Times that everything is measured.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Samples of a step with gradients.")] = 16,
    forward_batch: Annotated[int, typer.Option(min=1, help="Samples of a step without.")] = 128,
    full: Annotated[bool, typer.Option("--full", help="EstimatorQNN's whole step, nothing scaled: hours.")] = False,
    only: Annotated[str, typer.Option(help="Some of shift,forward,device,costs.")] = "shift,forward,device,costs",
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.md.")] = Path("benchmarks/results/backends"),
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what the libraries print.")] = False,
) -> None:
    """HQConv on Aer: parameter-shift beside EstimatorQNN, shots, a device's noise, and costs on hardware."""
    chosen = set(only.split(","))
    if unknown := sorted(chosen - {"shift", "forward", "device", "costs"}):
        raise typer.BadParameter(f"no part is called {', '.join(unknown)}")
    if warning := busy():
        console.print(warning, style="yellow")
    load, facts = CPULoad(), machine(os.cpu_count() or 1, PACKAGES)
    report: dict[str, Any] = {"kind": "backends", "machine": facts, "settings": {"rounds": rounds, "full": full}}
    tables = []
    for name, part in parts(batch, forward_batch, full).items():
        if name.split()[0] in chosen:
            report[name] = part.measure(rounds, verbose)
            tables.append(part.table(report[name]))
    if "costs" in chosen:
        tables.append(costs(batch))
    facts["cores_taken_by_others"] = load.others()
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    where = f"{facts['threads']} cores ({facts['cpu']}), Python {facts['python']}, {packages}, {facts['date'][:10]}"
    others = f"other processes took {facts['cores_taken_by_others']} of {facts['cores']} cores meanwhile"
    page = f"# Backends, measured\n\nBy `benchmarks/backends.py`. {where}. Medians of {rounds} rounds; {others}.\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    out.with_suffix(".md").write_text("\n".join([page, *(table.markdown() for table in tables)]))
    for table in tables:
        console.print(table.rich())
    console.print(f"Results: {out.with_suffix('.json')}, tables: {out.with_suffix('.md')}")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(epilog=EPILOG)(main)
    app()
