"""Self-contained HTML documents: no network, no script, no font."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from qgen import __version__
from qgen.reports.html.markup import Markup, element, join

#: The browser refuses whatever would have to be fetched.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, header: Markup, main: Markup, styles: Sequence[str] = ("page.css",)) -> str:
    """Make a page; it follows the reader's choice of light or dark, and is readable on a phone.

    Args:
        title: of the window.
        header: a `header` element.
        main: a `main` element.
        styles: names of style sheets in this package, in order.
    """
    body = element("body", header, main, element("footer", f"Made by qgen {__version__}."))
    return f"<!doctype html>\n{element('html', _head(title, styles), body, lang='en')}\n"


def _style(name: str) -> str:
    return resources.files("qgen.reports.html").joinpath(name).read_text(encoding="utf-8")


def _head(title: str, styles: Sequence[str]) -> Markup:
    # An empty icon, since a browser would ask the server for one.
    meta = Markup(
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><link rel="icon" href="data:,">'
    )
    style = Markup(f"<style>{''.join(map(_style, styles))}</style>")
    return element("head", join((meta, element("title", title), style)))
