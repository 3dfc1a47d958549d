"""Writes the measured table of docs/performance.md from the results of layer.py.

python benchmarks/measured.py benchmarks/results/layer*.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness.tables import duration

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
START, END = "<!-- benchmark:start -->", "<!-- benchmark:end -->"
PENNYLANE = "PennyLane + JAX"
OWN = ("qgen", "executable")

Row = dict[str, Any]


def block(files: list[Path]) -> str:
    """What stands between the markers: a row for each size that qgen and at least one peer were measured at.

    A size stands in one file only, so that the contenders of a row were measured in one run.
    """
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(files)]
    machine, rounds = runs[0]["machine"], min(run["settings"]["rounds"] for run in runs)
    rows = [row for run in runs for row in run["rows"] if "seconds" in row and row["right"] and not row["extrapolated"]]
    peers = sorted({row["name"] for row in rows if row["peer"] not in OWN})
    lines = [
        START,
        f"One step (values and both gradients) of HQConv, {rows[0]['layers']} layers, on {machine['cores']} cores "
        f"({machine['cpu']}), medians of at least {rounds} interleaved rounds, {machine['date'][:10]}. "
        f"The fastest of {len(peers)} libraries that gave right gradients stands beside qgen; float32 where a library "
        "can. [benchmarks/results](../benchmarks/README.md) has them all, with memory and first calls.",
        "",
        "| qubits | batch | qgen | fastest peer | | times slower | PennyLane + JAX, times slower |",
        "|---:|---:|---:|---|---:|---:|---:|",
    ]
    for size in sorted({(row["qubits"], row["batch"]) for row in rows}):
        lines += _line(size, [row for row in rows if (row["qubits"], row["batch"]) == size])
    return "\n".join([*lines, "", f"Libraries: {', '.join(peers)}.", END])


def _line(size: tuple[int, int], members: list[Row]) -> list[str]:
    own = [row for row in members if row["peer"] == "qgen"]
    others = sorted((row for row in members if row["peer"] not in OWN), key=lambda row: row["seconds"])
    if not own or not others:
        return []
    seconds, best = own[0]["seconds"], others[0]
    pennylane = next((f"{row['seconds'] / seconds:.1f}" for row in others if row["name"] == PENNYLANE), "-")
    ratio = f"{best['seconds'] / seconds:.1f}"
    return [
        f"| {size[0]} | {size[1]} | {duration(seconds)} | {best['name']} | {duration(best['seconds'])} "
        f"| **{ratio}** | {pennylane} |"
    ]


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    PAGE.write_text(before + block([Path(name) for name in sys.argv[1:]]) + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
