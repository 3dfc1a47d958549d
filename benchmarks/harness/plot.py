"""Figures of `layer.py`: every peer side by side, and how qgen's own cost grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

Row = dict[str, Any]

# Okabe and Ito 2008: eight colours that stay apart for colour-blind readers; black is kept for qgen.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A")
MARKERS = "osD^vPX*<>dph"
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "savefig.dpi": 200,
}


def comparison(rows: list[Row], note: str, path: Path) -> None:
    """Time of a step against qubits, one panel a batch size, one line a peer."""
    measured = [row for row in rows if "seconds" in row and row["right"]]
    batches = sorted({row["batch"] for row in measured})
    if not batches:
        return
    names = sorted({row["name"] for row in measured})
    looks = {n: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]} for i, n in enumerate(names)}
    looks["qgen"] = {"color": "black", "marker": "o", "linewidth": 2.4, "markersize": 5, "zorder": 5}
    columns = min(2, len(batches))
    lines = -(-len(batches) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4 * columns, 3.6 * lines + 0.6), layout="constrained")
        axes = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        for axis, batch in zip(axes, batches, strict=False):
            panel = sorted((row for row in measured if row["batch"] == batch), key=lambda row: row["qubits"])
            for name, look in looks.items():
                own = [row for row in panel if row["name"] == name]
                x, y = [row["qubits"] for row in own], [row["seconds"] for row in own]
                axis.plot(x, y, label=name if own else None, **{"linewidth": 1.1, "markersize": 3.5, **look})
                low, high = [row["seconds_low"] for row in own], [row["seconds_high"] for row in own]
                axis.vlines(x, low, high, color=look["color"], linewidth=1, alpha=0.6)
            # Linear in qubits, so logarithmic in the size of the state.
            axis.set(title=f"batch {batch}", xlabel="qubits", yscale="log", xticks=sorted({r["qubits"] for r in panel}))
        axes[0].set_ylim(min(r["seconds_low"] for r in measured) / 2, 2 * max(r["seconds_high"] for r in measured))
        for axis in axes[len(batches) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel("seconds a step: values and both gradients")
        handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside right upper", frameon=False, fontsize=7)
        layers = sorted({row["layers"] for row in measured})
        figure.supxlabel(f"HQConv, {'/'.join(map(str, layers))} layers. {note}", fontsize=7, color="#555555")
        figure.savefig(path)


def scaling(rows: list[Row], note: str, path: Path) -> None:
    """Time (above) and memory (below) of a step, against qubits, layers and batch, the others held."""
    held = {"qubits": "{} qubits", "layers": "{} layers", "batch": "batch {}"}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 5.4), layout="constrained")
        axes = figure.subplots(2, 3, sharex="col", sharey="row")
        for column, name in enumerate(held):
            chosen = sorted((r for r in rows if r["sweep"] == name and "seconds" in r), key=lambda r: r[name])
            if chosen:
                axes[0, column].set_title(", ".join(text.format(chosen[0][k]) for k, text in held.items() if k != name))
            numbers = [row[name] for row in chosen]
            for axis, key, colour in zip(axes[:, column], ("seconds", "peak_mib"), COLOURS, strict=False):
                axis.plot(numbers, [row.get(key) for row in chosen], "o-", color=colour, markersize=4)
                axis.set_xscale("linear" if name == "qubits" else "log")
                axis.set_xticks(numbers, labels=map(str, numbers))
                axis.minorticks_off()
            axes[1, column].set_xlabel(name)
        axes[0, 0].set(yscale="log", ylabel="seconds a step")
        axes[1, 0].set(yscale="log", ylabel="peak MiB")
        figure.supxlabel(f"qgen, HQConv. {note}", fontsize=7, color="#555555")
        figure.savefig(path)
