"""YAML that users write, and what its words mean: decided by the type of a setting, not by what a word looks like.

`parse_yaml` leaves unquoted words open (`Unquoted`), and `coerce` converts them to the type of the field. `no` is text
where text is asked for, and false where a boolean is. If only text is allowed, a word is text, blanks included. If
several types are, the first that fits is taken: null (`null`, `~` or empty), a listed word, a boolean, a number, text,
then lists and groups in YAML's flow style.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml

#: Largest number of values in a document: with anchors, a few lines could stand for more than memory holds.
_MAX_NODES = 100_000


class Unquoted(str):
    """An unquoted word, whose type its place decides; any other `str` is text, or a number where no text is allowed."""

    __slots__ = ()


def parse_yaml(text: str) -> Any:
    """Parse YAML into plain values, with unquoted words as `Unquoted`, to be converted by `coerce`.

    YAML 1.1 would read `no` as false, `1:30` as 90, `1e-3` as text and `2024-01-01` as a date. `null` is None here
    too.

    Raises:
        ValueError: it is not YAML, repeats a key, or expands to too many values; the message is one line.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}, set()) > _MAX_NODES:
            raise ValueError(f"it stands for more than {_MAX_NODES:,} values")
        return loader.construct_document(node)
    except RecursionError as error:
        raise ValueError("its brackets are too deep") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    finally:
        if loader is not None:
            loader.dispose()


def dump_yaml(plain: Any) -> str:
    """Write plain values as YAML, from which `parse_yaml` and `coerce` make the same values."""
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    pass


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # Text that begins like a number may be read as one, but PyYAML takes 1e-3 and 0o7 for text and does not quote them.
    # Unicode line breaks are lost unless they are escaped.
    quoted = text[:1] in _NUMBER_STARTS or not text.isprintable()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


_NUMBER_STARTS = tuple("+-.0123456789")
_Dumper.add_representer(str, _quoted)


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        repeated = next((name for index, name in enumerate(names) if name in names[:index]), None)
        if repeated is not None:
            raise ValueError(f"the key `{repeated}` is there twice, again in line {node.start_mark.line + 1} or below")
        mapping = super().construct_mapping(node, deep)
        return {str(key) if isinstance(key, Unquoted) else key: value for key, value in mapping.items()}


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    return Unquoted(text) if node.style is None else text


_RESOLVED_TAGS = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] in _RESOLVED_TAGS]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:str", _text)


def _size(node: yaml.Node, known: dict[int, int], within: set[int]) -> int:
    """Return the number of values of a node, with anchors expanded."""
    if id(node) in within:
        raise ValueError("an anchor holds itself")
    if id(node) not in known:
        inner = [] if isinstance(node, yaml.ScalarNode) else node.value
        parts = [part for item in inner for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_size(part, known, within | {id(node)}) for part in parts)
    return known[id(node)]


_NULL = ("", "~", "null")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_INTEGER = re.compile(r"[-+]?\d[\d_]*", re.ASCII)
_OTHER_BASE = re.compile(r"0x[\da-f_]+|0o[0-7_]+|0b[01_]+", re.ASCII | re.IGNORECASE)
_REAL = re.compile(r"[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)


def is_null(given: object) -> bool:
    """Return whether a value is None, or an unquoted word for it."""
    return given is None or (isinstance(given, Unquoted) and given.strip().lower() in _NULL)


def coerce(annotation: Any, given: Any) -> Any:
    """Convert plain values to the type of a field; values that do not fit are returned as they are, to be refused.

    Args:
        annotation: the type of the field.
        given: plain values, some of them `Unquoted`.
    """
    options = tuple(_options(annotation))
    if isinstance(given, Unquoted):
        return _coerce_word(options, given)
    if isinstance(given, str):  # quoted: text, but a number where no text is allowed
        text = str in options or Any in options or any(given == word for word in _words(options))
        return given if text or not _asks_numbers(options) else _number_or_text(given)
    if isinstance(given, Mapping):
        return _coerce_mapping(options, given)
    return _coerce_sequence(options, given) if isinstance(given, list | tuple) else given


def mixed_up(annotation: Any, given: Any) -> str | None:
    """Return the error of a boolean given for a number, or anything else for a boolean; None without one."""
    options = tuple(_options(annotation))
    if Any in options or given is None:
        return None
    if isinstance(given, list | tuple):
        pairs = zip(_element_types(options, len(given)), given, strict=True)
        return next((problem for kind, value in pairs if (problem := mixed_up(kind, value))), None)
    if isinstance(given, Mapping):
        inner = next((get_args(kind)[1] for kind in options if get_origin(kind) is dict), Any)
        return next((problem for value in given.values() if (problem := mixed_up(inner, value))), None)
    if isinstance(given, bool):
        return "give a number: true and false are none" if bool not in options and _asks_numbers(options) else None
    if bool in options and isinstance(given, int | float | str) and len(set(options) - {NoneType}) == 1:
        return "give true or false"
    return None


def takes_any_key(annotation: Any) -> bool:
    """Return whether a mapping with arbitrary keys is allowed."""
    return any(get_origin(kind) is dict for kind in _options(annotation))


def is_union(annotation: Any) -> bool:
    """Return whether several types other than groups and None are allowed."""
    return sum(kind is not NoneType and not hasattr(kind, "model_fields") for kind in _options(annotation)) > 1


def coerce_any(text: str) -> Any:
    """Convert a word where any type is allowed: to None, a boolean, a number or text."""
    return _coerce_word((Any,), Unquoted(text))


def _coerce_word(options: tuple[Any, ...], given: Unquoted) -> Any:
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
    """Parse lists and groups in flow style if they are allowed; return other text as it is."""
    if not text.lstrip().startswith(("[", "{")) or not (Any in options or any(map(_is_group, options))):
        return text
    with suppress(ValueError):
        return coerce(Union[options], parse_yaml(text))  # noqa: UP007  # from a tuple
    return text


def _coerce_mapping(options: tuple[Any, ...], given: Mapping[Any, Any]) -> Any:
    inner = next((get_args(kind)[1] for kind in options if get_origin(kind) is dict), None)
    if inner is None and Any in options:
        inner = Any
    return given if inner is None else {key: coerce(inner, value) for key, value in given.items()}


def _coerce_sequence(options: tuple[Any, ...], given: list[Any] | tuple[Any, ...]) -> Any:
    return [coerce(kind, value) for kind, value in zip(_element_types(options, len(given)), given, strict=True)]


def _element_types(options: tuple[Any, ...], count: int) -> list[Any]:
    """Return the type of each of `count` elements; Any if no list of that length is allowed."""
    for kind in options:
        inner = get_args(kind)
        if get_origin(kind) is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            return [inner[0]] * count
        if get_origin(kind) is tuple and len(inner) == count:
            return list(inner)
    return [Any] * count


def _options(annotation: Any) -> Iterator[Any]:
    """Yield the types that an annotation allows, without metadata; the words of a `Literal` stay together."""
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
