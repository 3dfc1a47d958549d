"""What a study costs beside its tasks: cells that do nothing, by processes on this machine and by Dask's workers.

`python benchmarks/study_overhead.py` takes about two minutes on two cores. What more cells cost is divided among them;
a study of as many cells as workers says what it costs to start.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from harness.empty_study import EmptyStudy
from harness.machine import cores_of_others, machine
from harness.tables import make_table, markdown, save
from rich.console import Console

from qgen.studies import Executor, LocalExecutor, run_study, write_study
from qgen.studies.cluster import DaskExecutor


def measured(executor: Executor, count: int) -> dict[str, float]:
    """Seconds, and seconds of processor time of this process and its workers, for so many cells."""
    with tempfile.TemporaryDirectory() as folder:
        study = EmptyStudy(count=count)
        write_study(Path(folder), study)
        wall, cpu = time.perf_counter(), sum(os.times()[:4])
        outcome = run_study(Path(folder), study, executor)
        assert outcome.finished == count
        return {"seconds": time.perf_counter() - wall, "cpu_seconds": sum(os.times()[:4]) - cpu}


def overhead(executor: Executor, few: int, many: int, rounds: int) -> dict[str, Any]:
    """The least of several rounds: what a cell more costs, and what remains for the start."""
    first = [measured(executor, few) for _ in range(rounds)]
    second = [measured(executor, many) for _ in range(rounds)]
    result: dict[str, Any] = {"few": first, "many": second}
    for key in ("seconds", "cpu_seconds"):
        low, high = (min(row[key] for row in rows) for rows in (first, second))
        result |= {f"{key}_a_cell": (high - low) / (many - few), f"{key}_to_start": low}
    return result


def main(
    cells: Annotated[int, typer.Option(help="Cells of a study.")] = 64,
    workers: Annotated[int, typer.Option(help="Workers.")] = 4,
    rounds: Annotated[int, typer.Option(help="How often each study is run.")] = 3,
    out: Annotated[Path, typer.Option(help="The results, as .json and .md.")] = Path(
        "benchmarks/results/study-overhead"
    ),
) -> None:
    """Runs studies of `workers` cells, of as many cells more, and of 16 times as many."""
    executors = {"local": LocalExecutor(workers), "dask": DaskExecutor(workers=workers)}
    facts, rows = machine(1, ("distributed",)), []
    with cores_of_others(facts):
        for name, executor in executors.items():
            for count in (cells, 16 * cells):
                row = {"executor": name, "cells": count} | overhead(executor, workers, workers + count, rounds)
                rows.append(row)
    columns = ("executor", "cells", "ms a cell", "CPU ms a cell", "s to start", "CPU s to start")
    table = make_table(f"A study beside its tasks, {workers} workers", columns)
    for row in rows:
        milliseconds = [f"{1000 * row[key]:.1f}" for key in ("seconds_a_cell", "cpu_seconds_a_cell")]
        seconds = [f"{row[key]:.1f}" for key in ("seconds_to_start", "cpu_seconds_to_start")]
        table.add_row(row["executor"], f"{row['cells']:,}", *milliseconds, *seconds)
    busy = f"{facts['cores_taken_by_others']:g} of {facts['cores']} cores"
    table.caption = f"The least of {rounds} rounds. Others kept {busy} busy meanwhile."
    Console().print(table)
    save({"machine": facts, "workers": workers, "rounds": rounds, "rows": rows}, out)
    out.with_suffix(".md").write_text(markdown(table), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
