"""Experiment trackers that get the metrics and samples of a training too, if wanted: TensorBoard, Weights & Biases."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from PIL import Image

from qgen import storage
from qgen.errors import RunError
from qgen.extras import install_command
from qgen.progress import ProgressCallback
from qgen.runs.folder import Run, writing
from qgen.runs.rows import numbers
from qgen.training.metrics import Row
from qgen.training.report import Report

#: Project of Weights & Biases, unless its own variable WANDB_PROJECT names one.
PROJECT = "qgen"
#: Name of the grids of samples.
SAMPLES = "samples"


class _TrackedReport(Report):
    """Gives metrics and grids of samples to a tracker, and shows progress as another report does."""

    def __init__(self, beside: Report) -> None:
        self._beside = beside

    @abstractmethod
    def _open(self, first: int) -> None:
        """Begin after `first` steps; not before, as the folder of a new run does not exist earlier."""

    @abstractmethod
    def _write(self, values: Row, step: int) -> None:
        """Write metrics after a step."""

    @abstractmethod
    def _draw(self, grid: Path, step: int) -> None:
        """Copy a PNG file of samples after a step."""

    @abstractmethod
    def _close(self, failed: bool) -> None:
        """End, after an error or without one."""

    @contextmanager
    def over(self, first: int, total: int) -> Iterator[None]:
        self._open(first)
        failed = True
        try:
            with self._beside.over(first, total):
                yield
            failed = False
        finally:
            self._close(failed)

    def step(self, done: int) -> None:
        self._beside.step(done)

    def row(self, row: Row) -> None:
        self._write({name: value for name, value in row.items() if name != "step"}, int(row["step"]))
        self._beside.row(row)

    def quality(self, row: Row) -> None:
        self._write(numbers(row), int(row["step"]))
        self._beside.quality(row)

    def picture(self, step: int, grid: Path) -> None:
        self._draw(grid, step)
        self._beside.picture(step, grid)

    def message(self, line: str) -> None:
        self._beside.message(line)

    def working(self, what: str) -> AbstractContextManager[ProgressCallback | None]:
        return self._beside.working(what)


class TensorBoardReport(_TrackedReport):
    """Writes the metrics and the grids of samples for TensorBoard too.

    Args:
        folder: for its files.
        beside: what shows the progress.

    Raises:
        RunError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, beside: Report) -> None:
        super().__init__(beside)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise RunError(f"--tensorboard needs an extra: {install_command('tensorboard')}") from error
        self._make: Callable[..., Any] = partial(SummaryWriter, folder)

    def _open(self, first: int) -> None:
        self._writer = self._make(purge_step=first + 1)

    def _write(self, values: Row, step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def _draw(self, grid: Path, step: int) -> None:
        with Image.open(grid) as picture:
            self._writer.add_image(SAMPLES, np.asarray(picture.convert("RGB")), step, dataformats="HWC")

    def _close(self, failed: bool) -> None:
        self._writer.close()


class WandbReport(_TrackedReport):
    """Gives metrics, samples and settings to Weights & Biases too, whose own variables (WANDB_MODE, ...) say how.

    A run that goes on is the same run there: its identifier lies beside the files that the library keeps in the run's
    folder. Rows that it has already are sent again with the same values, and it keeps the first.

    Args:
        run: what is trained.
        beside: what shows the progress.

    Raises:
        RunError: wandb is not installed; or, as training begins, there is no account, or the service refuses it.
    """

    def __init__(self, run: Run, beside: Report) -> None:
        super().__init__(beside)
        self._library, self._run = import_wandb(), run

    def _open(self, first: int) -> None:
        try:
            self._tracked = self._library.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=self._run.path.resolve().name,
                id=self._identifier(),
                resume="allow",
                dir=str(self._run.path),
                config=self._run.config().plain(),
                settings=self._library.Settings(console="off"),  # it leaves this process's output alone
            )
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "wandb":
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            raise RunError(
                f"Weights & Biases: {reason}. `wandb login` names an account; WANDB_MODE=offline keeps all in the "
                "run's folder, without one"
            ) from error

    def _write(self, values: Row, step: int) -> None:
        self._tracked.log(values, step=step)

    def _draw(self, grid: Path, step: int) -> None:
        self._tracked.log({SAMPLES: self._library.Image(str(grid))}, step=step)

    def _close(self, failed: bool) -> None:
        self._tracked.finish(exit_code=int(failed))

    def _identifier(self) -> str:
        file = self._run.path / "wandb" / "identifier"
        if not file.is_file():
            with writing(file):
                file.parent.mkdir(exist_ok=True)
                storage.write_text(file, uuid4().hex)
        return file.read_text("utf-8").strip()


def import_wandb() -> Any:
    """Return the library of Weights & Biases.

    Raises:
        RunError: it is not installed.
    """
    try:
        import wandb
    except ImportError as error:
        raise RunError(f"--wandb needs an extra: {install_command('wandb')}") from error
    return wandb
