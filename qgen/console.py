"""A console whose lines end between words on a terminal, and stay one line for whoever copies them."""

from __future__ import annotations

import os
import re
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console


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
        if column and column + width > columns >= width:
            kept, column = kept + " " * (columns - column), 0
        kept, column = kept + word, (column + width) % columns
    return kept
