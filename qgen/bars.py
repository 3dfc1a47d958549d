"""Bars in a terminal: at any width they show how far it is and how long it takes, and nothing of them is left over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qgen.interrupts import on_end_at_once

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

#: Columns of a bar: what is said beside it has the rest, and is cut where that is too little.
_WIDTH = 12


@contextmanager
def bars(console: Console) -> Iterator[Progress]:
    """Within this block bars are shown, each task's step, time left and description on a line of its own."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    fixed = [Column(no_wrap=True) for _ in range(3)]
    shown = Progress(
        SpinnerColumn(),
        MofNCompleteColumn(table_column=fixed[0]),
        BarColumn(_WIDTH, table_column=fixed[1]),
        TimeRemainingColumn(compact=True, table_column=fixed[2]),
        TextColumn("{task.description}", markup=False, table_column=rest),
        console=console,
        transient=True,
        expand=True,
    )
    with on_end_at_once(lambda: _clear(shown)), shown:
        yield shown


def _clear(shown: Progress) -> None:
    """For a process that ends at once: the cursor goes to the first line of the bars; what follows clears them."""
    above = len(shown.tasks) - 1
    if shown.console.is_terminal and above > 0:
        shown.console.file.write(f"\r\x1b[{above}A")
        shown.console.file.flush()
