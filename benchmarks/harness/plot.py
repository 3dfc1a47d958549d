"""Figures of `layer.py`: every peer side by side, and how qgen's own cost grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

Row = dict[str, Any]

#: A colour for each of a dozen peers and more, each with a contrast of 3 to white at least: those of Okabe and Ito
#: (2008), the bright ones darker, and others that keep apart from them. Black is kept for qgen.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#B5578C", "#9A6A00", "#3F97D1", "#7A3E9D"),
    *("#8C2D04", "#6F9400", "#00838F", "#E0245E", "#6D6D6D", "#1A237E", "#33691E"),
)
MARKERS = "sD^vPX*<>dphH8"
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
    """Time of a step against qubits, one panel a batch size, one line a peer.

    Batches of which one size alone was measured have no lines: their times are in the text below.
    """
    measured = [row for row in rows if "seconds" in row and row["right"]]
    sizes = {
        batch: {row["qubits"] for row in measured if row["batch"] == batch} for batch in _values(measured, "batch")
    }
    batches = [batch for batch, found in sizes.items() if len(found) > 1] or list(sizes)
    if not batches:
        return
    names = _by_time(measured)
    looks = {
        name: {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]} for k, name in enumerate(names)
    }
    looks["qgen"] = {"color": "black", "marker": "o", "linewidth": 2.4, "markersize": 5, "zorder": 5}
    columns = min(2, len(batches))
    lines = -(-len(batches) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * columns + 1.6, 3.0 * lines + 0.5), layout="constrained")
        axes = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axis, batch in zip(axes, batches, strict=False):
            panel = sorted((row for row in measured if row["batch"] == batch), key=lambda row: row["qubits"])
            for name, look in looks.items():
                own = [row for row in panel if row["name"] == name]
                x, y = [row["qubits"] for row in own], [row["seconds"] for row in own]
                axis.plot(x, y, label=name if own else None, **{"linewidth": 1.1, "markersize": 4, **look})
                low, high = [row["seconds_low"] for row in own], [row["seconds_high"] for row in own]
                axis.vlines(x, low, high, color=look["color"], linewidth=1, alpha=0.6)
            # Linear in qubits, so logarithmic in the size of the state.
            axis.set(title=f"batch {batch}", yscale="log")
            axis.xaxis.set_tick_params(labelbottom=True)
        axes[0].set_xticks(sorted(set().union(*(sizes[batch] for batch in batches))))
        axes[0].set_ylim(min(r["seconds_low"] for r in measured) / 2, 2 * max(r["seconds_high"] for r in measured))
        for axis in axes[len(batches) :]:
            axis.set_axis_off()
        for axis in axes[::columns]:
            axis.set_ylabel("seconds a step: values and both gradients")
        for axis in axes[max(0, len(batches) - columns) : len(batches)]:
            axis.set_xlabel("qubits")
        handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        shown = [name for name in names if name in handles]
        figure.legend([handles[name] for name in shown], shown, loc="outside right upper", frameon=False, fontsize=7)
        layers = "/".join(map(str, _values(measured, "layers")))
        below = [f"HQConv, {layers} layers. {note}", *_single_sizes(measured, batches)]
        figure.supxlabel("\n".join(below), fontsize=7, color="#555555")
        figure.savefig(path)


def _values(rows: list[Row], key: str) -> list[int]:
    return sorted({row[key] for row in rows})


def _by_time(rows: list[Row]) -> list[str]:
    """Return the names, the slowest first where most were measured: the order of the lines there, from above."""
    cells = Counter((row["batch"], row["qubits"]) for row in rows)
    ((batch, qubits), _) = cells.most_common(1)[0]
    there = {row["name"]: row["seconds"] for row in rows if (row["batch"], row["qubits"]) == (batch, qubits)}
    return sorted({row["name"] for row in rows}, key=lambda name: (-there.get(name, 0.0), name))


def _single_sizes(rows: list[Row], drawn: list[int]) -> Iterator[str]:
    for batch in sorted({row["batch"] for row in rows} - set(drawn)):
        own = sorted((row for row in rows if row["batch"] == batch), key=lambda row: row["seconds"])
        times = ", ".join(f"{row['name']} {row['seconds']:.2g} s" for row in own)
        yield f"Batch {batch}, {own[0]['qubits']} qubits: {times}"


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
