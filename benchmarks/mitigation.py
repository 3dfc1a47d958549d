"""What mitigation buys, and for how many shots: `python benchmarks/mitigation.py --help`.

Circuits whose exact values are known, on a device's noise: bias, standard deviation and cost of values for each
mitigation and number of shots. Where mitiq is installed, folded circuits and extrapolated values are compared with its.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from harness.machine import machine
from harness.tables import make_table, markdown, save
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator
from rich.console import Console
from rich.table import Table

from qgen import LayerCircuit
from qgen.backends import open_backend
from qgen.backends.measurement import measurement_bases
from qgen.backends.measurement.estimates import walsh_hadamard_rows
from qgen.backends.mitigation.method import Mitigation, richardson
from qgen.backends.mitigation.readout import reading_weights
from qgen.transpilation.folding import fold_two_qubit_gates

MITIGATIONS = ("none", "readout", "zne:1,3", "zne:1,3,5", "readout+zne:1,3", "readout+zne:1,3,5")
COLUMNS = ("mitigation", "shots", "bias", "deviation", "error", "circuits", "executions", "ms")
PAGE = """Values of a circuit's observables on the noise of {device}, by `noisy:` backends. Bias, deviation and error
(the root of the sum of both squared) are root mean squares over {circuits} random circuits of a kind and their
observables, all of norm 1, by {rows} estimates of each with seeds of their own. Shots are those of a value in each
basis, shared by the circuits of its noise factors. Circuits: how many are run for an estimate; executions: how often
all of them together; both with those that calibrate readout, anew for each estimate, which a device would share among
many. ms: CPU time of an estimate here. *: the smallest error with so many shots.
"""
console = Console(highlight=False)


def layers(circuit: QuantumCircuit, depth: int, rng: np.random.Generator) -> None:
    """Random rotations of all qubits, and gates on neighbours."""
    for layer in range(depth):
        for qubit in range(circuit.num_qubits):
            circuit.u(*rng.uniform(-np.pi, np.pi, 3), qubit)
        for qubit in range(layer % 2, circuit.num_qubits - 1, 2):
            circuit.cx(qubit, qubit + 1)


def mirror(qubits: int, rng: np.random.Generator) -> LayerCircuit:
    """A random circuit and its inverse: each qubit is 0 at the end, and all of their products of Z are 1."""
    there = QuantumCircuit(qubits)
    layers(there, 3, rng)
    circuit = there.copy()
    circuit.barrier()
    circuit.compose(there.inverse(), inplace=True)
    return LayerCircuit(circuit, [], [], [*_single(qubits), "Z" * qubits])


def ghz(qubits: int, rng: np.random.Generator) -> LayerCircuit:
    """A GHZ state, whose parity X...X is 1, as are all of ZZ."""
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    pairs = ["I" * (qubits - 2 - k) + "ZZ" + "I" * k for k in range(qubits - 1)]
    return LayerCircuit(circuit, [], [], ["X" * qubits, *pairs])


def random(qubits: int, rng: np.random.Generator) -> LayerCircuit:
    """A random circuit, whose values are those of Qiskit's Statevector."""
    circuit = QuantumCircuit(qubits)
    layers(circuit, 4, rng)
    return LayerCircuit(circuit, [], [], [*_single(qubits), "Z" * qubits])


def _single(qubits: int) -> list[str]:
    return ["I" * (qubits - 1 - k) + "Z" + "I" * k for k in range(qubits)]


KINDS = {"mirror": mirror, "GHZ": ghz, "random": random}


def measured(circuits: list[LayerCircuit], device: str, how: str, shots: int | None, rows: int) -> dict[str, Any]:
    """Bias, standard deviation and cost of one mitigation at a number of shots."""
    biases, variances, seconds = [], [], 0.0
    backend = open_backend(f"noisy:{device}", shots, mitigation=how)
    for number, circuit in enumerate(circuits):
        truth = open_backend("reference").compile(circuit).expectations([], [])
        executable = backend.compile(circuit)
        count = rows if shots else 1
        batch = np.zeros((count, 0)), np.zeros(0)
        executable.expectations(*batch, 0)  # where kernels are compiled
        started = time.process_time()
        found = executable.expectations(*batch, number + 1)
        seconds += time.process_time() - started
        biases.append(found.mean(axis=0) - truth)
        variances.append(found.var(axis=0, ddof=1) if shots else np.zeros(len(truth)))
    bias, variance = np.square(np.concatenate(biases)).mean(), np.concatenate(variances).mean()
    # The mean over the rows has an error of its own, which is no bias.
    bias = max(0.0, bias - variance / max(1, rows)) if shots else bias
    mitigation = Mitigation.parse(how)
    bases, calibrating = len(measurement_bases(circuits[0].observables)), 2 * bool(mitigation.readout and shots)
    return {
        "mitigation": how,
        "shots": shots,
        "bias": float(bias**0.5),
        "deviation": float(variance**0.5),
        "error": float((bias + variance) ** 0.5),
        "circuits": len(mitigation.factors) * (bases + calibrating),
        "executions": (shots or 0) * (bases + calibrating),
        "seconds": seconds / len(circuits) / (rows if shots else 1),
    }


def gates(circuits: list[LayerCircuit], device: str) -> list[int]:
    """Gates on two qubits of each circuit, as the device runs it."""
    compiled: list[Any] = [open_backend(f"noisy:{device}").compile(circuit) for circuit in circuits]
    return [sum(len(one.qubits) == 2 for one in each.routed.circuits[0].data) for each in compiled]


