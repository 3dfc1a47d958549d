"""Output for terminals: lines that end between words there, and stay one line to copy; bars that leave nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import IO, Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import Progress

#: Columns of what a terminal shows of Ctrl-C, pressed twice.
ECHO = 4


class LiteralConsole(Console):
    """Prints names literally: `[x]` is no markup, and `:x:` no emoji. With `soft_wrap` a terminal cuts no word.

    Args:
        stderr: print on the standard error.
        quiet: print nothing.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, stderr=stderr, quiet=quiet)

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        """Print objects, see `rich`; of those with `soft_wrap`, texts are `on_terminal`."""
        if soft_wrap:
            objects = tuple(on_terminal(each, self.file) if isinstance(each, str) else each for each in objects)
        super().print(*objects, soft_wrap=soft_wrap, **options)


class Bars(Progress):
    """Progress bars that leave the end of a row free, for `^C`: shown on the next row, the bar would stay for good."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield what is shown, see `rich`."""
        yield _Narrower(self.make_tasks_table(self.tasks))


class _Narrower(NamedTuple):
    """A renderable without the last columns of a row."""

    renderable: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self.renderable, options.update_width(max(1, options.max_width - ECHO)))


def on_terminal(text: str, stream: IO[str]) -> str:
    """Return a text as it is written to a stream: on a terminal, no word is cut at the end of a row (`whole_words`)."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):  # closed, or a stream without a descriptor
        columns = 0
    return "\n".join(whole_words(line, columns) for line in text.split("\n")) if columns else text


def whole_words(line: str, columns: int) -> str:
    """Return a line with spaces before each word that the end of a terminal's row would cut.

    A terminal begins a new row by itself, so no line end is needed: a command that is copied stays one command. What
    is longer than a row, as a path may be, begins where it would have begun.

    Args:
        line: of any length, without a line end.
        columns: of the terminal, at least 1.
    """
    kept, column = "", 0
    for word in re.split("(?<= )(?=[^ ])", line):  # each with the spaces after it, so that no row begins with one
        width = cell_len(word)
        if column and column + width > columns >= cell_len(word.rstrip(" ")):
            kept, column = kept + " " * (columns - column), 0
        kept, column = kept + word, (column + width) % columns
    return kept
