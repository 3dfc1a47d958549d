"""SVG from Python values, and numbers for people: text is escaped. HTML is made by templates (`templates.py`)."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import count
from math import isfinite

from markupsafe import Markup

#: Stands for an unknown value.
UNKNOWN = "\u2013"
#: What the value of an attribute is written from.
Attribute = str | float | bool | None


def element(name: str, *content: str | float, **attributes: Attribute) -> Markup:
    """Make an element of SVG, or of HTML around it.

    Args:
        name: such as "p".
        content: escaped, unless it is `Markup`.
        attributes: `class_` for class, `aria_label` for aria-label; None and False are left out.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    return Markup(f"<{name}{written}>{join(content)}</{name}>")


def join(parts: Iterable[str | float]) -> Markup:
    """Concatenate parts; they are escaped, unless they are `Markup`."""
    return Markup("".join(part if isinstance(part, Markup) else escape(str(part)) for part in parts))


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    return f' {name}="{escape(value if isinstance(value, str) else f"{value:g}")}"'


def plural(number: int, noun: str) -> str:
    """Format a number and its noun: "1 gate", "2 gates"."""
    return f"{number:,} {noun}{'s' * (number != 1)}".replace(",", "\u202f")


def percent(share: float) -> str:
    """Format a share in [0, 1] in percent, with three digits."""
    if share in (0, 1):
        return f"{100 * share:.0f}\u202f%"
    if share < 1e-6:
        return "< 0.0001\u202f%"
    decimals = next(k for k in count(1) if share >= 10.0**-k)
    return f"{100 * share:.{decimals}f}\u202f%"


def microseconds(time: float | None) -> str:
    """Format a time with three digits and its unit."""
    return UNKNOWN if time is None else f"{time:.{_decimals(time)}f}\u202fµs"


def _decimals(number: float) -> int:
    return 0 if number >= 100 else 1 if number >= 10 else 2


def times(new: float, old: float) -> str:
    """Format the ratio of a new value to an old one."""
    ratio = new / old if old else float("inf")
    return f"\u00d7\u202f{ratio:.{_decimals(ratio)}f}" if isfinite(ratio) else UNKNOWN


def signed(number: int) -> str:
    """Format a difference with its sign."""
    return f"{number:+d}".replace("-", "\u2212") if number else "\u00b10"
