"""What a user's words mean: decided by the type that is asked for, never by what the words look like.

`no` is a name where a name is asked for, and false where true or false is. Where only text is allowed all words are
text, to the last blank. Where several types are, the first of these that the words can be is meant: nothing (`null`,
`~` or empty), one of the listed words, true or false, a number, text, and then lists and groups as YAML writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from qgen.documents import Unquoted, parse_yaml

_NULL = ("", "~", "null")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_INTEGER = re.compile(r"[-+]?\d[\d_]*", re.ASCII)
_OTHER_BASE = re.compile(r"0x[\da-f_]+|0o[0-7_]+|0b[01_]+", re.ASCII | re.IGNORECASE)
_REAL = re.compile(r"[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)


def is_null(given: object) -> bool:
    """Whether this says that there is nothing."""
    return given is None or (isinstance(given, Unquoted) and given.strip().lower() in _NULL)


def fit(annotation: Any, given: Any) -> Any:
    """What was given, as the type that is asked for where it can be that; else as it is, for the type to refuse.

    Args:
        annotation: the type of a field of settings.
        given: plain values, some of them `Unquoted`.
    """
    options = tuple(_options(annotation))
    if isinstance(given, Unquoted):
        return _understood(options, given)
    if isinstance(given, str):  # quoted: text, but a number where no text is allowed
        text = str in options or Any in options or any(given == word for word in _words(options))
        return given if text or not _asks_numbers(options) else _number_or_text(given)
    if isinstance(given, Mapping):
        return _fit_mapping(options, given)
    return _fit_sequence(options, given) if isinstance(given, list | tuple) else given


def mixed_up(annotation: Any, given: Any) -> str | None:
    """What to say where a truth value was given for a number, or anything else for a truth value; None: all is well."""
    options = tuple(_options(annotation))
    if Any in options or given is None:
        return None
    if isinstance(given, list | tuple):
        pairs = zip(_element_types(options, len(given)), given, strict=True)
        return next((said for kind, one in pairs if (said := mixed_up(kind, one))), None)
    if isinstance(given, Mapping):
        inner = next((get_args(kind)[1] for kind in options if get_origin(kind) is dict), Any)
        return next((said for one in given.values() if (said := mixed_up(inner, one))), None)
    if isinstance(given, bool):
        return "give a number: true and false are none" if bool not in options and _asks_numbers(options) else None
    if bool in options and isinstance(given, int | float | str) and len(set(options) - {NoneType}) == 1:
        return "give true or false"
    return None


def takes_any_key(annotation: Any) -> bool:
    """Whether a group with keys of the user's own may stand there."""
    return any(get_origin(kind) is dict for kind in _options(annotation))


def is_choice(annotation: Any) -> bool:
    """Whether there are several types, other than groups and nothing, to choose from."""
    return sum(kind is not NoneType and not hasattr(kind, "model_fields") for kind in _options(annotation)) > 1


def guess(text: str) -> Any:
    """What words mean where any type is allowed: nothing, true or false, a number, or text."""
    return _understood((Any,), Unquoted(text))


def _understood(options: tuple[Any, ...], given: Unquoted) -> Any:
    text, anything = str(given), Any in options
    word = text.strip()
    if options == (str,):
        return text
    if (anything or NoneType in options) and is_null(given):
        return None
    for known in _words(options):
        if word == str(known) and not isinstance(known, bool):
            return known
    if (anything or bool in options) and word.lower() in _BOOLEANS:
        return _BOOLEANS[word.lower()]
    if anything or _asks_numbers(options):
        number = _number_or_text(text)
        if not isinstance(number, str):
            return number
    if str in options:
        return text
    return _structure(options, text)


def _structure(options: tuple[Any, ...], text: str) -> Any:
    """Lists and groups, where they are allowed and written as YAML writes them; else text."""
    if not text.lstrip().startswith(("[", "{")) or not (Any in options or any(map(_is_group, options))):
        return text
    with suppress(ValueError):
        return fit(Union[options], parse_yaml(text))  # noqa: UP007  # from a tuple
    return text


def _fit_mapping(options: tuple[Any, ...], given: Mapping[Any, Any]) -> Any:
    inner = next((get_args(kind)[1] for kind in options if get_origin(kind) is dict), None)
    if inner is None and Any in options:
        inner = Any
    return given if inner is None else {key: fit(inner, value) for key, value in given.items()}


def _fit_sequence(options: tuple[Any, ...], given: list[Any] | tuple[Any, ...]) -> Any:
    return [fit(kind, value) for kind, value in zip(_element_types(options, len(given)), given, strict=True)]


def _element_types(options: tuple[Any, ...], count: int) -> list[Any]:
    """What each of so many elements is asked to be; anything, where no list of that length is asked for."""
    for kind in options:
        inner = get_args(kind)
        if get_origin(kind) is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            return [inner[0]] * count
        if get_origin(kind) is tuple and len(inner) == count:
            return list(inner)
    return [Any] * count


def _options(annotation: Any) -> Iterator[Any]:
    """The types that an annotation allows, without marks; words of a `Literal` stay together."""
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _options(part)
    else:
        yield annotation


def _words(options: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(word for kind in options if get_origin(kind) is Literal for word in get_args(kind))


def _asks_numbers(options: tuple[Any, ...]) -> bool:
    return bool({int, float} & {*options, *map(type, _words(options))})


def _is_group(kind: Any) -> bool:
    return get_origin(kind) in (tuple, dict) or hasattr(kind, "model_fields")


def _number_or_text(text: str) -> int | float | str:
    word = text.strip()
    with suppress(ValueError):  # thousands of digits
        if _INTEGER.fullmatch(word):
            return int(word.replace("_", ""))
        if _OTHER_BASE.fullmatch(word):
            return int(word, 0)
        if _REAL.fullmatch(word):
            return float(word.replace("_", ""))
        if _NOT_FINITE.fullmatch(word):
            return float(word.replace(".", ""))
    return text
