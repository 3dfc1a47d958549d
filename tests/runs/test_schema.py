"""JSON schemas of settings, judged by `jsonschema`: what settings accept is allowed, wrong types and ranges are not."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from effort import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from qgen.errors import ConfigError
from qgen.json_schema import json_schema
from qgen.noise import NoiseSettings
from qgen.runs import RunConfig, preset_names, read_config
from qgen.runs.schema import run_schema
from qgen.runs.shipped import preset_text
from qgen.settings import Settings
from qgen.yaml_values import parse_yaml

Draft7Validator: Any = pytest.importorskip("jsonschema", reason="jsonschema, of the extra `dev`").Draft7Validator
#: Settings with much in them: every group and most classes of settings are in one of these.
PRESETS = ("digits", "quanvunet", "gan-quantum-both", "patch-gan", "style-gan", "vae-gan", "qldm-anime-text")
NOISE: dict[str, Any] = {
    "basis": ["rz", "sx", "x", "cz"],
    "virtual": ["rz"],
    "coupling": [[0, 1], [1, 2]],
    "depolarizing": {"one_qubit": 2e-4, "two_qubit": 5e-3},
    "relaxation": {"t1_us": 250.0, "t2_us": 150.0, "one_qubit_ns": 32.0, "two_qubit_ns": 80.0},
    "readout": [[0.99, 0.01], [0.02, 0.98]],
}
WORDS = ("auto", "none", "unet", "gan", "conv", "quantum", "circuit", "digits", "iqp", "all", "line", "hqconv", "x", "")
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 16.0, 1e-4, 2**63, 10_001]),
    st.sampled_from(WORDS),
    st.lists(st.integers(-1, 4) | st.floats(0, 1) | st.sampled_from(WORDS), max_size=3),
    st.dictionaries(st.sampled_from(("kind", "name", "layers", "one_qubit", "colour")), st.integers(0, 2), max_size=2),
)


class Core(yaml.SafeLoader):
    """YAML 1.2 with its core schema, as editors read it (yaml.org/spec/1.2.2, section 10.3.2)."""


Core.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"(?:null|Null|NULL|~|)$", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)


def as_editors_read(text: str) -> Any:
    return yaml.load(text, Core)  # a safe loader


@cache
def validator(settings: type[Settings]) -> Any:
    schema = run_schema() if settings is RunConfig else json_schema(settings, "a noise file")
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


@cache
def base(name: str) -> dict[str, Any]:
    return NOISE if name == "noise" else read_config(name).plain()


def problems(given_: Any, settings: type[Settings] = RunConfig) -> list[str]:
    return [error.message for error in validator(settings).iter_errors(given_)]


def places(plain: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if above:
        yield above
    inner = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in inner:
        yield from places(value, (*above, key))


@st.composite
def changed(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Settings with a value or two replaced, left out or added."""
    plain = copy.deepcopy(base(name))
    for _ in range(draw(st.integers(1, 2))):
        *above, last = draw(st.sampled_from(list(places(plain))))
        group: Any = plain
        for key in above:
            group = group[key]
        how = draw(st.sampled_from(("replace", "replace", "replace", "negate", "leave out", "add")))
        value = group[last]
        if how == "leave out" and isinstance(group, dict):
            del group[last]
        elif how == "add" and isinstance(group, dict):
            group[draw(st.sampled_from(("layrs", "kind", "steps", "epochs", "preset")))] = draw(VALUES)
        elif how == "negate" and isinstance(value, int | float):
            group[last] = -value
        else:
            group[last] = draw(VALUES)
    return plain


def said(settings: type[Settings], text: str) -> set[str] | None:
    """The types of the errors of reading a file's text; None without one."""
    try:
        settings.model_validate(parse_yaml(text))
    except ValidationError as error:
        return {problem["type"] for problem in error.errors()}
    except ConfigError:
        return {"value_error"}
    return None


