"""Tables on any width: nothing is cut, no line is too long, and every cell is there."""

from __future__ import annotations

import io

import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from qgen.cli.tables import print_pairs, print_table

WORD = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
CELL = st.lists(WORD, min_size=1, max_size=4).map(" ".join)


def printed(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)


def text(console: Console) -> str:
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


@given(st.data(), st.integers(20, 120), st.booleans())
@examples(60)
def test_every_cell_is_whole_whatever_the_width(data: st.DataObject, width: int, whole: bool) -> None:
    columns = data.draw(st.integers(1, 8))
    row = st.lists(CELL if not whole else WORD, min_size=columns, max_size=columns)
    headings = data.draw(row)
    rows = data.draw(st.lists(row, min_size=1, max_size=5))
    console = printed(width)
    print_table(console, headings, rows, right=headings[1:], whole=whole)
    shown = text(console)
    assert all(len(line) <= width for line in shown.splitlines())
    assert "…" not in shown
    words = shown.split()
    for cell in (*headings[1:], *(cell for row in rows for cell in row)):
        assert set(cell.split()) <= set(words)
    assert len("".join(words)) >= sum(len(cell.replace(" ", "")) for row in rows for cell in row)


def test_a_table_that_fits_is_one_and_another_is_blocks() -> None:
    rows = [("fake_fez", "156", "cz"), ("fake_torino", "133", "")]
    wide, narrow = printed(40), printed(18)
    for console in (wide, narrow):
        print_table(console, ("device", "qubits", "gate"), rows, ("qubits",))
    assert text(wide).splitlines()[1].split() == ["fake_fez", "156", "cz"]
    lines = [line.split() for line in text(narrow).splitlines()]
    assert lines == [["fake_fez"], ["qubits", "156"], ["gate", "cz"], ["fake_torino"], ["qubits", "133"]]


@given(st.lists(st.tuples(WORD, WORD, WORD, WORD), min_size=1, max_size=4), st.integers(40, 120))
@examples(30)
def test_no_line_breaks_at_a_no_break_space(rows: list[tuple[str, str, str, str]], width: int) -> None:
    console = printed(width)
    kept = [(name, f"{value} ({low}\u00a0to\u00a0{high})", value) for name, value, low, high in rows]
    print_table(console, ("", "a value", "another"), kept, ("a value",))
    shown = text(console)
    assert "\u00a0" not in shown
    assert all(f"({low} to {high})" in shown for _, _, low, high in rows)
    assert all(len(line) <= width for line in shown.splitlines())


@pytest.mark.parametrize("rows", [[], [("", "5")]])
def test_an_empty_column_and_a_terminal_without_room_are_no_errors(rows: list[tuple[str, str]]) -> None:
    for width in (80, 4, 1):
        console = printed(width)
        print_table(console, ("", "value"), rows)
        assert width < 80 or text(console).split() == ["value", *(cell for _, cell in rows)]


def test_a_title_stays_where_rows_are_blocks() -> None:
    rows = [("fake_fez", "5.4 ± 12.0", "not reached")]
    for title, first in (("device", "fake_fez"), ("gan: loss, %", "gan: loss, %")):
        console = printed(24)
        print_table(console, (title, "scale 1", "half lost at scale"), rows, whole=True)
        assert text(console).splitlines()[0] == first


@given(st.lists(st.tuples(WORD, CELL), min_size=1, max_size=4), st.integers(20, 100))
@examples(30)
def test_pairs_are_whole_too(rows: list[tuple[str, str]], width: int) -> None:
    console = printed(width)
    print_pairs(console, rows)
    lines = text(console).splitlines()
    assert all(len(line) <= width for line in lines)
    assert [word for line in lines for word in line.split()] == [
        word for name, value in rows for word in (name, *value.split())
    ]
