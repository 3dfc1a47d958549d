"""Gradient methods by name."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from typing import Any

import yaml

from qgen.backends.base import Executable
from qgen.backends.gradients.adjoint import Adjoint
from qgen.backends.gradients.method import GradientMethod
from qgen.backends.gradients.parameter_shift import ParameterShift
from qgen.backends.gradients.spsa import SPSA
from qgen.errors import BackendError

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
    if method == "auto":
        return Adjoint() if executable.backend.capabilities.adjoint else ParameterShift()
    if isinstance(method, str):
        method = parse_gradient(method)
    if not callable(getattr(method, "record", None)):
        raise BackendError(
            f"{method!r} is no gradient method: give a `GradientMethod`, or one of {', '.join(gradient_names())}"
        )
    method.check(executable)
    return method


def parse_gradient(text: str) -> GradientMethod:
    """The method of `NAME` or `NAME:option=value,...`.

    Raises:
        BackendError: no such method or option.
    """
    name, _, given = text.partition(":")
    if name not in _METHODS:
        near = get_close_matches(name, _METHODS, 1)
        hint = f", did you mean `{near[0]}`?" if near else "."
        raise BackendError(f"there is no gradient method `{name}`{hint} Known: {', '.join(gradient_names())}.")
    known = [field.name for field in fields(_METHODS[name])]
    options: dict[str, Any] = {}
    for part in filter(None, given.split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            allowed = f"its options are {', '.join(known)}" if known else "it has no options"
            raise BackendError(
                f"gradient `{name}` has no option `{key}`; {allowed}, as in `spsa:directions=4,step=0.1`"
            )
        options[key] = yaml.safe_load(value)
    try:
        method: GradientMethod = _METHODS[name](**options)
    except TypeError as error:
        raise BackendError(f"gradient `{text}`: an option has a value of the wrong type ({error})") from error
    return method
