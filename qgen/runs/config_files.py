"""Reads the settings of a run from a preset, a YAML file and `--set KEY=VALUE`; changes those of one that resumes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qgen.errors import ConfigError, RunError
from qgen.runs.config import RunConfig
from qgen.runs.folder import Run
from qgen.runs.shipped import DEFAULT_PRESET, preset_names, preset_text
from qgen.settings import leads_to_group
from qgen.user_files import printable, read_text
from qgen.yaml_values import Unquoted, parse_yaml

#: Group and keys that exclude each other: the one given last counts.
_EITHER = (("training", "steps", "epochs"),)
#: Kinds whose other settings are the same: switching between them keeps the rest of the group.
_TWINS = ("classical", "quantum", "circuit", "none")

#: Settings, and whole groups of them, that may change when a run resumes: the steps taken so far do not depend on them.
#: A folder of images may have been moved: that its images are the same ones is checked when they are opened.
#: Where the learning rate decays, another length stretches it; see `qgen.training.optimization`.
RESUMABLE = (
    "training.steps",
    "training.epochs",
    "training.sample_every",
    "training.samples",
    "training.judged",
    "training.checkpoint_every",
    "training.log_every",
    "sampling",
    "backend",
    "data.name",
    "data.cache",
)

Plain = dict[str, Any]


def read_config(source: str | None = None, overrides: Sequence[str | Mapping[str, Any]] = ()) -> RunConfig:
    """Read settings from a preset or a YAML file, and change them by overrides.

    A file may begin from a preset, or from another file beside it, with the key `preset`.

    Args:
        source: a preset's name or a file; None: the default preset.
        overrides: `KEY=VALUE` with dotted keys, as `training.steps=200`, where the type of the setting says what the
            value's words mean (`qgen.yaml_values`); or plain values, as `{"training": {"steps": 200}}`.

    Raises:
        ConfigError: no such preset or file, not YAML, an unknown key, or a value that is not allowed.
    """
    return _read(_load(source or DEFAULT_PRESET, ()), overrides)


def override_config(config: RunConfig, overrides: Sequence[str | Mapping[str, Any]]) -> RunConfig:
    """Return settings changed by overrides; see `read_config`.

    Raises:
        ConfigError: an unknown key, or a value that is not allowed.
    """
    return _read(config.plain(), overrides)


def resume_config(
    run: Run, overrides: Sequence[str | Mapping[str, Any]], backend: Mapping[str, Any] | None = None
) -> RunConfig:
    """Return the settings of a resumed run, with the changes that are allowed.

    Args:
        run: the run.
        overrides: changes, see `read_config`.
        backend: settings of another backend from here on, as `{"name": "ibm_fez"}`; with another `name` nothing of the
            former one stays, here and where `overrides` name it.

    Raises:
        ConfigError: a change to anything that the steps taken so far depend on.
        RunError: it is an export, which does not go on.
    """
    before = run.config()
    if run.is_export:
        raise RunError(
            f"{run.address} is an export: it has no optimiser state to go on with. Resume the run that it was made of, "
            f"or begin a new one from its weights: `qgen train CONFIG --from {run.address}`"
        )
    changes = dict(backend or {})
    renamed = "name" in changes or any(map(_names_backend, overrides))
    base = {} if renamed else before.backend.plain()
    after = override_config(RunConfig.read(before.plain() | {"backend": base | changes}), overrides)
    refused = [key for key in changed_keys(before.plain(), after.plain()) if not _may_change(key)]
    if refused:
        raise ConfigError(
            f"a run that goes on keeps its settings, and {', '.join(refused)} would change; what can is "
            f"{', '.join(RESUMABLE)}. For other settings start a new run, with --from to begin from this one's weights."
        )
    return after


def _names_backend(override: str | Mapping[str, Any]) -> bool:
    if isinstance(override, str):
        return override.partition("=")[0].strip() == "backend.name"
    return "name" in override.get("backend", {})


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Plain:
    """Merge two mappings: groups key by key, but for those of another kind; everything else is replaced."""
    kinds = [mapping["kind"] for mapping in (below, above) if "kind" in mapping]
    if len(kinds) > 1 and kinds[0] != kinds[1] and not all(kind in _TWINS for kind in kinds):
        return dict(above)
    result = dict(below)
    for group, *either in _EITHER:
        changed = above.get(group)
        if isinstance(changed, Mapping) and isinstance(result.get(group), Mapping) and set(either) & changed.keys():
            result[group] = {key: value for key, value in result[group].items() if key not in either}
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def nested(key: str, value: Any) -> Plain:
    """Return plain values for a dotted key: `{"training": {"steps": 200}}` for `training.steps`."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def _read(plain: Plain, overrides: Sequence[str | Mapping[str, Any]]) -> RunConfig:
    for override in overrides:
        plain = merged(plain, _override(override, plain) if isinstance(override, str) else override)
    return RunConfig.read(plain)


def _load(source: str, seen: tuple[str, ...], beside: Path | None = None) -> Plain:
    if source in seen:
        raise ConfigError(f"the presets {' -> '.join((*seen, source))} begin from one another; end the circle")
    path, text = _text(source, beside)
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    content = {} if content is None else content
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError(f"{source} does not hold settings: its top level has to be `key: value` lines")
    base = content.pop("preset", None)
    if base is None:
        return content
    return merged(_load(str(base), (*seen, source), path.parent if path else None), content)


def _text(source: str, beside: Path | None) -> tuple[Path | None, str]:
    if source in preset_names():
        return None, preset_text(source)
    path = (beside or Path()) / source
    if os.path.isfile(path / "config.yaml"):
        raise ConfigError(f"{source} is the folder of a run; go on with it by --resume, or begin from it by --from")
    try:
        return path, read_text(path)
    except OSError as error:
        raise ConfigError(
            f"`{printable(source)}` is neither a preset nor a readable file ({error.strerror}). "
            f"Presets: {', '.join(preset_names())}."
        ) from error


def _override(words: str, plain: Plain) -> Plain:
    key, equals, text = words.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise ConfigError(f"--set takes KEY=VALUE, as in training.steps=200; {words!r} is not of that form")
    value: Any = Unquoted(text)
    if text.lstrip().startswith("{") and leads_to_group(RunConfig.of_kind(plain), parts):
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise ConfigError(f"--set {words!r}: the value is not YAML ({error})") from error
    return nested(".".join(parts), value)


def _may_change(key: str) -> bool:
    return any(key == allowed or key.startswith(f"{allowed}.") for allowed in RESUMABLE)


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the dotted keys whose values differ in plain settings."""
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key), after.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from changed_keys(one, other, f"{above}{key}.")
        elif one != other:
            yield f"{above}{key}"
