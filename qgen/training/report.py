"""Progress of a training: a bar on a terminal, a line per row of metrics elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from qgen.progress import ProgressCallback, progress_bars
from qgen.training.evaluation import quality_line
from qgen.training.metrics import Row


class Report:
    """Shows nothing: for other devices than the first, and for tests."""

    @contextmanager
    def over(self, first: int, total: int) -> Iterator[None]:
        """Wrap the loop from step `first` to `total`."""
        yield

    def step(self, done: int) -> None:
        """Show that `done` steps are done."""

    def row(self, row: Row) -> None:
        """Show a row of metrics."""

    def quality(self, row: Row) -> None:
        """Show how good samples are: a row of quality.jsonl."""
        self.message(quality_line(row))

    def picture(self, step: int, grid: Path) -> None:
        """Show the PNG file of the samples after `step` steps."""

    def message(self, line: str) -> None:
        """Show a message of one line."""

    def working(self, what: str) -> AbstractContextManager[ProgressCallback | None]:
        """Wrap work beside the steps, as `sampling` or `encoding`; yields a callback for its progress."""
        return nullcontext()


class ConsoleReport(Report):
    """A bar with loss, rates and time left on a terminal; elsewhere a line of fixed width for some of the rows.

    Args:
        console: where to print.
        lines: about how many lines to print in all where there is no terminal.
    """

    def __init__(self, console: Console, lines: int = 40) -> None:
        self._console, self._lines = console, lines
        self._progress: Progress | None = None
        self._task: Any = None
        self._last: Row | None = None
        self._total = self._next = 0

    @contextmanager
    def over(self, first: int, total: int) -> Iterator[None]:
        self._total = total
        if not self._console.is_terminal:
            yield
            return
        with progress_bars(self._console) as self._progress:
            self._task = self._progress.add_task("starting", total=total, completed=first)
            try:
                yield
            finally:
                self._progress, last = None, self._last
        if last is not None:  # the bar is gone; its last text stays
            self._print_row(last)

    def step(self, done: int) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=done)

    def row(self, row: Row) -> None:
        is_first, self._last = self._last is None, row
        if self._progress is not None:
            self._progress.update(self._task, description=summary(row))
        elif row["step"] >= min(self._next, self._total):
            self._next = int(row["step"]) + self._total // self._lines
            self._print_row(row, is_first)

    def _print_row(self, row: Row, is_first: bool = False) -> None:
        left = "" if is_first else time_left(row, self._total)  # the first rate counts what is done once, as compiling
        self._console.print(f"step {row['step']:>7} of {self._total}  {summary(row)}{left}", soft_wrap=True)

    def message(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)

    @contextmanager
    def working(self, what: str) -> Iterator[ProgressCallback | None]:
        if self._progress is None:
            yield None
            return
        progress, task = self._progress, self._progress.add_task(what, total=None)
        try:
            yield lambda done, total: progress.update(task, completed=done, total=total)
        finally:
            progress.remove_task(task)


def summary(row: Row) -> str:
    """Return a row of metrics as one short text of fixed width."""
    shown = [(name, value) for name, value in row.items() if name.endswith(("loss", "accuracy"))]
    losses = "  ".join(f"{name} {value:.4f}" for name, value in shown)
    rates = f"{row['images_per_second']:>6,.0f} images/s"
    if row["circuits_per_second"]:
        rates += f"  {row['circuits_per_second']:>7,.0f} circuits/s"
    return f"{losses}  {rates}"


def time_left(row: Row, total: int) -> str:
    """Return the time that steps up to `total` take at the rate of a row, as "  2:05 left"; nothing after the last.

    Pictures and tests of samples on the way are not counted.
    """
    steps, rate = total - row["step"], row["images_per_second"]
    if steps <= 0 or rate <= 0:
        return ""
    minutes, seconds = divmod(round(steps * row["images"] / row["step"] / rate), 60)
    hours, minutes = divmod(minutes, 60)
    return f"  {hours}:{minutes:02}:{seconds:02} left" if hours else f"  {minutes}:{seconds:02} left"
