"""Backends by name, imported when they are opened."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from qgen.backends.base import Backend
from qgen.errors import BackendError


def _statevector() -> Backend:
    from qgen.backends.statevector import StatevectorBackend

    return StatevectorBackend()


def _aer() -> Backend:
    from qgen.backends.aer import AerBackend

    return AerBackend()


def _reference() -> Backend:
    from qgen.backends.reference import ReferenceBackend

    return ReferenceBackend()


_BACKENDS: dict[str, Callable[[], Backend]] = {"statevector": _statevector, "aer": _aer, "reference": _reference}


def backend_names() -> tuple[str, ...]:
    """The names that `open_backend` knows."""
    return tuple(_BACKENDS)


def open_backend(name: str) -> Backend:
    """The backend of that name.

    Raises:
        BackendError: there is none; the message lists those there are.
    """
    if name not in _BACKENDS:
        near = get_close_matches(str(name), _BACKENDS, 1)
        hint = f", did you mean `{near[0]}`?" if near else "."
        raise BackendError(f"there is no backend `{name}`{hint} Known: {', '.join(_BACKENDS)}.")
    return _BACKENDS[name]()
