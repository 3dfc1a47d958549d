"""Tasks: units of work of a study, described so that any executor can run, watch and repeat them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from qgen.errors import RunError
from qgen.runs import Run
from qgen.studies.layout import runs_folder

if TYPE_CHECKING:
    from qgen.runs import RunConfig  # settings of every kind of model take seconds to import

#: Number of bytes read from the end of metrics.jsonl.
_TAIL = 4096


def _never() -> bool:
    return False


@dataclass(frozen=True)
class TaskContext:
    """What a worker gives a task beside the study's folder.

    Attributes:
        data_dir: where data sets lie; None: the usual places.
        device: where classical layers run.
        stop: whether to end after the step in hand; tasks that take long poll it, and go on at the next call of `run`.
    """

    data_dir: Path | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    stop: Callable[[], bool] = _never


class Cell(Protocol):
    """A cell of a study's grid: one combination of what the study varies."""

    @property
    def name(self) -> str:
        """Its name, unique in the study, and the name of its run's folder."""

    @property
    def config(self) -> RunConfig:
        """The settings of its run, with absolute paths: a worker may have another current folder."""


class Task(Protocol):
    """A function on the study's folder, described so that any executor can run, watch and repeat it.

    A worker reads the study from its folder, finds the task by name and calls `run`. All that a task knows of its state
    is in the folder: one that was stopped, or whose worker was killed, is run again and goes on from there. Its results
    are functions of the study alone, not of the worker.
    """

    @property
    def name(self) -> str:
        """Its name, unique in the study, and that of its files."""

    @property
    def size(self) -> int:
        """Amount of work, in units of `progress`."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the tasks that have to be done before."""

    def is_done(self, folder: Path) -> bool:
        """Return whether nothing is left to do."""

    def progress(self, folder: Path) -> int:
        """Return the amount of work that is done, from 0 to `size`."""

    def run(self, folder: Path, context: TaskContext) -> None:
        """Do what is left to do, in this process; what is printed goes into the task's log.

        One worker at a time runs a task, on one thread, not always the main one.

        Raises:
            QgenError: it failed; the message is one line that says why and what to do.
        """


def cell_run(folder: Path, cell: Cell) -> Run:
    """Return the run of a cell."""
    return Run(runs_folder(folder) / cell.name)


@dataclass(frozen=True)
class TrainTask:
    """Trains the run of a cell; its progress counts steps."""

    cell: Cell
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the cell."""
        return self.cell.name

    @property
    def size(self) -> int:
        """Number of training steps."""
        return self.cell.config.training.total_steps(0)

    def is_done(self, folder: Path) -> bool:
        """Return whether the run is trained, and all that it leaves for others is written."""
        run, exports = cell_run(folder, self.cell), self.cell.config.kind.exports
        written = run.grid(self.size).exists() and all((run.path / name).exists() for name in exports)
        return run.steps_taken >= self.size and written

    def progress(self, folder: Path) -> int:
        """Return the number of steps taken."""
        return self.size if self.is_done(folder) else last_step(cell_run(folder, self.cell).metrics)

    def run(self, folder: Path, context: TaskContext) -> None:
        """Train the run, or resume it.

        Raises:
            QgenError: the settings cannot be met, or the training failed.
        """
        run = cell_run(folder, self.cell)
        if run.path.exists() and not run.path.joinpath("config.yaml").exists():
            shutil.rmtree(run.path)  # killed before it was a run
        train_run(run, self.cell.config, context)


def train_run(run: Run, config: RunConfig, context: TaskContext) -> None:
    """Train a new run, or resume one that exists.

    Args:
        run: the folder of the run.
        config: its settings.
        context: the data, the device, and whether to stop.

    Raises:
        QgenError: the settings cannot be met, hardware is asked for, or the training failed.
    """
    from rich.console import Console

    from qgen.backends.registry import is_billed
    from qgen.runs import resume_config
    from qgen.training import ConsoleReport, Trainer, export, make_fabric, open_training_images, resume, start

    if is_billed(config.backend.name):
        raise RunError(f"a study trains in simulation, and {config.backend.name} is hardware; name another backend")
    resumes = run.path.exists()
    settings = resume_config(run, []) if resumes else config
    images, real = open_training_images(settings, context.data_dir)
    trainer = Trainer.build(run, settings, images, make_fabric(settings, context.device), real)
    report = ConsoleReport(Console(force_terminal=False, width=120))
    with closing(trainer.generator.backend):
        finished = (resume if resumes else start)(trainer, report, context.stop)
        if not finished.stopped:
            export(trainer, context.data_dir)


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
