"""A bar for anything that takes a while; nothing where there is no terminal."""

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
    """A bar in a terminal: called with how much is done, of how much."""

    progress: Any
    task: Any
    what: str

    def __call__(self, done: int, total: int) -> None:
        self.progress.update(self.task, completed=done, total=total)

    def say(self, more: str) -> None:
        """Says more beside what it is about."""
        self.progress.update(self.task, description=f"{self.what}: {more}" if more else self.what)


@contextmanager
def progress(console: Console, what: str) -> Iterator[Bar | None]:
    """Around the work; what it yields is told how much is done, of how much."""
    if not console.is_terminal:
        yield None
        return
    with progress_bars(console) as shown:
        yield Bar(shown, shown.add_task(what, total=None), what)
