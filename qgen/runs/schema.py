"""The JSON schema of a run's settings: of `config.yaml`, of presets, and of files that begin from a preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qgen.generators.kinds import BUILT_IN, DEFAULT_KIND, get_kind, kind_names
from qgen.json_schema import Schema, json_schema, partial
from qgen.runs.config import RunConfig
from qgen.runs.shipped import preset_names

_PRESET = {
    "type": ["string", "number", "boolean", "null"],
    "examples": list(preset_names()),
    "description": "begin from a preset, or from another file beside this one; what stands here changes it",
}


def run_schema(kind: str | None = None) -> Schema:
    """Return the schema of a file with the settings of a run.

    Args:
        kind: of models of another package or file, as `package.module:Class`, whose settings are checked too; None:
            qgen's own kinds.

    Raises:
        ConfigError: there is no such kind, or it cannot be imported.
    """
    if kind is not None:
        get_kind(kind)
    config = RunConfig if kind is None else RunConfig.of_kind({"model": {"kind": kind}})
    found = json_schema(config, f"qgen: settings of a run{f' of {kind}' if kind else ''}")
    definitions: Schema = found.pop("definitions")
    whole = {key: value for key, value in found.items() if not key.startswith("$") and key != "title"}
    # What is null at the top counts as not given; so does the preset.
    groups = {name: _or_null(group) for name, group in whole["properties"].items() if name not in ("model", "training")}
    whole["properties"] = {**whole["properties"], **groups}
    changes = _renamed(partial(whole))
    changes["properties"] = {"preset": _PRESET, **changes["properties"]}
    whole["properties"] = {"preset": {"type": "null"}, **whole["properties"]}
    if kind is None:
        whole, changes = _any_kind(whole, changes=False), _any_kind(changes, changes=True)
    return {
        "$schema": found["$schema"],
        "title": found["title"],
        "type": "object",
        "if": {"required": ["preset"], "properties": {"preset": {"not": {"type": "null"}}}},
        "then": changes,
        "else": whole,
        "definitions": definitions | {f"{name}.changes": _renamed(partial(each)) for name, each in definitions.items()},
    }


def _or_null(schema: Schema) -> Schema:
    about = {"description": schema["description"]} if "description" in schema else {}
    return {"anyOf": [schema, {"type": "null"}], **about}


def _any_kind(settings: Schema, changes: bool) -> Schema:
    """Let the kind of the model decide which groups there are; kinds of other packages and files may have any."""
    properties = settings["properties"]
    choice = "anyOf" if changes else "oneOf"
    offered = [name for name in kind_names() if name not in BUILT_IN]
    other = {"type": "object", **_has_kind({"type": "string", "anyOf": [{"pattern": ":"}, {"enum": offered}]})}
    model = {choice: [*properties["model"][choice], other]}
    further = {group for name in BUILT_IN for group in get_kind(name).groups}
    rules = []
    for name in BUILT_IN:
        wrong = sorted(further - set(get_kind(name).groups))
        named = _has_model(_has_kind({"const": name}))
        if name == DEFAULT_KIND and not changes:  # which may be left out
            named = {"not": _has_model(_has_kind({"not": {"const": name}}))}
        rules.append({"if": named, "then": {"properties": {group: {"type": "null"} for group in wrong}}})
    closed = {"properties": dict.fromkeys(properties, True), "additionalProperties": False}
    rules.append({"if": {"not": _has_model(other)}, "then": closed})
    open_ = {key: value for key, value in settings.items() if key != "additionalProperties"}
    return open_ | {"properties": {**properties, "model": model}, "allOf": rules}


def _has_model(schema: Schema) -> Schema:
    return {"required": ["model"], "properties": {"model": schema}}


def _has_kind(schema: Schema) -> Schema:
    return {"required": ["kind"], "properties": {"kind": schema}}


def _renamed(schema: Any) -> Any:
    """Return the schema with references to the definitions for changes."""
    if isinstance(schema, Mapping):
        return {key: f"{value}.changes" if key == "$ref" else _renamed(value) for key, value in schema.items()}
    return [_renamed(part) for part in schema] if isinstance(schema, list) else schema
