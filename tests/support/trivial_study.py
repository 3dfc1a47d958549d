"""A study whose tasks take no time, for tests of what runs tasks: a chain of hashes that shows any step left out.

The study's folder may hold `faults.json`: the name of a task -> {"at": step, "do": what}, where `what` is
"refuse" (a QgenError), "break" (a bug), "die" (kill -9 of the worker), "die once", "wait" (for a stop), "hang" (for
ever) or "end" (give the task back).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from qgen.errors import RunError
from qgen.interrupts import listening
from qgen.settings import Settings
from qgen.storage import write_text
from qgen.studies import (
    Executor,
    LocalExecutor,
    Report,
    StudyKind,
    Task,
    TaskContext,
    read_result,
    read_study,
    result_file,
    run_study,
    write_result,
)
from qgen.studies.study import Table


class Cell(Settings):
    """A cell: the name of its task, what it needs, and how many steps it takes."""

    name: str
    needs: tuple[str, ...] = ()
    steps: int = 1


class TrivialStudy(Settings):
    """A study of cells."""

    kind: Literal["trivial_study:KIND"] = "trivial_study:KIND"
    cells: tuple[Cell, ...]
    pause: float = 0.0
    """Seconds of each step."""

    @property
    def data(self) -> Any:
        from qgen.data import DataSettings  # it imports torch

        return DataSettings(name="digits")

    @property
    def description(self) -> str:
        return f"{len(self.cells)} cells"

    def tasks(self) -> Iterator[Task]:
        return (Chain(cell, self.pause) for cell in self.cells)


@dataclass(frozen=True)
class Chain:
    """Each step hashes the step before; the first one hashes the results of the needs."""

    cell: Cell
    pause: float = 0.0

    @property
    def name(self) -> str:
        return self.cell.name

    @property
    def size(self) -> int:
        return self.cell.steps

    @property
    def needs(self) -> tuple[str, ...]:
        return self.cell.needs

    def is_done(self, folder: Path) -> bool:
        return result_file(folder, self.name).exists()

    def progress(self, folder: Path) -> int:
        return self.size if self.is_done(folder) else int(self._state(folder)["step"])

    def run(self, folder: Path, context: TaskContext) -> None:
        state = self._state(folder)
        _append(
            folder / "started.txt", f"{self.name} {state['step']} {os.getpid()} {context.device} {context.data_dir}"
        )
        sys.stdout.write(f"working on {self.name}\n")
        while state["step"] < self.cell.steps:
            if not self._fault(folder, int(state["step"]), context) or context.stop():
                return
            time.sleep(self.pause)
            value = sha256(f"{state['value']} {self.name}".encode()).hexdigest()
            state = {"step": state["step"] + 1, "value": value}
            write_text(self._file(folder), json.dumps(state))
        write_result(folder, self.name, {"value": state["value"], "threads": threads()})

    def _state(self, folder: Path) -> dict[str, Any]:
        if self._file(folder).exists():
            return dict(json.loads(self._file(folder).read_text()))
        needed = [read_result(folder, need) for need in self.needs]
        return {"step": 0, "value": " ".join(result["value"] for result in needed if result is not None)}

    def _file(self, folder: Path) -> Path:
        return folder / f"{self.name}.state"

    def _fault(self, folder: Path, step: int, context: TaskContext) -> bool:
        """Do what faults.json says; False: go no further."""
        faults = folder / "faults.json"
        fault = json.loads(faults.read_text()).get(self.name, {}) if faults.exists() else {}
        what = fault.get("do") if fault.get("at", 0) == step else None
        sign = folder / f"{self.name}.sign"
        if what == "refuse":
            raise RunError(f"step {step}:\n{self.name} is refused")
        if what == "break":
            raise ZeroDivisionError("a bug")
        if what == "die" or (what == "die once" and not sign.exists()):
            sign.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if what in ("wait", "hang"):
            sign.touch()
            while what == "hang" or not context.stop():
                time.sleep(0.01)
        return what not in ("wait", "end")


def run_as_command(folder: Path, workers: int = 1, dask: bool = False) -> None:
    """Run the study of this folder where a second Ctrl-C ends the process, as in the command."""
    with listening():
        run_here(folder, workers, dask)


def threads() -> int:
    """Threads that torch takes, or would take."""
    return sys.modules["torch"].get_num_threads() if "torch" in sys.modules else int(os.environ["OMP_NUM_THREADS"])


def _append(file: Path, line: str) -> None:
    with open(file, "a") as lines:
        lines.write(f"{line}\n")


def run_here(folder: Path, workers: int = 1, dask: bool = False) -> None:
    """Run the study of this folder, in a process that a test may kill."""
    executor: Executor = LocalExecutor(workers)
    if dask:
        from qgen.studies.cluster import DaskExecutor

        executor = DaskExecutor(workers=workers)
    run_study(folder, read_study(folder), executor)


def started(folder: Path) -> list[tuple[str, int]]:
    """Which tasks were started, and after how many steps."""
    file = folder / "started.txt"
    rows = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [(row[0], int(row[1])) for row in rows]


def set_faults(folder: Path, **faults: tuple[int, str]) -> None:
    known = {name: {"at": at, "do": what} for name, (at, what) in faults.items()}
    (folder / "faults.json").write_text(json.dumps(known))


def expected_values(study: TrivialStudy) -> dict[str, str]:
    """The values of all tasks, computed without any of what runs tasks."""
    values: dict[str, str] = {}
    while len(values) < len(study.cells):
        for cell in study.cells:
            if cell.name not in values and set(cell.needs) <= set(values):
                value = " ".join(values[need] for need in cell.needs)
                for _ in range(cell.steps):
                    value = sha256(f"{value} {cell.name}".encode()).hexdigest()
                values[cell.name] = value
    return values


def found_values(folder: Path, study: TrivialStudy) -> dict[str, str]:
    """The values of the tasks that are done."""
    results = {cell.name: read_result(folder, cell.name) for cell in study.cells}
    return {name: result["value"] for name, result in results.items() if result is not None}


def report(folder: Path, study: TrivialStudy) -> Report:
    values = found_values(folder, study)
    rows = tuple(values.items())
    return Report(dict(values), "# values\n", "<p>values</p>", (Table(("task", "value"), rows),), (), ())


KIND = StudyKind(TrivialStudy, report, "trivial")
