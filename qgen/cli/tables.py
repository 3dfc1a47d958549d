"""Tables of any terminal's width, or a pipe's: where a word would be cut, each row is a block of lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Columns that a name and its text side by side take at least: on less, the text begins on a line of its own.
_BESIDE = 60
_INDENT = 2


def print_table(
    console: Console,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Collection[str] = (),
    gap: int = 1,
    whole: bool = False,
) -> None:
    """Print a table; or, where a word would be cut, its rows one below the other, with a line for each cell.

    The cells of the first column are names, which stay whole. Below one another they need no heading, unless it has
    several words: that is a title, and stands above them.

    Args:
        console: with a width.
        headings: of the columns.
        rows: their cells; lines are not broken at a no-break space, which is printed as a space.
        right: headings of columns that are aligned at the right.
        gap: spaces between columns.
        whole: the other cells stay whole too.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    kept = [list(row) for row in rows]
    columns = [[heading, *(row[k] for row in kept)] for k, heading in enumerate(headings)]
    stays = [whole or k == 0 for k in range(len(columns))]
    natural = [max(map(cell_len, column)) for column in columns]
    least = [
        widest if keep else max((cell_len(word) for cell in column for word in _words(cell)), default=0)
        for keep, widest, column in zip(stays, natural, columns, strict=True)
    ]
    spare = console.width - sum(least) - gap * (len(columns) - 1)
    if spare < 0:
        _print_blocks(console, headings, kept)
        return
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    widths = _shared(least, natural, spare)
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(_fill(heading, width), justify="right" if heading in right else "left", width=width)
    for row in kept:
        table.add_row(*(Text(_fill(cell, width)) for cell, width in zip(row, widths, strict=True)))
    console.print(table)


def _words(cell: str) -> list[str]:
    """Return the parts of a cell that stay whole."""
    return re.split(r"[ \n]+", cell)


def _fill(cell: str, width: int) -> str:
    """Return the lines of a cell: rich itself would break them at a no-break space too."""
    lines = textwrap.fill(cell, max(1, width), break_long_words=False, break_on_hyphens=False)
    return lines.replace("\u00a0", " ")


def _shared(least: Sequence[int], natural: Sequence[int], spare: int) -> list[int]:
    """Give spare columns of the terminal to the columns that lack most."""
    widths = list(least)
    for _ in range(min(spare, sum(natural) - sum(least))):
        lacking = [want - has for want, has in zip(natural, widths, strict=True)]
        widths[lacking.index(max(lacking))] += 1
    return widths


def print_pairs(console: Console, rows: Iterable[tuple[str, str | Text]], room: int = _BESIDE) -> None:
    """Print names and their texts, side by side, or in a narrow terminal each text below its name.

    Args:
        console: with a width.
        rows: the pairs.
        room: columns from which on they stand side by side.
    """
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if console.width < room:
        for name, value in rows:
            console.print(Text(name, "bold"), overflow="fold")
            console.print(Padding(Text(value) if isinstance(value, str) else value, (0, 0, 0, 2)), overflow="fold")
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value) if isinstance(value, str) else value)
    console.print(table)


def _print_blocks(console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print each row as its first cell, and below it each heading with its value."""
    from rich.cells import cell_len
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if " " in headings[0].strip():
        console.print(Text(headings[0].replace("\u00a0", " "), "dim"), overflow="fold")
    longest = max((cell_len(word) for row in rows for cell in row[1:] for word in _words(cell)), default=0)
    name = max(map(cell_len, headings))
    beside = _INDENT + name + 1 + longest <= console.width
    room = console.width - _INDENT - (name + 1 if beside else _INDENT)
    for first, *others in rows:
        console.print(Text(first or headings[0], "bold"), overflow="fold")
        block = Table.grid(padding=(0, 1))
        for heading, cell in zip(headings[1:], others, strict=True):
            if not cell:
                continue
            shown = Text(_fill(cell, room))
            if beside:
                block.add_row(Text(heading, "dim"), shown)
            else:
                block.add_row(Text(heading, "dim"))
                block.add_row(Padding(shown, (0, 0, 0, _INDENT)))
        console.print(Padding(block, (0, 0, 0, _INDENT), expand=False))
