"""Evaluations on the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qgen.cli.output import print_json
from qgen.cli.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.evaluation import Evaluation


def show(console: Console, evaluations: Sequence[Evaluation], files: dict[str, str], as_json: bool) -> None:
    """Print the results: JSON, or tables with notes."""
    from qgen.evaluation import control_text, text
    from qgen.evaluation.compare import plain

    if as_json:
        print_json(plain(evaluations) | files)
        return
    first, *others = evaluations
    for each in evaluations:
        if others:
            console.print(f"\n{each.name}", style="bold")
        _print_table(console, text.HEADINGS, text.rows(each))
        if each.collapse:
            console.print(f"warning: {each.collapse}", soft_wrap=True, style="yellow")
        if each.controls:
            if each.controls.samples:
                console.print("controls: differences", style="bold")
                _print_table(console, ("samples", *control_text.headings(each.controls)), control_text.rows(each))
            for line in each.controls.summary:
                console.print(line, soft_wrap=True)
            console.print()
    if others:
        console.print("\ndifferences", style="bold")
        headings = (first.name, *(f"{other.name} less {first.name}" for other in others))
        _print_table(console, headings, text.compared_rows(evaluations))
        console.print(text.pairing(evaluations), soft_wrap=True, style="dim")
    for line in [*text.notes(first), *text.biases(first)]:
        console.print(line, soft_wrap=True, style="dim")
    console.print(f"page: {files['page']}", soft_wrap=True)


def _print_table(console: Console, headings: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    print_table(console, ("", *headings), ([name, *map(_unbroken, cells)] for name, *cells in rows), headings)
    console.print()


def _unbroken(cell: str) -> str:
    """Return a cell whose lines break before an interval in parentheses, and nowhere else."""
    return re.sub(r" (?!\()", "\u00a0", cell)
