"""What shorter circuits buy under the noise of devices: `python benchmarks/placement.py`.

Errors of expectation values at random angles, and Frechet distances of images. Weights, inputs and calibration are the
same; only how the circuits are transpiled differs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from harness.machine import machine
from harness.tables import make_table, markdown, save
from peers.on_devices import level_3
from qiskit import QuantumCircuit, transpile
from qiskit.transpiler import Target

import qgen
from qgen.backends import open_backend
from qgen.backends.device.saved_layouts import write_layouts
from qgen.circuits import LayerCircuit, ansatz
from qgen.circuits.bound import bind_weights
from qgen.circuits.observables import support
from qgen.costing.circuit_use import sampling_uses
from qgen.devices import open_device
from qgen.evaluation.results import Measurement
from qgen.runs import find_run
from qgen.sampling import open_trained
from qgen.transpilation import search
from qgen.transpilation.circuit_metrics import compute_metrics
from qgen.transpilation.relayout import final_layout

Row = dict[str, Any]
DEVICES = ("fake_brisbane", "fake_torino", "fake_fez")
#: Ansatz, qubits and layers.
CIRCUITS = (("hqconv", 8, 2), ("hqconv", 12, 3), ("strongly-entangling", 8, 2))
RUNS = ("gan-quantum-g", "digits")
#: Of the search; rows of inputs; paths of errors that a value is the mean of, where it is not propagated; images.
SEEDS, INPUTS, PATHS, IMAGES = 12, 16, 256, 1000
#: Seconds for a search: results shall not depend on what else the machine does.
LONG = 3600.0
HEAD = ("what", "device", "transpiled by", "two-qubit gates", "predicted success", "error or distance", "relative")


def seed_0(circuit: LayerCircuit, target: Target) -> QuantumCircuit:
    """Return Qiskit's level 3 with its first seed."""
    return transpile(circuit.circuit, target=target, optimization_level=3, seed_transpiler=0)


def best_of_60(circuit: LayerCircuit, target: Target) -> QuantumCircuit:
    """Return the best of 60 seeds of Qiskit's level 3."""
    return max(level_3(circuit.circuit, target), key=lambda isa: success(circuit, isa, target)["success"])


def searched(circuit: LayerCircuit, target: Target) -> QuantumCircuit:
    """Return what the search finds."""
    read = support(circuit.observables)
    return search(circuit.circuit, target, seeds=range(SEEDS), measured=read, max_seconds=LONG)[0].isa


#: Whether weights are bound, and how.
WAYS: dict[str, tuple[bool, Callable[[LayerCircuit, Target], QuantumCircuit]]] = {
    "level 3, open, seed 0": (False, seed_0),
    "level 3, bound, best of 60": (True, best_of_60),
    "qgen, bound": (True, searched),
}


def success(circuit: LayerCircuit, isa: QuantumCircuit, target: Target) -> Row:
    """Return the gates and the predicted success of a routed circuit."""
    ends = final_layout(isa)
    metrics = compute_metrics(isa, target, [ends[qubit] for qubit in support(circuit.observables)])
    return {"two_qubit_gates": metrics.two_qubit_gates, "success": metrics.success.total}


def pin(name: str, device: str, circuits: Iterable[tuple[LayerCircuit, np.ndarray]], path: Path) -> Row:
    """Route circuits with their weights one way, and write them to a file; the figures of them all together."""
    bound, way = WAYS[name]
    target, pins, found = open_device(device).target, [], {"two_qubit_gates": 0, "success": 1.0}
    for circuit, weights in circuits:
        numbers = bind_weights(circuit, weights).circuit
        routed = way(numbers if bound else circuit.conditional, target)
        named = {one.name: weight for one, weight in zip(circuit.conditional.weights, weights.tolist(), strict=True)}
        if not bound:
            routed = routed.assign_parameters({one: named[one.name] for one in routed.parameters if one.name in named})
        pins.append((numbers, routed))
        one = success(numbers, routed, target)
        found = {key: found[key] + one[key] if key == "two_qubit_gates" else found[key] * one[key] for key in found}
    write_layouts(path, device, pins)
    return found


