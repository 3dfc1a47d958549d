"""Settings: the base class of all configuration. Unknown keys and wrong values become one clear line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from qgen.errors import SettingsError, short_repr
from qgen.yaml_values import coerce, is_union, mixed_up, takes_any_key

_MAX_SHOWN = 100
#: Keys that a message suggests, at most.
_MAX_MEANT = 3
#: What YAML calls what pydantic has Python's names for, by the type of the error.
_WORDS = {
    "tuple_type": "input should be a list, as [1, 2]",
    "dict_type": "input should be a group of keys, as {key: value}",
    "model_type": "input should be a group of keys, as {key: value}",
    "model_attributes_type": "input should be a group of keys, as {key: value}",
    "string_type": "input should be text",
    "string_unicode": "input should be text, in characters that UTF-8 has",
}


class Settings(BaseModel):
    """A group of settings: frozen, with finite numbers, and without unknown keys.

    The type of a field decides what an unquoted word means (`qgen.yaml_values`); booleans are never numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    #: Fields that a later version added: plain values leave them out where they have their defaults, so that
    #: fingerprints and plans of earlier runs still match.
    added: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _coerce_fields(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        kinds = {name: field.annotation for name, field in cls.model_fields.items()}
        plain = {key: coerce(kinds[key], value) if key in kinds else value for key, value in given.items()}
        # Here rather than in validators of the fields: one with a `discriminator` takes none.
        problems = [
            (key, problem) for key, value in plain.items() if key in kinds and (problem := mixed_up(kinds[key], value))
        ]
        if problems:
            raise ValidationError.from_exception_data(
                cls.__name__, [_error_details(key, problem, plain[key]) for key, problem in problems]
            )
        return plain

    @model_serializer(mode="wrap")
    def _without_added(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = serialize(self)
        usual = {name for name in self.added if getattr(self, name) == type(self).model_fields[name].default}
        return {name: value for name, value in plain.items() if name not in usual}

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Make settings from plain values, as parsed from YAML.

        Raises:
            ConfigError: a key is unknown (the message names the nearest known one) or missing, or a value is not
                allowed.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(_lines(cls, error)) from error

    def plain(self) -> dict[str, Any]:
        """Return plain values for YAML or JSON, from which `read` makes equal settings."""
        return self.model_dump(mode="json")


@dataclass(frozen=True)
class WithKind:
    """Adds a default `kind` to a union of groups, as metadata of its type.

    Attributes:
        default: the kind of a group that does not say which it is.
    """

    default: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._add, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Only the default may leave `kind` out."""
        found = handler(schema)
        usual = found["discriminator"]["mapping"][self.default]
        others = ({"allOf": [group, {"required": ["kind"]}]} for group in found["oneOf"] if group["$ref"] != usual)
        return {"oneOf": [{"$ref": usual}, *others]}

    def _add(self, given: Any) -> Any:
        return {"kind": self.default, **given} if isinstance(given, Mapping) else given


def _error_details(key: str, problem: str, given: Any) -> InitErrorDetails:
    error = PydanticCustomError("mixed_up", "{problem}", {"problem": problem})
    return InitErrorDetails(type=error, loc=(key,), input=given)


def leads_to_group(cls: type[BaseModel], keys: Sequence[str]) -> bool:
    """Return whether these nested keys name a group, whose keys may be given together, as in `{width: 3}`."""
    groups: list[type[BaseModel]] = [cls]
    annotations: list[Any] = []
    for key in keys:
        if any(map(takes_any_key, annotations)):
            return True
        annotations = [group.model_fields[key].annotation for group in groups if key in group.model_fields]
        groups = [group for annotation in annotations for group in _groups(annotation)]
    return bool(groups) or any(map(takes_any_key, annotations))


def _lines(cls: type[BaseModel], error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        path, groups = _resolve(cls, [str(part) for part in problem["loc"]])
        name = ".".join(path) or "the settings"
        if problem["type"] == "extra_forbidden":
            lines.append(f"unknown key `{name}`. {_hint(path, groups)}")
        elif problem["type"] == "union_tag_invalid":
            given, known = problem["ctx"]["tag"], problem["ctx"]["expected_tags"]
            lines.append(f"`{name}.kind`: input should be {known.replace(', ', ' or ')} (given: {given!r})")
        elif problem["type"] == "missing":
            lines.append(f"`{name}` is missing")
        else:
            message = _WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
            given = "" if isinstance(problem["input"], dict) else f" (given: {_short(problem['input'])})"
            message = f"{message[:1].lower()}{message[1:]}" if path else message
            earlier = f"`{name}`: "
            if lines and lines[-1].startswith(earlier) and lines[-1].endswith(given):  # another type of a choice
                lines[-1] = f"{lines[-1].removesuffix(given)}, or {message}{given}"
            else:
                lines.append(f"{earlier if path else ''}{message}{given if path else ''}")
    return lines


def _hint(path: Sequence[str], groups: Sequence[type[BaseModel]]) -> str:
    """Return what an unknown key may have meant: one of its name further down, a near name, or one of its words."""
    known = sorted({key for group in groups for key in group.model_fields})
    below = sorted(set(_below(groups)), key=lambda keys: (len(keys), keys))
    same = [keys for keys in below if keys[-1] == path[-1]]
    near = [(key,) for key in get_close_matches(path[-1], known, 1, cutoff=0.5)]
    meant = same or near or [keys for keys in below if keys[-1] in path[-1].split("_")]  # batch of batch_size
    if not meant:
        return f"Known: {', '.join(known)}."
    listed = [f"`{'.'.join([*path[:-1], *keys])}`" for keys in meant[:_MAX_MEANT]]
    return f"Did you mean {', '.join(listed[:-1])}{' or ' * (len(listed) > 1)}{listed[-1]}?"


def _below(groups: Iterable[type[BaseModel]]) -> Iterator[tuple[str, ...]]:
    """Yield the keys that lie in groups of these groups; a choice of several groups is passed over."""
    for name, field in ((name, field) for group in groups for name, field in group.model_fields.items()):
        inner = _groups(field.annotation)
        if len(inner) == 1:
            yield from ((name, key) for key in inner[0].model_fields)
            yield from ((name, *keys) for keys in _below(inner))


def _short(given: Any) -> str:
    text = repr(given)
    if " object at 0x" in text or "\n" in text:
        return short_repr(given)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _resolve(cls: type[BaseModel], location: list[str]) -> tuple[list[str], list[type[BaseModel]]]:
    """Return the keys of an error's location, without pydantic's tags of unions, and the groups of the last key."""
    groups: list[type[BaseModel]] = [cls]
    keys: list[str] = []
    choice = False
    for index, part in enumerate(location):
        chosen = [group for group in groups if _kind(group) == part]
        if chosen and len(groups) > 1:  # the tag of a union of groups
            groups = chosen
            continue
        if choice:  # the tag of a union of types
            choice = False
            continue
        keys.append(part)
        if index + 1 < len(location):
            inner = [group.model_fields[part].annotation for group in groups if part in group.model_fields]
            groups = [group for annotation in inner for group in _groups(annotation)] or groups
            choice = any(map(is_union, inner))
    return keys, groups


def _kind(group: type[BaseModel]) -> str | None:
    field = group.model_fields.get("kind")
    return None if field is None else field.default


def _groups(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [group for part in get_args(annotation) for group in _groups(part)]
