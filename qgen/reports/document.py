"""The frame of every page: one HTML file that needs nothing else, with no network, no script and no font."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from qgen import __version__
from qgen.reports.markup import Markup, element, join

#: The browser itself refuses whatever would have to be fetched.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, header: Markup, main: Markup, styles: Sequence[str] = ("page.css",)) -> str:
    """A whole page; it follows the reader's choice of light or dark, and is readable on a phone.

    Args:
        title: of the window.
        header: a `header` element.
        main: a `main` element.
        styles: files of this package, one after the other.
    """
    body = element("body", header, main, element("footer", f"Made by qgen {__version__}."))
    return f"<!doctype html>\n{element('html', _head(title, styles), body, lang='en')}\n"


def asset(name: str) -> str:
    """The text of a file of this package."""
    return resources.files("qgen.reports").joinpath(name).read_text(encoding="utf-8")


def _head(title: str, styles: Sequence[str]) -> Markup:
    # An empty icon, since a browser would ask the server for one.
    meta = Markup(
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><link rel="icon" href="data:,">'
    )
    style = Markup(f"<style>{''.join(map(asset, styles))}</style>")
    return element("head", join((meta, element("title", title), style)))