def values(size: tuple[str, int, int], name: str, device: str, folder: Path) -> Row:
    """Return the root mean square error of the expectation values of an ansatz at random angles, and over theirs."""
    circuit, rng = ansatz(size[0], qubits=size[1], layers=size[2]), np.random.default_rng(0)
    weights = rng.uniform(0, 2 * np.pi, circuit.num_weights)
    found = pin(name, device, [(circuit, weights)], folder / "pins.json")
    numbers = bind_weights(circuit, weights).circuit
    inputs, none = rng.uniform(0, 2 * np.pi, (INPUTS, numbers.num_inputs)), np.zeros(0)
    noisy = open_backend(f"noisy:{device}", layout=str(folder / "pins.json"), idle_noise=True, paths=PATHS)
    ours = noisy.compile(numbers).expectations(inputs, none, seed=0)
    ideal = open_backend("statevector").compile(numbers).expectations(inputs, none)
    error = float(np.sqrt(np.mean((ours - ideal) ** 2)))
    return {**found, "figure": error, "relative": error / float(np.sqrt(np.mean(ideal**2)))}


def images(run: str, name: str, device: str, folder: Path) -> Row:
    """Return the Frechet distance of images of shipped weights whose circuits run with noise, and over that without."""
    layers = []
    generator = open_trained(find_run(Path(run)), {"name": "statevector"}).generator
    for use in sampling_uses(generator):
        weights = generator.network.get_submodule(use.layer).weight.detach().double().cpu()
        layers += [(use.circuit, row) for row in torch.atleast_2d(weights).numpy()]
    found = pin(name, device, layers, folder / "pins.json")
    options = {"layout": str(folder / "pins.json"), "idle_noise": True}
    figure = distance(run, f"noisy:{device}", folder, options)
    relative = figure.value / ideal_distance(run)
    return {**found, "figure": figure.value, "interval": list(figure.interval), "relative": relative}


def distance(run: str, backend: str, folder: Path, options: dict[str, Any]) -> Measurement:
    """Return the Frechet distance of images whose circuits run somewhere."""
    found = qgen.load(run).evaluate(
        IMAGES, controls=False, backend=backend, backend_options=options, out=folder / "page.html", progress=False
    )
    return found.results["fid"].samples


@cache
def ideal_distance(run: str) -> float:
    """Return that without noise."""
    with tempfile.TemporaryDirectory() as folder:
        return distance(run, "statevector", Path(folder), {}).value


def cells(row: Row) -> tuple[str, ...]:
    """A row for people."""
    low_high = "" if "interval" not in row else " ({:.3g} to {:.3g})".format(*row["interval"])
    figures = f"{row['success']:.3g}", f"{row['figure']:.3g}{low_high}", f"{row['relative']:.2f}"
    return (row["what"], row["device"], row["by"], str(row["two_qubit_gates"]), *figures)


def main(
    out: Annotated[Path, typer.Option(help="The results, without ending.")] = Path("benchmarks/results/placement"),
    device: Annotated[list[str], typer.Option(help="A device; several times for several.")] = list(DEVICES),  # noqa: B006
) -> None:
    """Measure expectation values and images, for every way of transpiling."""
    rows, table = [], make_table("", HEAD, labels=3)
    subjects: dict[str, Callable[[str, str, Path], Row]] = {
        f"values, {name}:{qubits},{layers}": partial(values, (name, qubits, layers))
        for name, qubits, layers in CIRCUITS
    } | {f"images, {run}": partial(images, f"pretrained:{run}") for run in RUNS}
    for what, subject in subjects.items():
        for one in device:
            for name in WAYS:
                with tempfile.TemporaryDirectory() as folder:
                    row = {"what": what, "device": one, "by": name, **subject(name, one, Path(folder))}
                rows.append(row)
                table.add_row(*cells(row))
                typer.echo("  ".join(cells(row)))
    save({"machine": machine(1), "seeds": SEEDS, "inputs": INPUTS, "images": IMAGES, "rows": rows}, out)
    out.with_suffix(".md").write_text(markdown(table), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
