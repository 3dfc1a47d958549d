"""All settings with their types, defaults and descriptions, from their classes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo

from qgen.json_schema import describe_key
from qgen.settings import Settings

_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: "null", Any: "anything"}
_BOUNDS = {Ge: ("from", "ge"), Gt: ("above", "gt"), Le: ("to", "le"), Lt: ("below", "lt")}


class Key(NamedTuple):
    """A setting.

    Attributes:
        name: with dots, as `training.batch`.
        kind: where its group has several kinds, the one that has it, as `model.kind=gan`; else empty.
        allowed: values that are allowed.
        default: as JSON, or `required`; empty for a group of its own keys.
        about: description.
    """

    name: str
    kind: str
    allowed: str
    default: str
    about: str

    def line(self) -> str:
        """Return one line for a terminal."""
        name = f"{self.name}={self.default}" if self.default else self.name
        return f"{name}  ({'; '.join(filter(None, (self.allowed, self.kind)))})  {self.about}"


def list_keys(settings: type[Settings]) -> Iterator[Key]:
    """Yield the keys of a group of settings and of all groups in it, in the order of their classes.

    A choice of groups that several kinds have in common, as that of first stages, is listed once.
    """
    seen: set[tuple[str, str]] = set()
    for key in _keys(settings):
        if (key.name, key.kind) not in seen:
            seen.add((key.name, key.kind))
            yield key


def _keys(settings: type[Settings], above: str = "", kind: str = "") -> Iterator[Key]:
    for name, field in settings.model_fields.items():
        key, about = f"{above}{name}", describe_key(settings, name)
        groups = [option for option in _options(field.annotation) if _is_group(option)]
        if not groups:
            allowed = _allowed(field.annotation, field.metadata)
            yield Key(key, kind, allowed, _default(field), about)
            continue
        if about or NoneType in _options(field.annotation):
            yield Key(key, kind, "group" + (" or null" if NoneType in _options(field.annotation) else ""), "", about)
        for group in groups:
            which = f"{key}.kind={group.model_fields['kind'].default}" if len(groups) > 1 else ""
            yield from _keys(group, f"{key}.", which or kind)


def markdown(keys: Iterable[Key]) -> str:
    """Return a Markdown table of keys."""
    rows = ["| key | what it may be | by itself | what it does |", "|---|---|---|---|"]
    for key in keys:
        only = f" (`{key.kind}`)" if key.kind else ""
        default = f"`{key.default}`" if key.default else ""
        cells = (f"`{key.name}`{only}", key.allowed, default, key.about)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return value if isinstance(value, str) else json.dumps(value)


def _options(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:  # a choice of groups; what marks a value are its bounds
        inside = _options(get_args(annotation)[0])
        return inside if any(map(_is_group, inside)) else [annotation]
    if get_origin(annotation) in (Union, UnionType):
        return [option for part in get_args(annotation) for option in _options(part)]
    return [annotation]


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Settings)


def _allowed(annotation: Any, marks: Iterable[Any] = ()) -> str:
    """Return the allowed values in words, with bounds: "whole number from 1, or null"."""
    if get_origin(annotation) is Annotated:
        inner, *own = get_args(annotation)
        nested = [part for mark in own for part in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
        return _allowed(inner, [*nested, *marks])
    options = _options(annotation)
    if len(options) > 1:
        # Bounds are those of the number; nothing else has any.
        return ", or ".join(_allowed(option, marks if option is not NoneType else ()) for option in options)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(annotation))
    inner = get_args(annotation)
    if get_origin(annotation) is tuple:
        if inner[-1] is Ellipsis:
            some = "one or more" if any(isinstance(mark, MinLen) for mark in marks) else "any number"
            return f"list of {some}: {_allowed(inner[0])}"
        return f"list of {len(inner)}: {_allowed(inner[0])}"
    if get_origin(annotation) is dict:
        return f"names, each with: {_allowed(inner[1])}"
    bounds = [
        (_BOUNDS[type(mark)][0], getattr(mark, _BOUNDS[type(mark)][1])) for mark in marks if type(mark) in _BOUNDS
    ]
    words = [f"{word} {bound:,}" if isinstance(bound, int) else f"{word} {bound:g}" for word, bound in bounds]
    return " ".join((_PLAIN[annotation], *words))
