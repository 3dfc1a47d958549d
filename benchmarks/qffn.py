"""A step of Q-FFN's circuit beside PennyLane, in one run: `python benchmarks/qffn.py --help`.

The circuit of `qldm-anime`: RY of the inputs, two layers of Rot on every qubit and a ring of CNOTs, <Z> of every qubit;
values, and the gradients with respect to inputs and weights. The published code has an ancilla for each qubit that
controls its rotation, as PennyLane runs it here (`ancillas`): twice as many wires. What is the same on average is a
circuit without them under one mask, drawn anew in each step (`masks`); PennyLane runs that too. In float64 both, on one
thread; the two take turns, and their CPU seconds are compared.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pennylane as qml
import torch
import typer
from harness.machine import machine
from rich.console import Console
from rich.table import Table
from torch import Tensor

from qgen.backends import open_backend
from qgen.circuits import Encoding, ansatz
from qgen.models.circuit_context import CircuitContext
from qgen.models.masked_layer import MaskedLayer
from qgen.nn import QuantumLayer

LAYERS = 2
#: Way, qubits and tokens; PennyLane keeps a state of all wires for every gate and token.
CASES = [("ancillas", 4, 256), ("masks", 4, 256), ("masks", 8, 256), ("masks", 12, 64), ("masks", 16, 4)]
Step = Callable[[Tensor, Tensor], Tensor]

console = Console(highlight=False)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Times that both have their turn.")] = 3,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json.")] = Path("benchmarks/results/qffn.json"),
) -> None:
    """Measure a step of each, compare their values, print the ratios."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    rows = []
    for way, qubits, tokens in CASES:
        rows.append(measure(way, qubits, tokens, rounds))
        console.print(rows[-1])
    whole = ours_at_batch_64(rounds)
    console.print(whole)
    facts = {"rounds": rounds, "machine": machine(1, ("pennylane", "torch", "qiskit"))}
    out.write_text(json.dumps({**facts, "rows": rows, "qldm-anime-16": whole}, indent=1) + "\n")
    show(rows)


def measure(way: str, qubits: int, tokens: int, rounds: int) -> dict[str, Any]:
    """Return the CPU seconds of a step of both, and how far their values and gradients are apart."""
    torch.manual_seed(0)
    inputs, upstream = torch.randn(tokens, qubits, requires_grad=True), torch.randn(tokens, qubits)
    weights = torch.rand(LAYERS * qubits * 3) * 2 * torch.pi
    mask = torch.randint(2, (1, qubits)).double()
    ours, theirs = _ours(way, qubits, weights, mask), _theirs(way, qubits, mask)
    seconds: dict[str, list[float]] = {"qgen": [], "pennylane": []}
    results: dict[str, list[Tensor]] = {}
    for turn in range(rounds + 1):  # the first one warms up
        for name, step in (("qgen", ours), ("pennylane", theirs)):
            own = weights.clone().requires_grad_()
            started = time.process_time()
            values = step(inputs, own)
            gradients = torch.autograd.grad((values * upstream).sum(), [inputs, own])
            if turn:
                seconds[name].append(time.process_time() - started)
            results[name] = [values.detach(), *gradients]
    apart = max(float((a - b).abs().max()) for a, b in zip(*results.values(), strict=True))
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    facts = {"way": way, "qubits": qubits, "tokens": tokens, "cpu_seconds": medians, "all": seconds}
    return facts | {"ratio": medians["pennylane"] / medians["qgen"], "largest_difference": apart}


def _ours(way: str, qubits: int, weights: Tensor, mask: Tensor) -> Step:
    encoding, context = Encoding("ry", "raw"), CircuitContext(open_backend("statevector"), "auto", 0)
    layer: QuantumLayer
    if way == "ancillas":  # the average over all masks is the same number
        circuit = ansatz("masked", qubits=qubits, layers=LAYERS, encoding=encoding)
        layer = MaskedLayer(circuit, circuit, False, None, context)
    else:
        circuit = ansatz("masked", qubits=qubits, layers=LAYERS, encoding=encoding, masks=1)
        layer = MaskedLayer(circuit, circuit, False, None, context)
        layer.points.copy_(mask)

    def step(inputs: Tensor, weights: Tensor) -> Tensor:
        return torch.func.functional_call(layer.train(), {"weight": weights}, (inputs,))

    return step


def _theirs(way: str, qubits: int, mask: Tensor) -> Step:
    wires = 2 * qubits if way == "ancillas" else qubits

    @qml.qnode(qml.device("default.qubit", wires=wires), interface="torch", diff_method="backprop")
    def node(inputs: Tensor, weights: Tensor) -> list[Any]:
        for wire in range(qubits):
            qml.RY(inputs[:, wire], wires=wire)
            if way == "ancillas":
                qml.Hadamard(wires=qubits + wire)
        for layer in range(LAYERS):
            for wire in range(qubits):
                angles = weights[3 * (layer * qubits + wire) :][:3]
                if way == "ancillas":
                    qml.CRot(*angles, wires=[qubits + wire, wire])
                elif mask[0, wire]:
                    qml.Rot(*angles, wires=wire)
            for wire in range(qubits):
                qml.CNOT(wires=[wire, (wire + 1) % qubits])
        return [qml.expval(qml.PauliZ(wire)) for wire in range(qubits)]

    def step(inputs: Tensor, weights: Tensor) -> Tensor:
        return torch.stack(list(node(inputs, weights)), dim=-1)

    return step


def ours_at_batch_64(rounds: int) -> dict[str, Any]:
    """Return the CPU seconds of the circuits of a step of `qldm-anime-16`: 64 images, 4 tokens, 16 qubits, float32."""
    encoding, context = Encoding("ry", "raw"), CircuitContext(open_backend("statevector"), "auto", 0)
    torch.set_default_dtype(torch.float32)
    circuit = ansatz("masked", qubits=16, layers=LAYERS, encoding=encoding, masks=1)
    layer, found = MaskedLayer(circuit, circuit, True, None, context).train(), []
    for turn in range(rounds + 1):
        inputs = torch.randn(64, 4, 16, requires_grad=True)
        started = time.process_time()
        layer(inputs).sum().backward()
        if turn:
            found.append(time.process_time() - started)
    return {"tokens": 256, "cpu_seconds": statistics.median(found), "all": found}


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table of the steps."""
    table = Table(box=None)
    for column in ("", "qubits", "tokens", "qgen", "PennyLane", "ratio", "largest difference"):
        table.add_column(column, justify="right")
    for row in rows:
        times = [f"{row['cpu_seconds'][name]:.3g} s" for name in ("qgen", "pennylane")]
        sizes = str(row["qubits"]), str(row["tokens"])
        table.add_row(row["way"], *sizes, *times, f"{row['ratio']:.1f}", f"{row['largest_difference']:.1e}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
