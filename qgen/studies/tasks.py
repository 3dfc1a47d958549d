"""Tasks: units of work of a study, described so that any executor can run, watch and repeat them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml

from qgen.runs import Run, RunConfig, writing
from qgen.storage import write_text

#: Number of bytes read from the end of metrics.jsonl.
_TAIL = 4096


class Cell(Protocol):
    """A cell of a study's grid: one combination of what the study varies."""

    @property
    def name(self) -> str:
        """Its name, unique in the study, and the name of its run's folder."""

    @property
    def config(self) -> RunConfig:
        """The settings of its run."""


class Task(Protocol):
    """A unit of work that one process carries out with the command `qgen`.

    Its state is in the study's folder alone: a task that was interrupted is prepared and started again, and goes on.
    """

    @property
    def name(self) -> str:
        """Its name, unique in the study."""

    @property
    def size(self) -> int:
        """Amount of work, in units of `progress`."""

    def is_done(self, folder: Path) -> bool:
        """Return whether nothing is left to do."""

    def progress(self, folder: Path) -> int:
        """Return the amount of work that is done, from 0 to `size`."""

    def prepare(self, folder: Path) -> list[str]:
        """Write what the task needs, and return the arguments of `qgen` that start or continue it.

        Raises:
            RunError: the folder cannot be written.
        """


def cell_run(folder: Path, cell: Cell) -> Run:
    """Return the run of a cell."""
    return Run(folder / "runs" / cell.name)


@dataclass(frozen=True)
class TrainTask:
    """Trains the run of a cell; its progress counts steps."""

    cell: Cell

    @property
    def name(self) -> str:
        """The name of the cell."""
        return self.cell.name

    @property
    def size(self) -> int:
        """Number of training steps."""
        return self.cell.config.training.total_steps(0)

    def is_done(self, folder: Path) -> bool:
        """Return whether all steps are taken, and the samples of the last one are written."""
        run = cell_run(folder, self.cell)
        return run.steps_taken >= self.size and run.grid(self.size).exists()

    def progress(self, folder: Path) -> int:
        """Return the number of steps taken."""
        return self.size if self.is_done(folder) else last_step(cell_run(folder, self.cell).metrics)

    def prepare(self, folder: Path) -> list[str]:
        """Write the settings, and return the arguments that train the run or resume it."""
        run, settings = cell_run(folder, self.cell), folder / "settings" / f"{self.name}.yaml"
        with writing(folder):
            for path in (settings, run.path):
                path.parent.mkdir(parents=True, exist_ok=True)
            if run.path.exists() and not run.path.joinpath("config.yaml").exists():
                shutil.rmtree(run.path)  # killed before it was a run
            write_text(settings, yaml.safe_dump(self.cell.config.plain(), sort_keys=False, allow_unicode=True))
        if run.path.exists():
            return ["train", str(run.path), "--resume"]
        return ["train", str(settings), "--out", str(run.path)]


def last_step(metrics: Path) -> int:
    """Return the step of the last complete row of metrics.jsonl; 0 without one."""
    try:
        with open(metrics, "rb") as file:
            file.seek(max(0, metrics.stat().st_size - _TAIL))
            lines = file.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0