def test_presets_are_valid_as_files_and_as_runs() -> None:
    for name in preset_names():
        assert problems(as_editors_read(preset_text(name))) == []
        assert problems(read_config(name).plain()) == []
    assert problems(as_editors_read("preset: digits\nmodel: {vertex: {layers: 3}}\ntraining: {steps: 200}\n")) == []


@pytest.mark.rows(3)
@pytest.mark.parametrize("name", [*PRESETS, "noise"])
@examples(12)
@given(st.data())
def test_it_says_what_the_settings_say(name: str, data: st.DataObject) -> None:
    settings = NoiseSettings if name == "noise" else RunConfig
    plain = data.draw(changed(name))
    assume(not plain.get("preset"))  # read before the settings are
    text = json.dumps({key: value for key, value in plain.items() if key != "preset"})
    found, errors = problems(json.loads(text), settings), said(settings, text)
    if errors is None:
        assert found == []
    elif errors - {"value_error", "assertion_error"}:
        assert found


@pytest.mark.parametrize("name", PRESETS)
@examples(6)
@given(st.data())
def test_a_file_that_begins_from_a_preset_may_leave_out_anything(name: str, data: st.DataObject) -> None:
    """What changes one setting and is read is allowed; an unknown key and a wrong type are not."""
    given_ = copy.deepcopy(base(name))
    for where in data.draw(st.lists(st.sampled_from(list(places(given_))), max_size=8)):
        group: Any = given_
        for key in where[:-1]:
            group = group[key] if key in group or isinstance(group, list) else {}
        if isinstance(group, dict):
            group.pop(where[-1], None)
    assert problems({"preset": name, **given_}) == []
    assert problems({"preset": name, "training": {"stepz": 3}})
    assert problems({"preset": name, "training": {"batch": math.pi}})


@pytest.mark.parametrize(
    "text",
    [
        "training: {steps: 3}\nmodel: {kind: gna}",
        "training: {steps: 3}\nmodel: {kind: gan}\ndiffusion: {steps: 5}",
        "training: {steps: 3}\nadversarial: {}",
        "training: {steps: 3, seed: -1}",
        "training: {steps: 3}\ntrainning: {}",
        "training: {steps: 3}\nlayrs:",
        "training: {steps: 3}\ndata: {name: [a]}",
        "preset: unet\nmodel: {kind: gan}\ndiffusion: {}",
        "{}",
        "[]",
    ],
)
def test_what_is_refused(text: str) -> None:
    assert problems(as_editors_read(text))


@pytest.mark.parametrize(
    "text",
    [
        "training: {steps: 3, precision: 32}",
        "training: {epochs: 1.5}\ndata: {name: 2024}\nmodel:\n  kind: gan",
        "training: {steps: 3}\nmodel: {kind: 'mine:Model', colours: 3}\npaint: {brush: 2}",
        "preset: unet\nmodel: {width: 3, kind: 'mine:Model'}\npaint: {}",
        "preset: gan-classical\nmodel: {generator: {channels: 8}}\nadversarial: null",
        "training: {steps: 3}\ndata:\nstart:",
    ],
)
def test_what_is_allowed(text: str) -> None:
    assert problems(as_editors_read(text)) == []


def test_a_kind_of_ones_own_is_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = Path(__file__).parents[2] / "examples" / "own_generator.py"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(example.parent)
    kind = next(
        f"own_generator:{name}" for name in re.findall(r"^class (\w+)\(\w*Generator", example.read_text(), re.M)
    )
    schema = Draft7Validator(run_schema(kind))
    assert not list(schema.iter_errors({"training": {"steps": 2}, "model": {"kind": kind}}))
    assert list(schema.iter_errors({"training": {"steps": 2}, "model": {"kind": kind, "no_such_key": 1}}))
    with pytest.raises(ConfigError, match="no_such_module"):
        run_schema("no_such_module:Generator")


def test_every_key_is_explained() -> None:
    schema = run_schema()
    for name, group in schema["definitions"].items():
        missing = [key for key, each in group["properties"].items() if "description" not in each and key != "ema"]
        assert missing == [], name
    assert "None" not in " ".join(re.findall(r'"description": "([^"]*)"', json.dumps(schema)))
