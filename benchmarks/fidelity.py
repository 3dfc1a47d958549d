"""Predicted success beside simulated fidelity, over the catalogue and several devices: `python benchmarks/fidelity.py`.

`qgen.reports.transpilation.simulation` says how the two are meant to differ, and why.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np
import typer
from harness.machine import machine
from harness.plot import COLOURS, MARKERS, STYLE
from harness.tables import save
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from qgen.circuits import LayerCircuit, ansatz, ansatz_names
from qgen.circuits.observables import support
from qgen.devices import Device, open_device
from qgen.errors import CircuitError
from qgen.reports.transpilation.compact_circuit import CompactCircuit
from qgen.reports.transpilation.simulation import MAX_QUBITS, check_prediction
from qgen.transpilation import search

Row = dict[str, Any]
DEVICES = ("fake_brisbane", "fake_fez", "fake_boston")
QUBITS, LAYERS, LEVELS = range(4, 9), range(1, 4), (1, 2, 3)
SIDES = ("predicted", "simulated")
TICKS = (0, 0.25, 0.5, 0.75, 1)
PARTS = ("total", "state", "gates", "idle", "readout")
#: Part -> what the figure calls it.
PANELS = {"total": "success", "gates": "gates", "idle": "waiting"}


def catalogue() -> Iterator[tuple[Row, LayerCircuit]]:
    """Every ansatz at all sizes that it takes."""
    for name, qubits, layers in itertools.product(ansatz_names(), QUBITS, LAYERS):
        with suppress(CircuitError):  # not at this size
            circuit = ansatz(name, qubits=qubits, layers=layers)
            yield {"ansatz": name, "qubits": qubits, "layers": layers}, circuit


def measure(device: Device, circuit: LayerCircuit, seeds: int, bindings: int) -> Row:
    """The best result of a short search, predicted and simulated.

    Some are routed over so many other qubits that no density matrix holds them; then the best one that fits.
    """
    measured = support(circuit.observables)
    circuits = search(circuit.circuit, device.target, LEVELS, range(seeds), measured=measured)
    sizes = [len(CompactCircuit(routed.isa, device.target, ()).wires) for routed in circuits]
    rank = next(k for k, size in enumerate(sizes) if size <= MAX_QUBITS)
    check = check_prediction(circuit, circuits[rank], device, bindings=bindings)
    predicted, simulated = check.predicted, check.simulated
    return {
        "rank": rank,
        "two_qubit_gates": circuits[rank].result.metrics.two_qubit_gates,
        "predicted": {part: getattr(predicted, part) for part in ("total", "gates", "idle", "readout")}
        | {"state": predicted.gates * predicted.idle},
        "simulated": {part: getattr(simulated, part) for part in PARTS},
        "standard_error": simulated.standard_error,
        "hellinger": simulated.hellinger,
        "seconds": check.seconds,
    }


def columns(rows: list[Row], part: str) -> np.ndarray:
    """(2, N): what was predicted, and simulated, of this part, rounded so that equal ones have one rank."""
    return np.round([[row[side][part] for row in rows] for side in SIDES], 12)


def agreement(rows: list[Row]) -> dict[str, Any]:
    """By part: Spearman's rank correlation, the root mean square deviation, and lost logarithm, simulated / predicted.

    The last is 1 where losses are predicted rightly on the whole, above it where they are predicted too small.
    """
    parts = {}
    for part in PARTS:
        predicted, simulated = columns(rows, part)
        parts[part] = {
            "rank_correlation": float(spearmanr(predicted, simulated).statistic),
            "rms_deviation": float(np.sqrt(np.mean((predicted - simulated) ** 2))),
            "loss_ratio": float(np.log(simulated).sum() / np.log(predicted).sum()),
        }
    return {"circuits": len(rows), "parts": parts}


def draw(rows: list[Row], path: Path) -> None:
    """A panel a part: predicted across, simulated upwards, a colour and marker a device."""
    devices = list(dict.fromkeys(row["device"] for row in rows))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.9), layout="constrained")
        for axis, (part, title) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
            for device, colour, marker in zip(devices, COLOURS, MARKERS, strict=False):
                points = columns([row for row in rows if row["device"] == device], part)
                label = device.removeprefix("fake_").capitalize()
                axis.plot(*points, marker, color=colour, ms=3.6, mfc="none", mew=0.8, label=label)
            axis.axline((0, 0), slope=1, color="#777777", linewidth=0.8, zorder=1)
            axis.set(xlim=(0, 1.03), ylim=(0, 1.03), xlabel="predicted", aspect="equal", title=title)
            axis.set(xticks=TICKS, yticks=TICKS, xticklabels=TICKS, yticklabels=TICKS)
            correlation = f"rank correlation {agreement(rows)['parts'][part]['rank_correlation']:.3f}"
            axis.text(0.98, 0.03, correlation, transform=axis.transAxes, ha="right", va="bottom", fontsize=7)
        figure.axes[0].set_ylabel("simulated")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(devices), frameon=False)
        figure.savefig(path)


def main(
    device: Annotated[list[str], typer.Option(help="A device; several times for several.")] = list(DEVICES),  # noqa: B006
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of the search.")] = 2,
    bindings: Annotated[int, typer.Option(min=2, help="Settings of the angles.")] = 4,
    out: Annotated[Path, typer.Option(help="Results go to OUT.json and OUT.png.")] = Path(
        "benchmarks/results/fidelity"
    ),
) -> None:
    """Predict and simulate the best result of a short search for every ansatz at 4 to 8 qubits and 1 to 3 layers."""
    began, rows = time.perf_counter(), []
    for opened in map(open_device, device):
        for size, circuit in catalogue():
            rows.append({"device": opened.name} | size | measure(opened, circuit, seeds, bindings))
            typer.echo([opened.name, *size.values(), *(f"{rows[-1][side]['total']:.3f}" for side in SIDES)])
    by_device = {name: agreement([row for row in rows if row["device"] == name]) for name in device}
    facts = {
        "machine": machine(1),
        "seconds": time.perf_counter() - began,
        "search": {"levels": LEVELS, "seeds": seeds},
        "bindings": bindings,
        "not_the_best": sum(row["rank"] > 0 for row in rows),
        "agreement": agreement(rows),
        "agreement_by_device": by_device,
        "rows": rows,
    }
    save(facts, out)
    draw(rows, out.with_suffix(".png"))
    typer.echo(json.dumps({"all": facts["agreement"]} | by_device, indent=1))


if __name__ == "__main__":
    typer.run(main)
