"""Progress of long work: the callback that reports it, and progress bars for a terminal of any width."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qgen.interrupts import on_forced_exit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

#: Called with (steps done, steps in total).
ProgressCallback = Callable[[int, int], None]
#: Called with a line for people.
MessageCallback = Callable[[str], None]

#: Width of a bar, in columns. Its description has the rest of the line, and is cut where it is longer.
_BAR_COLUMNS = 12


@contextmanager
def progress_bars(console: Console) -> Iterator[Progress]:
    """Show progress bars within this block: one line a task, with its step, its remaining time and its description."""
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    from qgen.console import Bars

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    fixed = [Column(no_wrap=True) for _ in range(3)]
    progress = Bars(
        SpinnerColumn(),
        MofNCompleteColumn(table_column=fixed[0]),
        BarColumn(_BAR_COLUMNS, table_column=fixed[1]),
        TimeRemainingColumn(compact=True, table_column=fixed[2]),
        TextColumn("{task.description}", markup=False, table_column=rest),
        console=console,
        transient=True,
        expand=True,
    )
    with on_forced_exit(lambda: _clear(progress)), progress:
        yield progress


@dataclass
class Bar:
    """A progress bar in a terminal; it is a `ProgressCallback`."""

    progress: Any
    task: Any
    what: str

    def __call__(self, done: int, total: int) -> None:
        self.progress.update(self.task, completed=done, total=total)

    def say(self, message: str) -> None:
        """Show a message beside the description."""
        self.progress.update(self.task, description=f"{self.what}: {message}" if message else self.what)


def make_console(quiet: bool = False) -> Console:
    """Return a console; a quiet one prints nothing."""
    from qgen.console import LiteralConsole

    return LiteralConsole(quiet=quiet)


@contextmanager
def progress_bar(console: Console, what: str) -> Iterator[Bar | None]:
    """Show a bar within this block, and yield it as the callback; None without a terminal."""
    if console.quiet or not console.is_terminal:
        yield None
        return
    with progress_bars(console) as shown:
        yield Bar(shown, shown.add_task(what, total=None), what)


def _clear(progress: Progress) -> None:
    """Move the cursor to the first bar, for a process that ends at once: its last message clears what is below."""
    above = len(progress.tasks) - 1
    if progress.console.is_terminal and above > 0:
        progress.console.file.write(f"\r\x1b[{above}A")
        progress.console.file.flush()
