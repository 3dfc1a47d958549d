"""Predicted success beside simulated fidelity, over the catalogue and several devices: `python benchmarks/fidelity.py`.

How the two are meant to differ, and why, is told in `qgen.reports.simulation`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import typer
from harness.machine import machine
from harness.plot import COLOURS, MARKERS, STYLE
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from scipy.stats import spearmanr

from qgen.circuits import LayerCircuit, ansatz, ansatz_names
from qgen.circuits.observables import support
from qgen.devices import Device, open_device
from qgen.errors import CircuitError
from qgen.reports.compact import CompactCircuit
from qgen.reports.simulation import MOST_QUBITS, check_prediction
from qgen.transpilation import Found, search

Row = dict[str, Any]

DEVICES = ("fake_brisbane", "fake_fez", "fake_boston")
QUBITS, LAYERS = range(4, 9), range(1, 4)
LEVELS = (1, 2, 3)
SIDES = ("predicted", "simulated")
PARTS = ("total", "state", "gates", "idle", "readout")
#: Part -> what the figure calls it.
PANELS = {"total": "success", "gates": "gates", "idle": "waiting"}


def catalogue() -> Iterator[tuple[str, int, int, LayerCircuit]]:
    """Every ansatz at all sizes that it takes: name, qubits, layers, circuit."""
    for name in ansatz_names():
        for qubits in QUBITS:
            for layers in LAYERS:
                try:
                    yield name, qubits, layers, ansatz(name, qubits=qubits, layers=layers)
                except CircuitError:  # not at this size
                    continue


def used(found: Found, device: Device) -> int:
    """On how many qubits of the device there are gates."""
    return len(CompactCircuit(found.isa, device.target, ()).wires)


def row(device: Device, name: str, circuit: LayerCircuit, seeds: int, bindings: int) -> Row:
    """The best candidate of a short search, predicted and simulated.

    Some are routed over so many other qubits that no density matrix holds them; then the best one that fits.
    """
    measured = support(circuit.observables)
    every = search(circuit.circuit, device.target, LEVELS, range(seeds), measured=measured)
    place = next(k for k, one in enumerate(every) if used(one, device) <= MOST_QUBITS)
    found = every[place]
    check = check_prediction(circuit, found, device, bindings=bindings)
    predicted, simulated = check.predicted, check.simulated
    return {
        "device": device.name,
        "ansatz": name,
        "qubits": circuit.qubits,
        "rank": place,
        "two_qubit_gates": found.candidate.figures.two_qubit_gates,
        "predicted": {part: getattr(predicted, part) for part in ("total", "gates", "idle", "readout")}
        | {"state": predicted.gates * predicted.idle},
        "simulated": {part: getattr(simulated, part) for part in PARTS},
        "standard_error": simulated.standard_error,
        "hellinger": simulated.hellinger,
        "seconds": check.seconds,
    }


def column(rows: list[Row], side: str, part: str) -> list[float]:
    """What was predicted, or simulated, of this part, rounded so that equal ones have one rank."""
    return [round(one[side][part], 12) for one in rows]


def agreement(rows: list[Row]) -> dict[str, Any]:
    """By part: Spearman's rank correlation, the root mean square deviation, and lost logarithm, simulated / predicted.

    The last is 1 where losses are predicted rightly on the whole, above it where they are predicted too small.
    """
    parts = {}
    for part in PARTS:
        predicted, simulated = (column(rows, side, part) for side in SIDES)
        apart = [(p - s) ** 2 for p, s in zip(predicted, simulated, strict=True)]
        parts[part] = {
            "rank_correlation": float(spearmanr(predicted, simulated).statistic),
            "rms_deviation": math.sqrt(sum(apart) / len(apart)),
            "loss_ratio": sum(map(math.log, simulated)) / sum(map(math.log, predicted)),
        }
    return {"circuits": len(rows), "parts": parts}


def draw(rows: list[Row], path: Path) -> None:
    """A panel a part: predicted across, simulated upwards, a colour and marker a device."""
    devices = list(dict.fromkeys(one["device"] for one in rows))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.9), layout="constrained")
        for axis, (part, title) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
            for device, colour, marker in zip(devices, COLOURS, MARKERS, strict=False):
                _points(axis, [one for one in rows if one["device"] == device], part, colour, marker)
            _frame(axis, rows, part, title)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(devices), frameon=False)
        figure.savefig(path)


def _points(axis: Axes, rows: list[Row], part: str, colour: str, marker: str) -> None:
    across, up = (column(rows, side, part) for side in SIDES)
    look = {"color": colour, "marker": marker, "markersize": 3.6, "markerfacecolor": "none", "markeredgewidth": 0.8}
    axis.plot(across, up, linestyle="none", label=rows[0]["device"].removeprefix("fake_").capitalize(), **look)


def _frame(axis: Axes, rows: list[Row], part: str, title: str) -> None:
    axis.axline((0, 0), slope=1, color="#777777", linewidth=0.8, zorder=1)
    axis.set(xlim=(0, 1.03), ylim=(0, 1.03), xlabel="predicted", aspect="equal", title=title)
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
        scale.set_major_formatter("{x:g}")
    if part == "total":
        axis.set_ylabel("simulated")
    correlation = agreement(rows)["parts"][part]["rank_correlation"]
    words = f"rank correlation {correlation:.3f}"
    axis.text(0.98, 0.03, words, transform=axis.transAxes, ha="right", va="bottom", fontsize=7)


def measured(devices: list[str], seeds: int, bindings: int, tell: Callable[[str], None]) -> list[Row]:
    """All rows, device by device."""
    rows = []
    for device in map(open_device, devices):
        for name, qubits, layers, circuit in catalogue():
            rows.append(row(device, name, circuit, seeds, bindings) | {"qubits": qubits, "layers": layers})
            totals = " ".join(f"{rows[-1][side]['total']:.3f}" for side in SIDES)
            tell(f"{device.name:14} {name:22} {qubits} qubits, {layers} layers: {totals}")
    return rows


def main(
    device: Annotated[list[str], typer.Option(help="A device; several times for several.")] = list(DEVICES),  # noqa: B006
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of the search.")] = 2,
    bindings: Annotated[int, typer.Option(min=2, help="Settings of the angles.")] = 4,
    out: Annotated[Path, typer.Option(help="Where .json and .png go, without the ending.")] = Path(
        "benchmarks/results/fidelity"
    ),
) -> None:
    """Predict and simulate the best candidate of a short search for every ansatz at 4 to 8 qubits and 1 to 3 layers."""
    began = time.perf_counter()
    rows = measured(device, seeds, bindings, typer.echo)
    by_device = {name: agreement([one for one in rows if one["device"] == name]) for name in device}
    facts = {
        "machine": machine(1),
        "seconds": time.perf_counter() - began,
        "search": {"levels": LEVELS, "seeds": seeds},
        "bindings": bindings,
        "not_the_best": sum(one["rank"] > 0 for one in rows),
        "agreement": agreement(rows),
        "agreement_by_device": by_device,
        "rows": rows,
    }
    out.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    draw(rows, out.with_suffix(".png"))
    typer.echo(json.dumps({"all": facts["agreement"]} | by_device, indent=1))


if __name__ == "__main__":
    typer.run(main)
