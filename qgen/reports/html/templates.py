"""Templates of pages: HTML by Jinja, in which all text is escaped that is not `Markup`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeAlias

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

#: What a template gets for a table, a picture or charts.
Values: TypeAlias = Mapping[str, Any]
_PARTS = "qgen.reports.html/parts.html"


def render(template: str, /, **values: Any) -> str:
    """Return what a template makes of values.

    Args:
        template: package and file, as "qgen.evaluation/page.html". A page extends `qgen.reports.html/base.html`.
        values: by the names that the template has for them; one that it lacks is an error.
    """
    return _environment().get_template(template).render(values)


def fragment(template: str, /, **values: Any) -> Markup:
    """Return the same as `Markup`: a part of a page in a file of its own."""
    return Markup(render(template, **values))


def part(name: str, /, *values: Any, **named: Any) -> Markup:
    """Return what a macro of `parts.html` makes of values, for what Python puts together."""
    made: Markup = getattr(_environment().get_template(_PARTS).module, name)(*values, **named)
    return made


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[object]], words: Sequence[int] = ()
) -> dict[str, Any]:
    """Return what the macro `table` of `parts.html` takes, which says what each is."""
    return {"caption": caption, "head": head, "rows": rows, "words": words}


def prose(text: str) -> Markup:
    """Return text, escaped, with what stands between two backticks as code, as a terminal's lines have it."""
    plain, *rest = text.split("`")
    if len(rest) % 2:  # one of them is a plain backtick
        return Markup.escape(text)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return Markup.escape(plain) + Markup("").join(Markup("<code>{}</code>{}").format(*pair) for pair in pairs)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    from qgen.version import __version__

    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["version"] = __version__
    environment.filters["prose"] = prose
    return environment


def _read(name: str) -> str | None:
    package, _, file = name.rpartition("/")
    path = resources.files(package).joinpath(file)
    return path.read_text(encoding="utf-8") if path.is_file() else None
