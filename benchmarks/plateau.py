"""The variance of a gradient by the number of qubits, with masks and without: `python benchmarks/plateau.py --help`.

The circuit of Yao and Hasegawa (2025), "Avoiding barren plateaus with entanglement", Physical Review A 111, 022426,
arXiv:2406.03748, as its code has it: H on every qubit, then layers of a rotation about a random axis on every qubit and
CZ between neighbours; the observable is Z_0 Z_1, the gradient that of the first angle, all angles are uniform over a
turn. There each rotation is controlled by an ancilla in |+>, which amounts to the average over masks (`masked`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from harness.machine import machine
from matplotlib.figure import Figure
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp
from rich.console import Console
from rich.table import Table

from qgen.backends import open_backend
from qgen.circuits import LayerCircuit, ansatz

#: Variances of the first angle's gradient at 16 qubits, from the stored data of the paper's code.
PUBLISHED = {"none": 4.7e-6, "averaged": 6.7e-3}
NAMES = {
    "none": "without masks",
    "one": "one mask, drawn anew",
    "averaged": "averaged over all masks",
    "masked-none": "our ansatz, without masks",
    "masked-one": "our ansatz, one mask",
}
Doubles = npt.NDArray[np.float64]

console = Console(highlight=False)


def main(
    qubits: Annotated[str, typer.Option(help="Sizes.")] = "2,4,6,8,10,12,14,16",
    layers: Annotated[int, typer.Option(min=1, help="Layers of the paper's circuit.")] = 250,
    samples: Annotated[int, typer.Option(min=2, help="Draws of axes and angles.")] = 100,
    masks: Annotated[int, typer.Option(min=2, help="Masks for each of them.")] = 4,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 1,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.png.")] = Path("benchmarks/results/plateau"),
    redraw: Annotated[bool, typer.Option("--redraw", help="Only draw and print OUT.json again.")] = False,
) -> None:
    """Estimate the variances, print and draw them beside the published ones."""
    if not redraw:
        rows = []
        for size in map(int, qubits.split(",")):
            for row in [*measure_paper(size, layers, samples, masks, seed), *measure_ansatz(size, 5 * samples, seed)]:
                rows.append(row)
                console.print(f"{row['qubits']:>2} qubits, {NAMES[row['circuit']]}: {row['variance']:.3g}")
        facts = {"layers": layers, "samples": samples, "masks": masks, "seed": seed, "machine": machine(threads=1)}
        out.with_suffix(".json").write_text(
            json.dumps({**facts, "published": PUBLISHED, "rows": rows}, indent=1) + "\n"
        )
    report = json.loads(out.with_suffix(".json").read_text())
    show(report)
    draw(report, out.with_suffix(".png"))


def paper_circuit(qubits: int, layers: int) -> LayerCircuit:
    """Return the paper's circuit: a turn about X, Y and Z on each qubit, of which a sample uses one."""
    weights = ParameterVector("w", layers * qubits * 3)
    circuit = QuantumCircuit(qubits)
    circuit.h(range(qubits))
    for layer in range(layers):
        for qubit in range(qubits):
            first = 3 * (layer * qubits + qubit)
            circuit.rx(weights[first], qubit)
            circuit.ry(weights[first + 1], qubit)
            circuit.rz(weights[first + 2], qubit)
        for qubit in range(qubits - 1):
            circuit.cz(qubit, qubit + 1)
    return LayerCircuit(circuit, [], weights, SparsePauliOp("I" * (qubits - 2) + "ZZ"))


