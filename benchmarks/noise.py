"""Values and gradients under a device's noise, beside Aer: `python benchmarks/noise.py --help`.

Aer is measured by its density matrix, which is exact, and by its trajectories, a state for each shot; the better of the
two at equal error is what qgen is compared with. Its gradients are those of parameter-shift: so many values, times the
seconds of one. Times are CPU seconds of all threads, in interleaved rounds within one process.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from harness.machine import machine, warn_if_busy
from harness.tables import duration, make_table, markdown, save
from rich.console import Console
from rich.table import Table

from qgen.backends import ParameterShift, open_backend
from qgen.backends.api import Executable
from qgen.circuits import LayerCircuit, ansatz

COLUMNS = ("way", "what", "samples", "a sample", "error", "Aer at this error", "ratio")
#: Shots that Aer's trajectories are timed with.
SHOTS = 200
#: Errors below this are rounding.
EXACT = 1e-6
console = Console(highlight=False)


@dataclass
class Contender:
    """One way to values or gradients: its call, how many samples it is for, and what was measured.

    error: root mean square of values, or of gradients relative to their norm; 0 where they are exact.
    """

    name: str
    what: str
    samples: int
    call: Callable[[int], np.ndarray]
    truth: np.ndarray | None = None
    seconds: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def take(self, seed: int) -> None:
        """One round."""
        started = time.process_time()
        result = self.call(seed)
        self.seconds.append((time.process_time() - started) / self.samples)
        if self.truth is not None:
            scale = np.sqrt((self.truth**2).mean()) if self.what == "gradient" else 1.0
            self.errors.append(float(np.sqrt(((result - self.truth) ** 2).mean()) / scale))

    @property
    def median(self) -> float:
        """CPU seconds a sample."""
        return statistics.median(self.seconds)

    @property
    def error(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.errors) if self.errors else 0.0


@dataclass
class Case:
    """A circuit on a device, with angles for a batch."""

    circuit: LayerCircuit
    device: str
    batch: int

    def __post_init__(self) -> None:
        rng = np.random.default_rng(1)
        self.inputs = torch.from_numpy(rng.uniform(-3, 3, (self.batch, self.circuit.num_inputs)))
        self.weights = torch.from_numpy(rng.uniform(-3, 3, self.circuit.num_weights))
        self.upstream = torch.from_numpy(rng.normal(size=(self.batch, self.circuit.num_observables)))

    def compiled(self, backend: str, **options: Any) -> Executable:
        """The circuit on a backend with the device's noise."""
        return open_backend(f"{backend}:{self.device}", **options).compile(self.circuit)

    def values(self, executable: Executable, samples: int, seed: int) -> np.ndarray:
        """Values (samples, O)."""
        return executable.expectations(self.inputs[:samples], self.weights, seed).numpy()

    def gradient(self, executable: Executable, samples: int, seed: int) -> np.ndarray:
        """The gradient for the weights, values included."""
        inputs, upstream = self.inputs[:samples], self.upstream[:samples]
        executable.expectations(inputs, self.weights, seed)
        return executable.vjp(inputs, self.weights, upstream, (False, True), seed)[1].numpy()


@dataclass(frozen=True)
class Baseline:
    """What Aer takes for a value at some error, and for a gradient by parameter-shift.

    density: seconds of an exact value; shot: seconds of one shot; values: mean of 1 - v^2, the variance of a shot;
    gradient: the variance of the gradient's error (its squared norm) with one shot a value, relative to its squared
    norm; evaluations: values that a gradient takes for a sample.
    """

    density: float
    shot: float
    values: float
    gradient: float
    evaluations: int

    def seconds(self, what: str, error: float) -> float:
        """CPU seconds a sample of the better of Aer's two methods."""
        variance, count = (self.values, 1) if what == "values" else (self.gradient, self.evaluations)
        sampled = self.shot * variance / error**2 if error else float("inf")
        return count * min(self.density, sampled)


def baseline(case: Case, rows: list[Contender], truths: tuple[np.ndarray, np.ndarray]) -> Baseline:
    """By Aer's measured times, and by the variance of shots.

    An angle's slope is half the difference of two values, each with the variance sum_o g_o^2 (1 - v_o^2) / shots. A
    weight's slope is a sum over angles, and the gradient's over the samples of the batch.
    """
    executable: Any = case.compiled("aer")
    table = executable.routed.parameter_map
    parameters = torch.cat([case.inputs, case.weights.expand(case.batch, -1)], dim=1).numpy()
    slopes = table.vjp(np.repeat(parameters[:1], table.count, axis=0), np.eye(table.count))[:, case.inputs.shape[1] :]
    spread = 1 - truths[0] ** 2
    variance = float((case.upstream.numpy() ** 2 * spread).sum() / 2 * (slopes**2).sum() / (truths[1] ** 2).sum())
    density, shots = (row.median for row in rows[:2])
    evaluations = ParameterShift().evaluations(executable, (False, True))
    return Baseline(density, shots / SHOTS, float(spread.mean()), variance, evaluations)


