"""Images within a page: figures of matplotlib as inline SVG, and PNG files as data."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from markupsafe import Markup

from qgen.reports.html.markup import element
from qgen.reports.html.templates import part


def inline_svg(svg: str, label: str, kind: str) -> Markup:
    """Strip matplotlib's SVG of its prologue, metadata, style and unused ids, to put it into a page.

    Args:
        svg: as matplotlib writes it.
        label: for screen readers.
        kind: class of the element.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style .*?</style>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'#([\w.]+)[")]', body))
    body = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", body)
    body = re.sub(r"\s+", " ", body)
    opening = element("svg", class_=f"drawn {kind}", role="img", aria_label=label).removesuffix("></svg>")
    return Markup(body.replace("<svg", opening, 1))


def embedded_png(path: Path, alt: str) -> Markup:
    """Embed a PNG file in an `img` element.

    Args:
        path: of the file.
        alt: text in place of the image.
    """
    return part("picture", base64.b64encode(path.read_bytes()).decode("ascii"), alt)
