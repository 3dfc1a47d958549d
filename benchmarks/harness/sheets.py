"""One table, for the terminal and for a Markdown file."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.table import Table


@dataclass
class Sheet:
    """A title, columns (the first few of them words), rows of text, and what a reader must know of them."""

    title: str
    columns: tuple[str, ...]
    words: int = 1
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rich(self) -> Table:
        """For the terminal."""
        caption = "\n".join(self.notes) or None
        table = Table(title=self.title, title_justify="left", caption=caption, caption_justify="left")
        for k, column in enumerate(self.columns):
            table.add_column(column, justify="left" if k < self.words else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a file."""
        rule = ["---" if k < self.words else "---:" for k in range(len(self.columns))]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.columns, rule, *self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, *(f"\n{note}" for note in self.notes), ""])