def measure_paper(qubits: int, layers: int, samples: int, masks: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the variances of the first angle's gradient: without masks, with one, and of the average over all.

    The gradient is (E(+pi/2) - E(-pi/2)) / 2; its mean is zero. The average over masks is not computed: the mean of the
    product of two gradients at the same angles and independent masks estimates its square without bias.
    """
    executable = open_backend("statevector").compile(paper_circuit(qubits, layers))
    generator, started = np.random.default_rng([seed, qubits]), time.process_time()
    plain, one, pairs = [], [], []
    for _ in range(samples):
        angles = generator.uniform(0, 2 * np.pi, (layers, qubits))
        axes = generator.integers(3, size=(layers, qubits))
        drawn = np.concatenate([np.ones((1, qubits)), generator.integers(2, size=(masks, qubits))])
        gradients = _first_gradient(executable, angles, axes, drawn)
        plain.append(gradients[0] ** 2)
        own = gradients[1:]
        one.append(np.mean(own**2))
        pairs.append((own.sum() ** 2 - (own**2).sum()) / (masks * (masks - 1)))
    seconds = time.process_time() - started
    for name, squares in (("none", plain), ("one", one), ("averaged", pairs)):
        yield _row(name, qubits, np.array(squares), seconds)


def _first_gradient(executable: Any, angles: Doubles, axes: npt.NDArray[np.int64], masks: Doubles) -> Doubles:
    """Return the gradients (K,) of the first angle under masks (K, n); where its qubit is off, zero."""
    on = np.flatnonzero(masks[:, 0])
    rows = np.zeros((len(on), 2, *angles.shape, 3))
    for place, mask in enumerate(masks[on]):
        for shift, sign in enumerate((1, -1)):
            moved = angles.copy()
            moved[0, 0] += sign * np.pi / 2
            np.put_along_axis(rows[place, shift], axes[..., None], (moved * mask)[..., None], axis=-1)
    values = executable.expectations(np.zeros((len(on), 2, 0)), rows.reshape(len(on), 2, -1))[..., 0]
    gradients = np.zeros(len(masks))
    gradients[on] = (values[:, 0] - values[:, 1]) / 2
    return gradients


def measure_ansatz(qubits: int, samples: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the same of `masked` as models have it: two layers, inputs encoded, and Z of one qubit."""
    circuit = ansatz("masked", qubits=qubits, layers=2, masks=1).conditional
    executable = open_backend("statevector").compile(
        LayerCircuit(circuit.circuit, circuit.inputs, circuit.weights, circuit.observables[0])
    )
    generator, started = np.random.default_rng([seed, qubits, 2]), time.process_time()
    inputs, weights = generator.normal(size=(samples, qubits)), generator.uniform(0, 2 * np.pi, (samples, 6 * qubits))
    drawn = generator.integers(2, size=(samples, qubits)).astype(float)
    found = {}
    for name, masks in (("masked-none", np.ones_like(drawn)), ("masked-one", drawn)):
        moved = np.repeat(weights[:, None], 2, axis=1)
        moved[:, 0, 1] += np.pi / 2  # the turn about Y of the first qubit
        moved[:, 1, 1] -= np.pi / 2
        given = np.repeat(np.concatenate([inputs, masks], axis=1)[:, None], 2, axis=1)
        values = executable.expectations(given, moved)[..., 0]
        found[name] = masks[:, 0] * (values[:, 0] - values[:, 1]) / 2
    seconds = time.process_time() - started
    for name, gradients in found.items():
        yield _row(name, qubits, gradients**2, seconds)


def _row(name: str, qubits: int, squares: Doubles, seconds: float) -> dict[str, Any]:
    error = squares.std(ddof=1) / np.sqrt(len(squares))
    return {
        "circuit": name,
        "qubits": qubits,
        "variance": float(squares.mean()),
        "standard_error": float(error),
        "cpu_seconds": round(seconds, 2),
    }


def show(report: dict[str, Any]) -> None:
    """Print a table: a line for each number of qubits."""
    table = Table(box=None)
    names = list(dict.fromkeys(row["circuit"] for row in report["rows"]))
    for column in ("qubits", *(NAMES[name] for name in names)):
        table.add_column(column, justify="right")
    for size in sorted({row["qubits"] for row in report["rows"]}):
        found = {row["circuit"]: row for row in report["rows"] if row["qubits"] == size}
        cells = [f"{found[name]['variance']:.2g} ± {found[name]['standard_error']:.1g}" for name in names]
        table.add_row(str(size), *cells)
    table.add_row("16, published", *(f"{PUBLISHED[name]:.2g}" if name in PUBLISHED else "" for name in names))
    console.print(table)


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw the variances over the number of qubits, on a logarithmic axis."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    styles = {"none": "C0-o", "one": "C1-s", "averaged": "C2-^", "masked-none": "C0:o", "masked-one": "C1:s"}
    for name, style in styles.items():
        rows = [row for row in report["rows"] if row["circuit"] == name and row["variance"] > 0]
        if rows:
            numbers = [[row[key] for row in rows] for key in ("qubits", "variance", "standard_error")]
            axes.errorbar(numbers[0], numbers[1], numbers[2], fmt=style, capsize=2, label=NAMES[name])
    for name, value in report["published"].items():
        axes.plot(16.3, value, styles[name][:2] + "*", markersize=13, label=f"published, {NAMES[name]}")
    axes.set(
        yscale="log",
        xlabel="qubits",
        ylabel="variance of the first angle's gradient",
        title=f"Paper's circuit, {report['layers']} layers, Z0 Z1; our ansatz (dotted), 2 layers, Z0",
    )
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    typer.run(main)