def contenders(
    case: Case, tolerances: list[float], paths: list[int], truths: tuple[np.ndarray, np.ndarray]
) -> list[Contender]:
    """Aer's two methods on one sample, and qgen's on the whole batch."""
    aer = {"Aer, density matrix": case.compiled("aer"), f"Aer, {SHOTS} shots": case.compiled("aer", shots=SHOTS)}
    ways = {"exact": case.compiled("noisy", method="exact")}
    for tolerance in tolerances:
        ways[f"propagate, tolerance {tolerance:g}"] = case.compiled("noisy", method="propagate", tolerance=tolerance)
    for count in paths:
        ways[f"paths, {count}"] = case.compiled("noisy", method="paths", paths=count)
    found = [Contender(name, "values", 1, _bound(case.values, one, 1), truths[0][:1]) for name, one in aer.items()]
    for name, executable in ways.items():
        for what, call, truth in (("values", case.values, truths[0]), ("gradient", case.gradient, truths[1])):
            found.append(Contender(name, what, case.batch, _bound(call, executable, case.batch), truth))
    return found


def _bound(call: Callable[..., np.ndarray], executable: Executable, samples: int) -> Callable[[int], np.ndarray]:
    return lambda seed: call(executable, samples, seed)


def measure(case: Case, tolerances: list[float], paths: list[int], rounds: int) -> tuple[list[dict[str, Any]], Table]:
    """Rows and a table of one case."""
    exact = case.compiled("noisy", method="exact")
    truths = case.values(exact, case.batch, 0), case.gradient(exact, case.batch, 0)
    rows = contenders(case, tolerances, paths, truths)
    for number in range(-1, rounds):
        for row in rows:
            if number >= 0 or not row.name.startswith("Aer"):  # ours compile, and find a tolerance, at first
                row.take(number + 1)
        for row in rows if number < 0 else ():
            row.seconds.clear()
            row.errors.clear()
    aer = baseline(case, rows, truths)
    table = make_table(f"HQConv, {case.circuit.qubits} qubits, 3 layers, {case.device}, batch {case.batch}", COLUMNS, 2)
    found = []
    for row in rows:
        error = 0.0 if row.error < EXACT else row.error
        other = aer.seconds(row.what, error)
        entry = {"way": row.name, "what": row.what, "samples": row.samples, "seconds": row.median, "error": row.error}
        found.append(entry | {"aer_seconds": other, "ratio": other / row.median})
        times = duration(row.median), f"{row.error:.1e}", duration(other), f"{other / row.median:,.0f}"
        table.add_row(row.name, row.what, str(row.samples), *times)
    return found, table


def main(
    sizes: Annotated[str, typer.Option(help="Of HQConv, QUBITSxBATCH.")] = "4x16,8x16,12x64",
    device: Annotated[str, typer.Option(help="The device whose noise it is.")] = "fake_brisbane",
    tolerances: Annotated[str, typer.Option(help="Of method `propagate`.")] = "0.03,0.01",
    paths: Annotated[str, typer.Option(help="Of method `paths`.")] = "16,100",
    rounds: Annotated[int, typer.Option(min=1, help="Times that everything is measured.")] = 3,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.md.")] = Path("benchmarks/results/noise"),
) -> None:
    """qgen's noisy engine beside Aer's density matrix and trajectories."""
    warn_if_busy(console)
    report: dict[str, Any] = {"machine": machine(torch.get_num_threads(), ("qiskit-aer",)), "rounds": rounds}
    tables = []
    for size in sizes.split(","):
        count, batch = map(int, size.split("x"))
        case = Case(ansatz("hqconv", qubits=count, layers=3), device, batch)
        rows, table = measure(case, [float(t) for t in tolerances.split(",")], list(map(int, paths.split(","))), rounds)
        report[f"{count} qubits"] = rows
        tables.append(table)
        console.print(table)
        report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        save(report, out)
    where = report["machine"]
    text = f"By `benchmarks/noise.py`: CPU seconds of all threads. {where['cpu']}, {where['date'][:10]}."
    page = f"# Noise, measured\n\n{text}\n"
    out.with_suffix(".md").write_text("\n".join([page, *map(markdown, tables)]))


if __name__ == "__main__":
    typer.run(main)