def table_of(kind: str, rows: list[dict[str, Any]]) -> Table:
    """One kind of circuit; of each number of shots, the smallest error is marked."""
    table = make_table(kind, COLUMNS, 2)
    best = {shots: min(row["error"] for row in rows if row["shots"] == shots) for shots in {r["shots"] for r in rows}}
    for row in rows:
        error = f"{row['error']:.4f}{' *' if row['error'] == best[row['shots']] else ''}"
        table.add_row(
            row["mitigation"],
            f"{row['shots']:,}" if row["shots"] else "exact",
            f"{row['bias']:.4f}",
            f"{row['deviation']:.4f}" if row["shots"] else "",
            error,
            str(row["circuits"]),
            f"{row['executions']:,}" if row["shots"] else "",
            f"{1e3 * row['seconds']:.3g}",
        )
    return table


def beside_mitiq(rng: np.random.Generator, cases: int = 20) -> dict[str, Any] | None:
    """Folded circuits, coefficients and inverted readings beside mitiq's; None where it is not installed."""
    if find_spec("mitiq") is None:
        return None
    import mitiq
    from mitiq.rem import generate_tensored_inverse_confusion_matrix
    from mitiq.zne.inference import RichardsonFactory
    from mitiq.zne.scaling import fold_gates_at_random

    same, off, values, readings = 0, 0.0, 0.0, 0.0
    for _ in range(cases):
        circuit = QuantumCircuit(3)
        layers(circuit, 3, rng)
        factor = int(rng.choice([3, 5, 7]))
        ours = fold_two_qubit_gates(circuit, factor)
        theirs = fold_gates_at_random(circuit, float(factor), fidelities={"single": 1.0})
        same += _pairs(ours) == _pairs(theirs)
        off = max(off, 1 - abs(np.trace(Operator(ours).data.conj().T @ Operator(theirs).data)) / 8)
        factors = (1, *sorted(rng.choice(np.arange(3, 16, 2), int(rng.integers(1, 4)), replace=False).tolist()))
        drawn = rng.normal(size=len(factors))
        extrapolated = sum(float(c) * value for c, value in zip(richardson(factors), drawn, strict=True))
        values = max(values, abs(extrapolated - RichardsonFactory.extrapolate(list(factors), drawn.tolist())))
        errors, read = rng.uniform(0, 0.3, (3, 2)), rng.dirichlet(np.ones(8))
        confusion = [np.array([[1 - a, b], [a, 1 - b]]) for a, b in errors[::-1]]  # the last qubit comes first there
        inverted = generate_tensored_inverse_confusion_matrix(3, confusion) @ read
        found = walsh_hadamard_rows(read[None], 3, reading_weights(errors)[None])
        readings = max(readings, np.abs(found - walsh_hadamard_rows(inverted[None], 3)).max())
    off_by = {"infidelity": float(off), "values": float(values), "readings": float(readings)}
    return {"version": mitiq.__version__, "cases": cases, "same_gates": int(same)} | off_by


def _pairs(circuit: QuantumCircuit) -> Counter[tuple[str, tuple[int, ...]]]:
    """How often each gate on two qubits acts on each pair."""
    places = [(one.operation.name, tuple(circuit.find_bit(bit).index for bit in one.qubits)) for one in circuit.data]
    return Counter(place for place in places if len(place[1]) == 2)


def main(
    device: Annotated[str, typer.Option(help="The device whose noise it is.")] = "fake_brisbane",
    qubits: Annotated[int, typer.Option(help="Of all circuits, up to 8.")] = 5,
    circuits: Annotated[int, typer.Option(help="Random circuits of a kind.")] = 10,
    shots: Annotated[str, typer.Option(help="Numbers of shots of a value.")] = "256,1024,4096,16384",
    rows: Annotated[int, typer.Option(help="Estimates of each value, with seeds of their own.")] = 1000,
    out: Annotated[Path, typer.Option(help="The results, as .json and .md.")] = Path("benchmarks/results/mitigation"),
) -> None:
    """Measures all mitigations at all numbers of shots, and compares with mitiq where that is installed."""
    torch.set_num_threads(1)
    results, tables = {}, []
    for kind, build in KINDS.items():
        rng = np.random.default_rng(0)
        drawn = [build(qubits, rng) for _ in range(1 if kind == "GHZ" else circuits)]
        cells = [(number, how) for number in (None, *map(int, shots.split(","))) for how in MITIGATIONS]
        found = [measured(drawn, device, how, number, rows) for number, how in cells]
        size = float(np.mean(gates(drawn, device)))
        results[kind] = {"two_qubit_gates": size, "cells": found}
        tables.append(table_of(f"{kind}: {qubits} qubits, {size:.0f} gates on two qubits", found))
        console.print(tables[-1])
    peer = beside_mitiq(np.random.default_rng(1))
    console.print("mitiq:", peer or "not installed")
    facts = {"machine": machine(1), "device": device, "qubits": qubits, "circuits": circuits, "rows": rows}
    save(facts | {"kinds": results, "mitiq": peer}, out)
    page = PAGE.format(device=device, circuits=circuits, rows=rows)
    out.with_suffix(".md").write_text("\n".join([page, *map(markdown, tables), *_about(peer)]), encoding="utf-8")


def _about(peer: dict[str, Any] | None) -> Iterator[str]:
    if peer is not None:
        yield (
            f"mitiq {peer['version']}, {peer['cases']} random circuits and noise factors: {peer['same_gates']} folded "
            f"circuits have as many gates on each pair of qubits, and unitaries differ by {peer['infidelity']:.0e} "
            f"at most (infidelity); extrapolated values by {peer['values']:.0e}, values of inverted readings by "
            f"{peer['readings']:.0e}.\n"
        )


if __name__ == "__main__":
    typer.run(main)
