"""Settings: frozen values that are read from a user's YAML, where an unknown key or a wrong value is one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from qgen.errors import ConfigError


class Settings(BaseModel):
    """A group of settings. Unknown keys are refused, numbers are finite, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """These settings from plain values, as YAML gives them.

        Raises:
            ConfigError: an unknown key (with the nearest known one), a missing one, or a value that is not allowed.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ConfigError("; ".join(_lines(cls, error))) from error

    def plain(self) -> dict[str, Any]:
        """Plain values, ready for YAML or JSON, from which `read` makes equal settings."""
        return self.model_dump(mode="json")


def with_kind(default: str) -> BeforeValidator:
    """For a choice between groups by their `kind`: without one it is this."""

    def add(given: Any) -> Any:
        return {"kind": default, **given} if isinstance(given, Mapping) else given

    return BeforeValidator(add)


def _lines(cls: type[BaseModel], error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        path, groups = _walked(cls, [str(part) for part in problem["loc"]])
        name = ".".join(path) or "the settings"
        if problem["type"] == "extra_forbidden":
            known = sorted({key for group in groups for key in group.model_fields})
            near = get_close_matches(path[-1], known, 1, cutoff=0.5)
            hint = f" Did you mean `{'.'.join([*path[:-1], near[0]])}`?" if near else f" Known: {', '.join(known)}."
            lines.append(f"unknown key `{name}`.{hint}")
        elif problem["type"] == "union_tag_invalid":
            given, known = problem["ctx"]["tag"], problem["ctx"]["expected_tags"]
            lines.append(f"`{name}.kind`: input should be {known.replace(', ', ' or ')} (given: {given!r})")
        elif problem["type"] == "missing":
            lines.append(f"`{name}` is missing")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            given = "" if isinstance(problem["input"], dict) else f" (given: {problem['input']!r})"
            lines.append(f"`{name}`: {message[:1].lower()}{message[1:]}{given}" if path else message)
    return lines


def _walked(cls: type[BaseModel], place: list[str]) -> tuple[list[str], list[type[BaseModel]]]:
    """The keys at a problem's place, without pydantic's marks of a chosen `kind`; and the groups its last key is in."""
    groups: list[type[BaseModel]] = [cls]
    keys: list[str] = []
    for at, part in enumerate(place):
        chosen = [group for group in groups if _kind(group) == part]
        if chosen and len(groups) > 1:  # a choice between groups comes with the mark, and only that
            groups = chosen
            continue
        keys.append(part)
        if at + 1 < len(place):
            inner = [group.model_fields[part].annotation for group in groups if part in group.model_fields]
            groups = [found for annotation in inner for found in _models(annotation)] or groups
    return keys, groups


def _kind(group: type[BaseModel]) -> str | None:
    field = group.model_fields.get("kind")
    return None if field is None else field.default


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]
