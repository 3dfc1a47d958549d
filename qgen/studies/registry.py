"""The kinds of studies by name. A new kind is a file or folder beside `comparison`, and a row here."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType

from qgen.errors import ConfigError, short_repr
from qgen.studies.study import StudyKind

#: The kinds of this package, as `package.module:NAME` of a `StudyKind`; imported at their first use.
KINDS = MappingProxyType(
    {
        "compare": "qgen.studies.comparison:KIND",
        "noise": "qgen.studies.noise:NOISE",
        "shots": "qgen.studies.noise:SHOTS",
    }
)


def find_kind(name: object) -> StudyKind:
    """Return a kind of study.

    Args:
        name: a key of `KINDS`; or, for a kind of another package, `package.module:NAME` of a `StudyKind`.

    Raises:
        ConfigError: there is none of that name, or it cannot be imported.
    """
    known = f"known: {', '.join(KINDS)}, or your own as package.module:NAME"
    place = KINDS.get(name, name) if isinstance(name, str) else ""
    module, _, attribute = place.partition(":")
    if not module or not attribute:
        raise ConfigError(f"its kind is {short_repr(name)}; {known}")
    try:
        kind = getattr(import_module(module), attribute)
    except Exception as error:  # a user's file may raise anything
        raise ConfigError(f"its kind {short_repr(name)} cannot be imported ({error}); {known}") from error
    if not isinstance(kind, StudyKind):
        raise ConfigError(f"its kind {short_repr(name)} is no StudyKind; {known}")
    return kind
