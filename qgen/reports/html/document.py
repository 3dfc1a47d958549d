"""Self-contained HTML documents: no network, no script, no font."""

from __future__ import annotations

from importlib import resources

from qgen.reports.html.markup import Markup, element, join
from qgen.version import __version__

_PACKAGE = "qgen.reports.html"
#: The browser refuses whatever would have to be fetched.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, header: Markup, main: Markup, *styles: str) -> str:
    """Make a page; it follows the reader's choice of light or dark, and is readable on a phone.

    Args:
        title: of the window.
        header: a `header` element.
        main: a `main` element.
        styles: style sheets in addition to that of all pages, in order.
    """
    body = element("body", header, main, element("footer", f"Made by qgen {__version__}."))
    return f"<!doctype html>\n{element('html', _head(title, ''.join(styles)), body, lang='en')}\n"


def asset(name: str, package: str = _PACKAGE) -> str:
    """Read a text file of a package, such as a style sheet."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _head(title: str, style: str) -> Markup:
    # An empty icon, since a browser would ask the server for one.
    meta = Markup(
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><link rel="icon" href="data:,">'
    )
    return element("head", join((meta, element("title", title), Markup(f"<style>{asset('page.css')}{style}</style>"))))
