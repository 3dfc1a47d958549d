"""docs/json-outputs.md names every key that commands print, and none that they do not."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from qgen import storage
from qgen.backends.ibm.job_record import JobRecord
from qgen.backends.ibm.live_devices import LiveDevice
from qgen.cli.main import app
from qgen.costing import HardwarePlan
from qgen.metrics import networks

PAGE = (Path(__file__).parents[2] / "docs" / "json-outputs.md").read_text(encoding="utf-8")
#: The commands, by the heading of their section; those with a run in them take a trained one.
COMMANDS = {
    "`qgen train`": ("train", "--resume", "--set", "training.steps=13"),
    "`qgen sample`": ("sample", "--count", "2", "--single", "--device", "cpu"),
    "`qgen evaluate`": ("evaluate", "--count", "12", "--device", "cpu"),
    "`qgen runs`": ("runs",),
    "`qgen runs diff`": ("runs", "diff", "runs/mine", "runs/mine"),
    "`qgen runs plot`": ("runs", "plot", "runs/mine", "--out", "curves.html"),
    "`qgen export`": ("export", "runs/mine", "--out", "shared"),
    "`qgen describe` of a model or a run": ("describe", "runs/mine"),
    "`qgen describe` of a circuit": ("describe", "basic:2,1"),
    "`qgen data`": ("data", "digits"),
    "`qgen data` of a folder": ("data", "images"),
    "`qgen backends`": ("backends",),
    "`qgen backends show` of a device": ("backends", "show", "fake_lagos"),
    "`qgen study compare`": ("study", "compare", "digits", "--dry-run"),
    "`qgen study noise`": ("study", "noise", "digits", "--dry-run"),
}
SLOW = ("`qgen evaluate`", "`qgen backends`", "`qgen study compare`", "`qgen study noise`")
#: Keys whose values have keys of any name.
NAMES = ("counts", "sizes", "modes", "gates", "packages", "settings", "curves", "metrics", "samples", "trials")


def section(heading: str) -> str:
    found = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[1]


def keys_of(value: Any, depth: int = 2) -> set[str]:
    """All keys, as deep as that, and those of the first element of lists."""
    if isinstance(value, list):
        return keys_of(value[0], depth) if value else set()
    if not isinstance(value, dict) or not depth:
        return set()
    return set(value) | {key for name, inner in value.items() if name not in NAMES for key in keys_of(inner, depth - 1)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_once: Callable[..., Path]) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(storage, "user_folder", lambda platform, environ: tmp_path / "user")
    monkeypatch.setattr(networks, "_MIN_STEPS", 2)  # a classifier that learns nothing, in a moment
    monkeypatch.setattr(networks, "_MIN_EPOCHS", 0)
    shutil.copytree(trained_once(), "runs/mine")
    Path("images").mkdir()
    Image.new("L", (8, 8)).save("images/a.png")
    return tmp_path


def check(heading: str) -> None:
    result = CliRunner().invoke(app, [*COMMANDS[heading], "--json"])
    assert result.exit_code == 0, result.output
    printed, text = json.loads(result.stdout), section(heading)
    assert {key for key in keys_of(printed, 1) if f"`{key}`" not in text} == set()
    assert {key for key in keys_of(printed, 2) if f"`{key}`" not in PAGE} == set()
    first = re.findall(r"^- (.*?):(?:\s|$)", text, re.MULTILINE)
    told = {name for line in first for name in re.findall(r"`(\w+)`", line)} - {"compare"}
    if "study" not in heading:  # the plan alone
        assert told - keys_of(printed, 2) == set()


def test_every_key_is_described(folder: Path, rng: np.random.Generator) -> None:
    for heading in rng.choice([name for name in COMMANDS if name not in SLOW], 2, replace=False):
        check(str(heading))


@pytest.mark.slow
@pytest.mark.parametrize("heading", COMMANDS)
def test_every_key_of_every_command_is_described(heading: str, folder: Path) -> None:
    check(heading)


@pytest.mark.parametrize(
    ("heading", "record"),
    [("`qgen jobs`", JobRecord), ("`qgen backends show` of a device", LiveDevice)],
)
def test_records_are_described(heading: str, record: Any) -> None:
    names = {field.name for field in dataclasses.fields(record)} - {"device"}
    assert {name for name in names if f"`{name}`" not in section(heading)} == set()


def test_every_command_has_a_section() -> None:
    headings = " ".join(re.findall(r"^### (.*)$", PAGE, re.MULTILINE))
    groups = {
        "study": ("compare", "noise"),
        "runs": ("", "diff", "plot"),
        "backends": ("", "show"),
        "pool": ("draw", "show"),
    }
    for command in app.registered_commands + app.registered_groups:
        name = command.name or command.callback.__name__
        for inner in groups.get(name, ("",)):
            assert f"`qgen {name} {inner}".rstrip() + "`" in headings, name


def test_the_plan_of_hardware_is_described() -> None:
    text = section("`qgen train` and `qgen sample` on hardware")
    plan = HardwarePlan.to_dict.__code__.co_consts
    names = {word for part in plan for word in (part if isinstance(part, tuple) else (part,)) if isinstance(word, str)}
    keys = {word for word in names if re.fullmatch(r"[a-z][a-z_]*", word)} - {"bound", "open"}
    assert {key for key in keys if f"`{key}`" not in text} == set()
