"""What readout mitigation is worth to bits drawn on hardware: `python benchmarks/readout.py --help`.

Chains of RY and CX of random angles, of which a third make superpositions: few strings, each read more than once. Drawn
over the loopback service from devices with all errors of their snapshots, with and without mitigation, which corrects
the same readings, beside as many shots without any error. Judged by the total variation distance from the ideal
distribution.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from harness.machine import machine
from harness.tables import make_table, markdown, mean_and_interval, save
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector
from rich.console import Console

from qgen.backends.ibm import open_hardware
from qgen.backends.mitigation.method import Mitigation
from qgen.circuits import LayerCircuit
from qgen.devserver import DeviceModel, DevServer
from qgen.devserver.billing import Plan

DEVICES = ("fake_guadalupe", "fake_fez")
WAYS = ("as read", "mitigated", "without errors")
#: The share of angles near a quarter turn, the spread of all, and the account's QPU seconds.
TURNED, SPREAD, SECONDS = 0.3, 0.2, 1e6

console = Console(highlight=False)
Row = dict[str, Any]


def main(
    qubits: Annotated[int, typer.Option(min=2, max=16, help="Of the circuits.")] = 8,
    seeds: Annotated[int, typer.Option(min=2, help="Circuits for each device and number of shots.")] = 20,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.md.")] = Path("benchmarks/results/readout"),
) -> None:
    """Draw, compare, and write a table."""
    rows: list[Row] = []
    facts = {"qubits": qubits, "seeds": seeds, "machine": machine(1, ("qiskit", "qiskit-aer"))}
    for device in DEVICES:
        for shots in (250, 1000, 4000):
            rows += [{"device": device, "shots": shots, **one} for one in drawn(device, qubits, shots, seeds)]
            save({**facts, "rows": rows}, out)
            out.with_suffix(".md").write_text(table(rows, qubits), encoding="utf-8")
            console.print(rows[-1])


def drawn(device: str, qubits: int, shots: int, seeds: int) -> list[Row]:
    """Distances of all ways, seed by seed."""
    name, found = device.replace("fake", "ibm"), []
    with tempfile.TemporaryDirectory() as folder, serving(device, name) as server:
        os.environ |= server.environment() | {"HOME": folder}
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            layer, weights = chain(qubits, rng)
            true = Statevector(layer.circuit.assign_parameters(weights.tolist())).probabilities()
            ideal = rng.multinomial(shots, true / true.sum()) / shots
            row: Row = {"seed": seed, "without errors": distance(ideal, true)}
            for way, mitigation in zip(WAYS, (None, Mitigation(readout=True)), strict=False):
                journal = Path(folder) / "jobs.sqlite"
                backend = open_hardware(name, None, None, journal, SECONDS, pace=0.02, mitigation=mitigation)
                bits = backend.compile(layer, weights).draw(np.zeros(0), weights, shots, seed)
                backend.close()
                outcomes = (bits.astype(np.int64) << np.arange(qubits)).sum(axis=1)
                row[way] = distance(np.bincount(outcomes, minlength=len(true)) / shots, true)
            found.append(row)
    return found


def serving(device: str, name: str) -> DevServer:
    """The loopback service with one device."""
    return DevServer([DeviceModel(device, name)], seed=0, plan=Plan(SECONDS))


def chain(qubits: int, rng: np.random.Generator) -> tuple[LayerCircuit, np.ndarray]:
    """A circuit, and its angles."""
    angles, circuit = [Parameter(f"w{k:02}") for k in range(qubits)], QuantumCircuit(qubits)
    for qubit, angle in enumerate(angles):
        circuit.ry(angle, qubit)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    turns = np.where(rng.random(qubits) < TURNED, np.pi / 2, np.pi * rng.integers(0, 2, qubits))
    return LayerCircuit(circuit, [], angles), turns + rng.normal(0, SPREAD, qubits)


def distance(shares: np.ndarray, true: np.ndarray) -> float:
    """The total variation distance."""
    return float(np.abs(shares - true).sum() / 2)


def table(rows: list[Row], qubits: int) -> str:
    """Means and 95 % intervals by Student's t; what mitigation takes away is of the same readings."""
    title = f"Total variation distance from the ideal distribution of {qubits} bits"
    made = make_table(title, ("device", "shots", *WAYS, "less by mitigation"), labels=1)
    for device, shots in dict.fromkeys((row["device"], row["shots"]) for row in rows):
        own = [row for row in rows if (row["device"], row["shots"]) == (device, shots)]
        gains = [row["as read"] - row["mitigated"] for row in own]
        made.add_row(
            device,
            f"{shots:,}",
            *(mean_and_interval([row[way] for row in own], 3) for way in WAYS),
            mean_and_interval(gains, 3),
        )
    return markdown(made)


if __name__ == "__main__":
    typer.run(main)
