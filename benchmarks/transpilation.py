"""Circuits on devices by the search, by Qiskit and by other transpilers: `python benchmarks/transpilation.py`.

All are judged by the same figures of the same snapshot, and checked: outcomes have the probabilities of the original.
A transpiler that is not installed has no row; `peers/on_devices.py` says what to install.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from harness.machine import machine
from harness.tables import make_table, markdown, save
from peers.on_devices import STOCK_SEEDS, measurements, ways
from qiskit import QuantumCircuit
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator

from qgen.circuits import ansatz
from qgen.circuits.observables import support
from qgen.devices import open_device
from qgen.transpilation import search
from qgen.transpilation.circuit_metrics import compute_metrics
from qgen.transpilation.relayout import final_layout

Row = dict[str, Any]
DEVICES = ("fake_brisbane", "fake_torino", "fake_fez", "fake_kingston", "fake_boston", "fake_miami")
ANSAETZE = ("hqconv", "fqconv", "strongly-entangling", "hardware-efficient", "masked")
QUBITS, LAYERS, SEEDS = 12, 3, 20
HEAD = ("circuit", "device", "by", "two-qubit gates", "in layers", "success", "of the best of others", "CPU s")
OURS = "qgen, "
#: Seconds for a search: results shall not depend on what else the machine does.
LONG = 3600.0
#: Largest difference of a probability to that of the original.
SAME = 1e-8


class Subject:
    """An ansatz with measurements, and angles for it.

    Args:
        name: of the ansatz, with 12 qubits and 3 layers.
    """

    def __init__(self, name: str) -> None:
        layer = ansatz(name, qubits=QUBITS, layers=LAYERS).conditional
        read, angles = support(layer.observables), np.random.default_rng(0)
        self.circuit = QuantumCircuit(QUBITS, len(read))
        self.circuit.compose(layer.circuit, inplace=True)
        self.circuit.measure(read, range(len(read)))
        self.angles = {one: float(angles.uniform(0, 2 * np.pi)) for one in (*layer.inputs, *layer.weights)}
        self.weights = set(layer.weights)

    def bind(self, angles: str) -> QuantumCircuit:
        """Return the circuit with its angles "open", "bound" as when sampling (inputs stay open), or "all bound"."""
        numbers = {one: a for one, a in self.angles.items() if angles == "all bound" or one in self.weights}
        return self.circuit if angles == "open" else self.circuit.assign_parameters(numbers)

    def probabilities(self, circuit: QuantumCircuit) -> np.ndarray:
        """Return those of the outcomes, with the angles that are open bound."""
        left = {one: self.angles[one] for one in circuit.parameters}
        bits = {bit: qubit for qubit, bit in measurements(circuit)}
        used = sorted(
            {circuit.find_bit(q).index for step in circuit.data for q in step.qubits if step.name != "barrier"}
        )
        small = QuantumCircuit(len(used))
        for step in circuit.assign_parameters(left).data:
            if step.name not in ("barrier", "measure"):
                small.append(step.operation, [used.index(circuit.find_bit(qubit).index) for qubit in step.qubits])
        small.save_probabilities([used.index(bits[bit]) for bit in sorted(bits)])
        result = AerSimulator(method="statevector").run(small, shots=1).result()
        return np.asarray(result.data()["probabilities"])


def searched(circuit: QuantumCircuit, target: Target, seeds: int) -> list[QuantumCircuit]:
    """Return what the search finds best, with measurements."""
    bare = circuit.remove_final_measurements(inplace=False)
    read = [qubit for qubit, _ in sorted(measurements(circuit), key=lambda pair: pair[1])]
    isa = search(bare, target, seeds=range(seeds), measured=read, max_seconds=LONG)[0].isa
    ends, found = final_layout(isa), QuantumCircuit(isa.num_qubits, len(read))
    found.compose(isa, inplace=True)
    found.measure([ends[qubit] for qubit in read], range(len(read)))
    return [found]


def cpu_seconds() -> float:
    """Return those of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def judge(circuit: QuantumCircuit, target: Target) -> Row:
    """Return the figures of a circuit on a device."""
    bare = circuit.copy_empty_like()
    for step in circuit.data:
        if step.name not in ("barrier", "measure"):
            bare.append(step)
    metrics = compute_metrics(bare, target, [qubit for qubit, _ in measurements(circuit)])
    success = {part: getattr(metrics.success, part) for part in ("gates", "readout", "idle", "total")}
    gates, layers = metrics.two_qubit_gates, metrics.two_qubit_depth
    return {"two_qubit_gates": gates, "two_qubit_depth": layers, "depth": metrics.depth, "success": success}


