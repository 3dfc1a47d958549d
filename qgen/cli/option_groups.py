"""Groups of options: a dataclass whose fields are options, so that commands which share them declare them once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Any, get_type_hints


def flatten_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Make the fields of a command's groups options of the command, for Typer.

    A group is a parameter whose annotation is a dataclass; its fields are annotated as options are, and have defaults.
    The command is called with the group as one value.
    """
    parameters = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {
        name: each.annotation for name, each in parameters.items() if is_dataclass(each.annotation)
    }

    @wraps(command)
    def flat(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    options = [option for each in parameters.values() for option in _options(each)]
    flat.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    flat.__annotations__ = {option.name: option.annotation for option in options}
    return flat


def _options(parameter: Parameter) -> Iterator[Parameter]:
    """Yield the options that a parameter stands for: itself, unless it is a group."""
    group = parameter.annotation
    if not is_dataclass(group):
        yield parameter.replace(kind=Parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
