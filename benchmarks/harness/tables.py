"""Tables of results, for the terminal and for a Markdown file."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import rich.table

Row = dict[str, Any]


@dataclass
class Table:
    """A title, columns (the first few of them text), rows of text, and what a reader must know of them."""

    title: str
    columns: tuple[str, ...]
    labels: int = 1
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rich(self) -> rich.table.Table:
        """For the terminal."""
        caption = "\n".join(self.notes) or None
        table = rich.table.Table(title=self.title, title_justify="left", caption=caption, caption_justify="left")
        for k, column in enumerate(self.columns):
            table.add_column(column, justify="left" if k < self.labels else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a file."""
        rule = ["---" if k < self.labels else "---:" for k in range(len(self.columns))]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.columns, rule, *self.rows)]
        title = [f"## {self.title}", ""] if self.title else []
        return "\n".join([*title, *lines, *(f"\n{note}" for note in self.notes), ""])


def duration(seconds: float | None) -> str:
    """Seconds in the unit that reads best."""
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def spread(times: list[float]) -> str:
    """The shortest and the longest of several times."""
    return f"{duration(min(times))} - {duration(max(times))}"


def layer_tables(rows: list[Row]) -> list[Table]:
    """One table a size, the fastest first, those that were not measured last and with the reason."""
    tables = []
    for size, group in groupby(rows, key=lambda row: (row["qubits"], row["layers"], row["batch"])):
        columns = ("", "step", "min-max", "x qgen", "peak MiB", "first call", "right?")
        table = Table("{} qubits, {} layers, batch {}".format(*size), columns)
        members = sorted(group, key=lambda row: row.get("seconds", float("inf")))
        own = next((row.get("seconds") for row in members if row["peer"] == "qgen"), None)
        table.rows = [_layer_cells(row, own) for row in members]
        if any(row.get("extrapolated") for row in members):
            table.notes.append("* measured on fewer samples and scaled to the batch")
        tables.append(table)
    return tables


def _layer_cells(row: Row, own: float | None) -> tuple[str, ...]:
    if "seconds" not in row:
        return row["name"], row["status"], "", "", "", "", row["reason"]
    seconds, low, high = row["seconds"], row["seconds_low"], row["seconds_high"]
    return (
        row["name"],
        duration(seconds) + (" *" if row["extrapolated"] else ""),
        spread([low, high]) if len(row["round_seconds"]) > 1 else "once",
        f"{seconds / own:,.{2 if seconds < 100 * own else 0}f}" if own else "-",
        f"{row['peak_mib']:.0f}" if "peak_mib" in row else "-",
        duration(row["first_seconds"]),
        f"{'right' if row['right'] else 'off'} ({max(row['errors'].values()):.0e})",
    )