def measure(subject: Subject, target: Target, seeds: int, stock_seeds: int) -> Iterator[Row]:
    """Yield a row for each way that is installed: the best of its circuits."""
    ours: dict[str, tuple[str, Callable[[QuantumCircuit, Target], list[QuantumCircuit]]]] = {
        OURS + angles: (angles, lambda circuit, target: searched(circuit, target, seeds))
        for angles in ("open", "bound")
    }
    wanted = subject.probabilities(subject.circuit)
    circuits_of = {angles: subject.bind(angles) for angles in ("open", "bound", "all bound")}
    for name, (angles, way) in (ways(stock_seeds) | ours).items():
        began = cpu_seconds()
        try:
            circuits = way(circuits_of[angles], target)
        except ImportError as missing:
            typer.echo(f"{name}: {missing.name} is not installed")
            continue
        seconds = cpu_seconds() - began
        best = max(circuits, key=lambda circuit: judge(circuit, target)["success"]["total"])
        difference = float(abs(subject.probabilities(best) - wanted).max())
        if difference > SAME:
            typer.echo(f"{name}: a probability is off by {difference:.1e}: another circuit, and no row")
            continue
        yield {"by": name, **judge(best, target), "cpu_seconds": seconds, "difference": difference}


def cells(row: Row) -> tuple[str, ...]:
    """A row for people."""
    gain = f"{row['gain']:.2f}x" if row["by"].startswith(OURS) else ""
    figures = f"{row['two_qubit_gates']}", f"{row['two_qubit_depth']}", f"{row['success']['total']:.3g}", gain
    return (row["circuit"], row["device"], row["by"], *figures, f"{row['cpu_seconds']:.0f}")


def main(
    out: Annotated[Path, typer.Option(help="The results, without ending.")] = Path("benchmarks/results/transpilation"),
    name: Annotated[list[str], typer.Option("--ansatz", help="An ansatz; several times for several.")] = list(ANSAETZE),  # noqa: B006
    device: Annotated[list[str], typer.Option(help="A device; several times for several.")] = list(DEVICES),  # noqa: B006
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of the search.")] = SEEDS,
    stock_seeds: Annotated[int, typer.Option(min=1, help="Seeds of Qiskit's level 3.")] = STOCK_SEEDS,
) -> None:
    """Measure every circuit on every device."""
    rows, table = [], make_table("", HEAD, labels=3)
    for one in name:
        subject = Subject(one)
        for snapshot in device:
            target = open_device(snapshot).target
            found = [
                {"circuit": one, "device": snapshot, **row} for row in measure(subject, target, seeds, stock_seeds)
            ]
            others = max(row["success"]["total"] for row in found if not row["by"].startswith(OURS))
            for row in found:
                row["gain"] = row["success"]["total"] / others
                table.add_row(*cells(row))
                typer.echo("  ".join(cells(row)))
            rows += found
            size = {"qubits": QUBITS, "layers": LAYERS, "seeds": seeds, "stock_seeds": stock_seeds}
            save({"machine": machine(1), **size, "rows": rows}, out)
    out.with_suffix(".md").write_text(markdown(table), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
