"""Results in figures: every contender side by side, and how qgen's own cost grows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

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


def caption(machine: dict[str, Any], device: str) -> str:
    """One line that says where the numbers are from."""
    where = "GPU" if device == "cuda" else f"{machine['threads']} threads"
    return f"{machine['cpu']}, {where}, float32 where a library can, {machine['date'][:10]}"


def comparison(rows: list[Row], note: str, path: Path) -> None:
    """Time of a step against qubits, one panel a batch size, one line a contender."""
    measured = [r for r in rows if "seconds" in r and r["right"]]
    batches = sorted({r["batch"] for r in measured})
    if not batches:
        return
    names = sorted({r["name"] for r in measured})
    looks = {n: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]} for i, n in enumerate(names)}
    looks["qgen"] = {"color": "black", "marker": "o", "linewidth": 2.4, "markersize": 5, "zorder": 5}
    columns = min(2, len(batches))
    lines = -(-len(batches) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.9 * columns, 3.9 * lines + 0.3), layout="constrained")
        axes = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        axes[0].set_yscale("log")
        axes[0].set_ylim(min(r["seconds_low"] for r in measured) / 2, 2 * max(r["seconds_high"] for r in measured))
        for axis, batch in zip(axes, batches, strict=False):
            _panel(axis, [r for r in measured if r["batch"] == batch], looks)
            axis.set_title(f"batch {batch}")
        for axis in axes[len(batches) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel("seconds a step: values and both gradients")
        layers = sorted({r["layers"] for r in measured})
        figure.supxlabel(f"HQConv, {'/'.join(map(str, layers))} layers. {note}", fontsize=7, color="#555555")
        figure.savefig(path)


def _panel(axis: Axes, rows: list[Row], looks: dict[str, dict[str, Any]]) -> None:
    """Lines labelled at their right end; linear in qubits, so logarithmic in the size of the state."""
    ends = []
    for name, look in looks.items():
        own = [r for r in rows if r["name"] == name]
        points = sorted((r["qubits"], r["seconds"], r["seconds_low"], r["seconds_high"]) for r in own)
        if not points:
            continue
        x, y, low, high = zip(*points, strict=True)
        axis.plot(x, y, **{"linewidth": 1.1, "markersize": 3.5, **look})
        axis.vlines(x, low, high, color=look["color"], linewidth=1, alpha=0.6)
        ends.append((x[-1], y[-1], name, look["color"]))
    qubits = sorted({r["qubits"] for r in rows})
    axis.xaxis.set_major_locator(FixedLocator(qubits))
    axis.set_xlabel("qubits")
    _label_ends(axis, ends, right=qubits[-1], span=max(4, qubits[-1] - qubits[0]))


def _label_ends(axis: Axes, ends: list[tuple[float, float, str, str]], right: float, span: float) -> None:
    """Names in one column to the right, each tied to the end of its line."""
    low, high = (math.log10(y) for y in axis.get_ylim())
    ends = sorted(ends, key=lambda end: end[1])
    heights = _spread([math.log10(y) for _, y, _, _ in ends], gap=0.047 * (high - low))
    for (x, y, name, colour), height in zip(ends, heights, strict=True):
        axis.annotate(
            name,
            (x, y),
            xytext=(right + 0.12 * span, 10**height),
            textcoords="data",
            color=colour,
            va="center",
            fontsize=7,
            fontweight="bold" if name == "qgen" else "normal",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "relpos": (0, 0.5), "shrinkA": 0},
        )
    axis.set_xlim(axis.get_xlim()[0], right + 0.62 * span)


def _spread(heights: list[float], gap: float) -> list[float]:
    """The nearest heights that are `gap` apart, in least squares: isotonic regression of ascending ones."""
    blocks: list[tuple[float, int]] = []  # mean of height - rank * gap, and how many
    for rank, height in enumerate(heights):
        mean, count = height - rank * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, members = blocks.pop()
            mean, count = (before * members + mean * count) / (members + count), members + count
        blocks.append((mean, count))
    return [mean + rank * gap for rank, mean in enumerate(m for m, count in blocks for _ in range(count))]


def scaling(rows: list[Row], sweeps: dict[str, list[int]], note: str, path: Path) -> None:
    """Time (above) and memory (below) of a step, against qubits, layers and batch, the others held."""
    memory = [r["peak_mib"] for r in rows if "peak_mib" in r]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 5.4), layout="constrained")
        axes = figure.subplots(2, 3, sharex="col", sharey="row")
        for column, (name, numbers) in enumerate(sweeps.items()):
            chosen = sorted((r for r in rows if r["sweep"] == name and "seconds" in r), key=lambda r: r[name])
            if chosen:
                held = {"qubits": "{} qubits", "layers": "{} layers", "batch": "batch {}"}
                axes[0, column].set_title(", ".join(text.format(chosen[0][k]) for k, text in held.items() if k != name))
            x = [r[name] for r in chosen]
            for axis, key in zip(axes[:, column], ("seconds", "peak_mib"), strict=True):
                axis.plot(
                    x,
                    [r.get(key) for r in chosen],
                    color="#0072B2" if key == "seconds" else "#D55E00",
                    marker="o",
                    markersize=4,
                )
                axis.set_xscale("linear" if name == "qubits" else "log", **({} if name == "qubits" else {"base": 2}))
                axis.xaxis.set_major_locator(FixedLocator(numbers))
                axis.xaxis.set_minor_locator(NullLocator())
                axis.xaxis.set_minor_formatter(NullFormatter())
                axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes[1, column].set_xlabel(name)
        axes[0, 0].set_yscale("log")
        if memory and max(memory) > 10 * min(memory):
            axes[1, 0].set_yscale("log")
        else:
            axes[1, 0].set_ylim(bottom=0)
        axes[0, 0].set_ylabel("seconds a step")
        axes[1, 0].set_ylabel("peak MiB")
        figure.supxlabel(f"qgen, HQConv. {note}", fontsize=7, color="#555555")
        figure.savefig(path)
