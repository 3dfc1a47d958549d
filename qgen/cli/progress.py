"""A progress bar for long work, if there is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qgen.progress import progress_bars

if TYPE_CHECKING:
    from rich.console import Console


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


@contextmanager
def progress(console: Console, what: str) -> Iterator[Bar | None]:
    """Show a bar within this block, and yield it as the callback; None without a terminal."""
    if not console.is_terminal:
        yield None
        return
    with progress_bars(console) as shown:
        yield Bar(shown, shown.add_task(what, total=None), what)
