"""Evaluations as files and on the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from qgen import storage
from qgen.cli.output import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.evaluation import Evaluation


def write(evaluation: Evaluation, path: Path) -> None:
    """Write the results as JSON.

    Raises:
        RunError: the file cannot be written.
    """
    from qgen.runs import writing

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_text(path, json.dumps(evaluation.plain(), indent=2, ensure_ascii=False) + "\n")


def show(console: Console, evaluation: Evaluation, path: Path, as_json: bool) -> None:
    """Print the results: JSON, or a table with notes."""
    if as_json:
        print_json(evaluation.plain() | {"file": str(path)})
        return
    from rich.table import Table

    from qgen.evaluation import text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for heading in text.HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in text.rows(evaluation):
        table.add_row(*row)
    console.print()
    console.print(table)
    console.print()
    for line in text.notes(evaluation):
        console.print(line, soft_wrap=True, style="dim")
    if evaluation.collapse:
        console.print(f"warning: {evaluation.collapse}", soft_wrap=True, style="yellow")
    console.print(f"results: {path}", soft_wrap=True)
