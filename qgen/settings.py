"""Settings: frozen values that are read from a user's YAML, where an unknown key or a wrong value is one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

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


def _lines(cls: type[BaseModel], error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        name = ".".join(path) or "the settings"
        if problem["type"] == "extra_forbidden":
            known = _known_keys(cls, path[:-1])
            near = get_close_matches(path[-1], known, 1, cutoff=0.5)
            hint = f" Did you mean `{'.'.join([*path[:-1], near[0]])}`?" if near else f" Known: {', '.join(known)}."
            lines.append(f"unknown key `{name}`.{hint}")
        elif problem["type"] == "missing":
            lines.append(f"`{name}` is missing")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            given = "" if isinstance(problem["input"], dict) else f" (given: {problem['input']!r})"
            lines.append(f"`{name}`: {message[:1].lower()}{message[1:]}{given}" if path else message)
    return lines


def _known_keys(cls: type[BaseModel], path: list[str]) -> list[str]:
    """The keys of the group at this path; of all variants where it is a choice between several."""
    groups: list[type[BaseModel]] = [cls]
    for part in path:
        inner = [group.model_fields[part].annotation for group in groups if part in group.model_fields]
        groups = [found for annotation in inner for found in _models(annotation)] or groups
    return sorted({key for group in groups for key in group.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]
