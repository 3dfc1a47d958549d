"""Gradient methods by name."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from typing import Any, get_type_hints

from pydantic import create_model

from qgen.backends.api import Executable
from qgen.backends.gradients.adjoint import Adjoint
from qgen.backends.gradients.method import GradientMethod
from qgen.backends.gradients.parameter_shift import ParameterShift
from qgen.backends.gradients.spsa import SPSA
from qgen.errors import BackendError, ConfigError, short_repr
from qgen.settings import Settings
from qgen.yaml_values import Unquoted

_EXAMPLE = "as in `spsa:directions=4,step=0.1`"
_METHODS: dict[str, type[Any]] = {"adjoint": Adjoint, "parameter-shift": ParameterShift, "spsa": SPSA}


def gradient_names() -> tuple[str, ...]:
    """The names that `resolve_gradient` knows; `NAME:option=value,...` sets a method's options."""
    return ("auto", *_METHODS)


def resolve_gradient(method: str | GradientMethod, executable: Executable) -> GradientMethod:
    """The gradient method of that name, or the one given.

    Args:
        method: a method, or its name, as `adjoint`, `parameter-shift:fraction=0.25`, `spsa:directions=4,step=0.1`;
            `auto` is adjoint where the backend has it, and parameter-shift elsewhere.
        executable: what is to be differentiated.

    Raises:
        BackendError: no such method or option, or one that this backend cannot serve.
    """
    if isinstance(method, str):
        if method == "auto":
            return Adjoint() if executable.backend.capabilities.adjoint else ParameterShift()
        method = parse_gradient(method)
    if isinstance(method, type) or not callable(getattr(method, "value_and_vjp", None)):
        raise BackendError(
            f"gradient = {short_repr(method)} is no gradient method: give one, as SPSA() of qgen.backends, or a name: "
            f"{', '.join(gradient_names())}"
        )
    method.check(executable)
    return method


def parse_gradient(text: str) -> GradientMethod:
    """The method of `NAME` or `NAME:option=value,...`.

    Raises:
        BackendError: no such method or option.
    """
    name, _, arguments = text.partition(":")
    if name not in _METHODS:
        near = get_close_matches(name, _METHODS, 1)
        hint = f", did you mean `{near[0]}`?" if near else "."
        hint = ": `auto` takes no options." if name == "auto" else hint
        raise BackendError(f"there is no gradient method `{text}`{hint} Known: {', '.join(gradient_names())}.")
    options: dict[str, Unquoted] = {}
    for part in filter(None, arguments.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key in options:
            raise BackendError(f"gradient `{text}`: options are KEY=VALUE, each once, {_EXAMPLE}")
        options[key] = Unquoted(value)
    if options and not fields(_METHODS[name]):
        raise BackendError(f"gradient `{name}` has no options")
    try:
        chosen = _as_settings(name).read(options)
    except ConfigError as error:
        raise BackendError(f"gradient `{text}`: {error} (options are written {_EXAMPLE})") from error
    method: GradientMethod = _METHODS[name](**dict(chosen))
    return method


@cache
def _as_settings(name: str) -> type[Settings]:
    """The options of a method, so that their types and what is said of mistakes are those of all settings."""
    method = _METHODS[name]
    types = get_type_hints(method)
    options: dict[str, Any] = {field.name: (types[field.name], field.default) for field in fields(method)}
    return create_model(method.__name__, __base__=Settings, **options)
