"""Templates: whatever text is given to a part of a page, it is text in the page, and a missing value is an error."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup, escape

from qgen.reports.html.templates import part, render

#: With what would be markup, an attribute's end, or Jinja's own.
TEXT = st.one_of(
    st.sampled_from(["<b>&amp;</b>", "\"' onload=x", "{{ 7 * 7 }}", "{% raw %}"]), st.text("<>&\"'{}%# ab")
)


class Read(HTMLParser):
    """Tags, attributes and cells, with references resolved."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.cells: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("th", "td", "span"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


@given(TEXT, st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3))
def test_cells_are_text(caption: str, rows: list[tuple[str, str]]) -> None:
    read = Read(str(part("table", caption, ("one", "two"), rows)))
    expected = [caption, "one", "two", *(cell for row in rows for cell in row)]
    assert [" ".join(cell.split()) for cell in read.cells] == [" ".join(cell.split()) for cell in expected]
    frame = ["div", "table", "caption", "span", "thead", "tr", "th", "th", "tbody"]
    assert read.tags == frame + ["tr", "th", "td"] * len(rows)
    assert ("aria-label", caption) in read.attributes


def test_markup_stays_markup() -> None:
    assert "<td><i>a</i></td>" in part("table", "", ("", ""), [("", Markup("<i>a</i>"))])


@given(TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=3))
def test_what_stands_between_backticks_is_code(plain: str, pairs: list[tuple[str, str]]) -> None:
    text = plain + "".join(f"`{code}`{after}" for code, after in pairs)
    lines = list_items(part("warnings", [text, text + "`"]))
    expected = escape(plain) + Markup("").join(Markup("<code>%s</code>%s") % pair for pair in pairs)
    assert lines == [expected, escape(text + "`")]


def list_items(html: str) -> list[str]:
    return [line[len("<li>") : -len("</li>")] for line in html.split("\n") if line.startswith("<li>")]


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="names"):
        render("qgen.reports/curves.html", legend="", charts=[])
