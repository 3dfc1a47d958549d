"""What the search gains over Qiskit's level 3, by ansatz and device: `python benchmarks/transpilation.py`.

Every search takes all levels and 20 seeds. Seconds are those of one search, in this process alone.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.machine import machine
from harness.tables import make_table, markdown, save
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qgen.circuits import LayerCircuit, ansatz
from qgen.reports import DeviceReport, transpile_report
from qgen.reports.transpilation.report import SEEDS

DEVICES = ("fake_brisbane", "fake_torino", "fake_fez", "fake_kingston", "fake_boston", "fake_miami")
QUBITS, LAYERS, RING_LAYERS = 12, 3, 6
ANSAETZE = ("hqconv", "fqconv", "hardware-efficient")
HEAD = ("circuit", "device", "two-qubit gates", "level 3", "success", "level 3", "gain", "seconds")


def ring() -> LayerCircuit:
    """CNOTs in a ring of 12 qubits, six times, with a rotation of each qubit before: it fits a hexagon."""
    weights = ParameterVector("w", QUBITS * RING_LAYERS)
    circuit = QuantumCircuit(QUBITS)
    for layer in range(RING_LAYERS):
        for qubit in range(QUBITS):
            circuit.ry(weights[QUBITS * layer + qubit], qubit)
        for qubit in range(QUBITS):
            circuit.cx(qubit, (qubit + 1) % QUBITS)
    return LayerCircuit(circuit, [], weights)


def plain(name: str, device: DeviceReport, seconds: float) -> dict[str, Any]:
    """One circuit on one device, as plain values."""
    best, default = device.best, device.default
    parts = {part: getattr(best.metrics.success, part) for part in ("gates", "readout", "idle", "total")}
    return {
        "circuit": name,
        "device": device.device,
        "calibrated": device.calibrated and device.calibrated.date().isoformat(),
        "two_qubit_gates": best.metrics.two_qubit_gates,
        "two_qubit_gates_level_3": default.metrics.two_qubit_gates,
        "duration_us": best.metrics.duration_us,
        "success": parts,
        "success_level_3": default.metrics.success.total,
        "gain": device.gain,
        "joined": best.options.merge_rotations,
        "moved": best.moved,
        "layout": best.layout,
        "seconds": seconds,
    }


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row for people."""
    gates = f"{row['two_qubit_gates']}", f"{row['two_qubit_gates_level_3']}"
    success = f"{row['success']['total']:.3g}", f"{row['success_level_3']:.3g}", f"{row['gain']:.2f}x"
    return (row["circuit"], row["device"], *gates, *success, f"{row['seconds']:.0f}")


def main(
    out: Annotated[Path, typer.Option(help="The results, without ending.")] = Path("benchmarks/results/transpilation"),
    device: Annotated[list[str], typer.Option(help="A device; several times for several.")] = list(DEVICES),  # noqa: B006
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of the transpiler.")] = SEEDS,
) -> None:
    """Measure every circuit on every device."""
    circuits = {name: ansatz(name, qubits=QUBITS, layers=LAYERS) for name in ANSAETZE} | {"ring": ring()}
    rows, table = [], make_table("", HEAD, labels=2)
    for name, circuit in circuits.items():
        for snapshot in device:
            began = time.perf_counter()
            report = transpile_report(circuit, [snapshot], seeds=seeds)
            rows.append(plain(name, report.devices[0], time.perf_counter() - began))
            table.add_row(*cells(rows[-1]))
            typer.echo("  ".join(cells(rows[-1])))
    save({"machine": machine(1), "qubits": QUBITS, "layers": LAYERS, "seeds": seeds, "rows": rows}, out)
    out.with_suffix(".md").write_text(markdown(table))


if __name__ == "__main__":
    typer.run(main)
