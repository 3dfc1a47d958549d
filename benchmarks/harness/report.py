"""Results in words: one table for each size."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rich.table import Table

Row = dict[str, Any]


def duration(seconds: float | None) -> str:
    """Seconds in the unit that reads best."""
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def size_of(row: Row) -> tuple[int, int, int]:
    """The cell that a row belongs to."""
    return row["qubits"], row["layers"], row["batch"]


def tables(rows: list[Row]) -> list[Table]:
    """One table a size, the fastest first, those that were not measured last and with the reason."""
    found = []
    for (qubits, layers, batch), group in groupby(rows, key=size_of):
        table = Table(title=f"{qubits} qubits, {layers} layers, batch {batch}", title_justify="left")
        for header, justify in (
            ("", "left"),
            ("step", "right"),
            ("min-max", "right"),
            ("x qgen", "right"),
            ("peak MiB", "right"),
            ("first call", "right"),
            ("right?", "left"),
        ):
            table.add_column(header, justify=justify, overflow="fold")
        members = sorted(group, key=lambda r: r.get("seconds", float("inf")))
        own = next((r.get("seconds") for r in members if r["peer"] == "qgen"), None)
        for row in members:
            table.add_row(*_cells(row, own), style="bold" if row["peer"] == "qgen" else None)
        found.append(table)
    return found


def _cells(row: Row, own: float | None) -> list[str]:
    if "seconds" not in row:
        return [row["name"], row["status"], "", "", "", "", row["reason"]]
    seconds, low, high = row["seconds"], row["seconds_low"], row["seconds_high"]
    return [
        row["name"],
        duration(seconds) + (" *" if row["extrapolated"] else ""),
        f"{duration(low)} - {duration(high)}" if len(row["round_seconds"]) > 1 else "once",
        f"{seconds / own:,.{2 if seconds < 100 * own else 0}f}" if own else "-",
        f"{row['peak_mib']:.0f}" if "peak_mib" in row else "-",
        duration(row["first_seconds"]),
        f"{'right' if row['right'] else 'off'} ({max(row['errors'].values()):.0e})",
    ]


FOOTNOTE = "* measured on fewer samples and scaled to the batch"
