"""YAML that users write, as plain values: what it cannot know, what an unquoted word means, stays open."""

from __future__ import annotations

from typing import Any

import yaml

#: Anchors let a few lines stand for more than memory holds.
_MOST_NODES = 100_000


class Unquoted(str):
    """Words that stand for whatever their place asks for; any other `str` is text, or a number where only those are."""

    __slots__ = ()


def parse_yaml(text: str) -> Any:
    """The values in a YAML text, but for their types: unquoted words are `Unquoted`, for `qgen.values.fit` to tell.

    YAML 1.1 would read `no` as false, `1:30` as 90, `1e-3` as text and `2024-01-01` as a date. `null` is
    nothing here too.

    Raises:
        ValueError: it is not YAML, names a key twice, or stands for too much; the message is one line.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}, set()) > _MOST_NODES:
            raise ValueError(f"it stands for more than {_MOST_NODES:,} values")
        return loader.construct_document(node)
    except RecursionError as error:
        raise ValueError("its brackets are too deep") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    finally:
        if loader is not None:
            loader.dispose()


def dump_yaml(plain: Any) -> str:
    """A YAML text from which `parse_yaml` and `qgen.values.fit` make the same plain values again."""
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    pass


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # What begins like a number may be read as one, and YAML 1.1, which takes 1e-3 and 0o7 for text, would not quote it.
    # Line breaks of other alphabets are lost unless they are escaped.
    quoted = text[:1] in _LIKE_NUMBERS or not text.isprintable()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


_LIKE_NUMBERS = tuple("+-.0123456789")
_Dumper.add_representer(str, _quoted)


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
        if twice is not None:
            raise ValueError(f"the key `{twice}` is there twice, again in line {node.start_mark.line + 1} or below")
        found = super().construct_mapping(node, deep)
        return {str(key) if isinstance(key, Unquoted) else key: value for key, value in found.items()}


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    return Unquoted(text) if node.style is None else text


_KEPT = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] in _KEPT]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:str", _text)


def _size(node: yaml.Node, known: dict[int, int], within: set[int]) -> int:
    """How many values a node stands for, with each of its anchors counted where it is used."""
    if id(node) in within:
        raise ValueError("an anchor holds itself")
    if id(node) not in known:
        inner = [] if isinstance(node, yaml.ScalarNode) else node.value
        parts = [part for each in inner for part in (each if isinstance(each, tuple) else (each,))]
        known[id(node)] = 1 + sum(_size(part, known, within | {id(node)}) for part in parts)
    return known[id(node)]
