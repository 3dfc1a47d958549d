"""Tables of results, for the terminal and for a Markdown file, and where results go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.table import Table


def make_table(title: str, columns: tuple[str, ...], labels: int = 1) -> Table:
    """A table without rows; the first few columns are text, the others numbers."""
    table = Table(title=title or None, title_justify="left", caption_justify="left")
    for k, column in enumerate(columns):
        table.add_column(column, justify="left" if k < labels else "right", overflow="fold")
    return table


def markdown(table: Table) -> str:
    """The table for a file."""
    columns = table.columns
    rule = ["---:" if column.justify == "right" else "---" for column in columns]
    rows = zip(*(column.cells for column in columns), strict=True)
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in ([column.header for column in columns], rule, *rows)]
    title = [f"## {table.title}", ""] if table.title else []
    caption = ["", str(table.caption)] if table.caption else []
    return "\n".join([*title, *lines, *caption, ""])


def save(results: dict[str, Any], out: Path) -> None:
    """Writes results to OUT.json."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    unit, size = ("s", 1.0) if seconds >= 1 else ("ms", 1e-3) if seconds >= 1e-3 else ("us", 1e-6)
    return f"{seconds / size:.3g} {unit}"


def spread(times: list[float]) -> str:
    """The shortest and the longest of several times."""
    return f"{duration(min(times))} - {duration(max(times))}"


def mean_and_interval(values: Sequence[float], digits: int) -> str:
    """The mean of two numbers or more, and half the width of its 95 % interval by Student's t."""
    from scipy.stats import t as student

    half = float(student.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return f"{mean(values):.{digits}f} ± {half:.{digits}f}"
