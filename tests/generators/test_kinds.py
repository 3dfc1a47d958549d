"""Kinds of generators by name: what is imported, what is refused, and how the settings of a run follow."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SerializeAsAny

from qgen.errors import ConfigError
from qgen.generators import get_kind, kind_names, kinds
from qgen.runs import RunConfig, override_config, read_config
from qgen.runs.keys import list_keys
from qgen.settings import Settings

MODULE = '''
from qgen.diffusion import SamplingSettings
from qgen.settings import Settings


class Extra(Settings):
    strength: float = 1.0
    """how strong"""


class Own:
    class Settings(Settings):
        width: int = 3
        """how wide"""
        inner: Extra = Extra()

    groups = {"extra": Extra, "sampling": SamplingSettings}
    parts = ("body",)

    @classmethod
    def build(cls, settings, context):
        return object()

    @staticmethod
    def check(settings, groups):
        if settings.width == 13 and groups["extra"].strength > 1:
            raise ValueError("13 is too wide for that")


class NoSettings:
    @classmethod
    def build(cls, settings, context): ...


class NoBuild:
    class Settings(Settings):
        width: int = 3


class WrongSettings(NoSettings):
    Settings = dict


value = 3
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module in the current folder, which no other test imports."""
    name = f"own_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / f"{name}_broken.py").write_text("import missing_package\n")
    (tmp_path / f"{name}_raises.py").write_text("raise RuntimeError('on purpose')\n")
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(tmp_path))])
    monkeypatch.chdir(tmp_path)
    return name


def own(module: str, **more: Any) -> dict[str, Any]:
    return {"model": {"kind": f"{module}:Own", "width": 5}, "data": {"name": "digits"}, "training": {"steps": 1}} | more


def refused(given: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as error:
        RunConfig.read(given)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_kinds_of_the_package_are_what_their_settings_say() -> None:
    assert kind_names()[:6] == ("unet", "gan", "autoencoder", "latent-diffusion", "classifier", "born")
    for name in kind_names()[:6]:
        assert get_kind(name).settings.model_fields["kind"].default == name


def test_a_class_of_ones_own_has_settings_groups_and_parts(module: str) -> None:
    config = RunConfig.read(own(module, extra={"strength": 2}))
    assert (config.model.kind, config.model.width, config.model.inner.strength) == (f"{module}:Own", 5, 1.0)
    assert config.groups["extra"].plain() == {"strength": 2.0}
    assert config.groups["sampling"].sampler == "dpm-solver"
    assert RunConfig.read(config.plain()) == config
    assert RunConfig.read(yaml.safe_load(yaml.safe_dump(config.plain()))) == config
    assert override_config(config, ["start.run=x"]).parts_taken_over == ("body",)
    changed = override_config(config, ["model.width=7", "model.inner={strength: 3}", "extra.strength=4"])
    assert (changed.model.width, changed.model.inner.strength, changed.groups["extra"].strength) == (7, 3.0, 4.0)


def test_settings_inside_others_keep_their_kind(module: str) -> None:
    class Outer(Settings):
        run: SerializeAsAny[RunConfig]

    outer = Outer(run=RunConfig.read(own(module, extra={"strength": 2})))
    again = Outer.read(outer.plain())
    assert again == outer
    assert again.run.groups["extra"].plain() == {"strength": 2.0}
    assert Outer.read({"run": {"training": {"steps": 1}}}).run.model.kind == "unet"


def test_mistakes_in_its_settings_are_named_as_in_ours(module: str) -> None:
    assert refused(own(module, model={"kind": f"{module}:Own", "widht": 3})) == (
        "unknown key `model.widht`. Did you mean `model.width`?"
    )
    assert "`model.width`: input should be a valid integer" in refused(
        own(module, model={"kind": f"{module}:Own", "width": "x"})
    )
    assert refused(own(module, extra={"strong": 1})) == "unknown key `extra.strong`. Did you mean `extra.strength`?"
    assert "`adversarial` is for models of kind `gan`" in refused(own(module, adversarial={"loss": "hinge"}))
    assert "has no part `head`; its parts are body" in refused(own(module, start={"run": "x", "parts": ["head"]}))
    wide = {"kind": f"{module}:Own", "width": 13}
    assert refused(own(module, model=wide, extra={"strength": 2})) == "13 is too wide for that"


def test_its_keys_are_listed(module: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own(module)))
    keys = {key.name: key.about for key in list_keys(type(read_config("own.yaml")))}
    assert (keys["model.width"], keys["extra.strength"]) == ("how wide", "how strong")
    assert "model.mults" not in keys


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{}:Other", "has no 'Other'"),
        ("{}:NoSettings", "needs a class `Settings`, derived from qgen.settings.Settings"),
        ("{}:WrongSettings", "needs a class `Settings`"),
        ("{}:NoBuild", "needs `build(settings, context)`"),
        ("{}:value", "is not a class"),
        ("{}_broken:Own", "no module named 'missing_package'"),
        ("{}_raises:Own", "RuntimeError: on purpose"),
        ("{}_absent:Own", "looked among installed packages and in "),
        ("{}:Own.Settings", "needs a class `Settings`"),
    ],
)
def test_a_class_that_is_not_to_be_had_is_one_line(name: str, words: str, module: str) -> None:
    kind = name.format(module)
    said = refused(own(module, model={"kind": kind}))
    assert words in said
    assert kind in said


@pytest.mark.parametrize("kind", ["gann", ":Own", "own:", "..:Own", "a b:c", "http://x"])
def test_an_unknown_kind_names_those_there_are(kind: str) -> None:
    said = refused({"model": {"kind": kind}, "training": {"steps": 1}})
    known = " or ".join(f"'{name}'" for name in kinds.BUILT_IN)
    assert said == f"`model.kind`: input should be {known} (given: '{kind}')"


def test_the_current_folder_hides_no_other_module(module: str, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError('not the one of Python')\n")
    get_kind(f"{module}:Own")
    assert sys.path[-1] == str(tmp_path)


def test_installed_packages_offer_kinds(module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    point = EntryPoint(f"offered-{module}", f"{module}:Own", kinds.ENTRY_POINTS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(kinds, "_offered", lambda: {point.name: point})
    assert point.name in kind_names()
    config = RunConfig.read(own(module, model={"kind": point.name, "width": 4}))
    assert (config.model.kind, config.model.width) == (point.name, 4)
