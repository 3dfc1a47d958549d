"""The pages in docs/ say what the code does now."""

from __future__ import annotations

import json
import re
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.noise import FileNoise, NoiseSettings, read_noise
from qgen.runs import RunConfig, read_config
from qgen.runs.keys import list_keys
from qgen.settings import Settings
from qgen.yaml_values import parse_yaml

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = util.spec_from_file_location("generate", DOCS / "generate.py")
    assert found
    assert found.loader
    module = util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "generate", module)
    found.loader.exec_module(module)
    return module


def test_tables_are_those_of_the_code(generate: ModuleType) -> None:
    """`python docs/generate.py` writes them anew."""
    for page in generate.PAGES:
        assert generate.written(page) == (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("settings", [RunConfig, NoiseSettings])
def test_every_setting_is_listed_and_explained(settings: type[Settings]) -> None:
    keys = list(list_keys(settings))
    assert len({(key.name, key.kind) for key in keys}) == len(keys)
    assert [key for key in keys if not key.about and key.name != "training.ema"] == []
    names = {key.name for key in keys}

    def named(plain: object, above: str = "") -> set[str]:
        if not isinstance(plain, dict):
            return {above}
        return {name for key, value in plain.items() for name in named(value, f"{above}.{key}".strip(".")) or {above}}

    if settings is RunConfig:
        for preset in (
            "quanvunet",
            "gan-quantum-both",
            "patch-gan",
            "style-gan",
            "vae-gan",
            "latent-unet",
            "classifier",
        ):
            given = {re.sub(r"\.options\..*", ".options", name) for name in named(read_config(preset).plain())}
            assert given - {"start"} <= names
    assert {"backend.layout", "data.depth", "start.run"} <= names or settings is NoiseSettings


def test_keys_on_the_command_line() -> None:
    plain, machine = (CliRunner().invoke(app, ["train", "--keys", *more]) for more in ([], ["--json"]))
    assert plain.exit_code == machine.exit_code == 0
    listed = json.loads(machine.stdout)
    assert len(listed) == len(plain.stdout.splitlines()) > 100
    assert "training.batch=128  (whole number above 0)  Images a step" in plain.stdout


def test_examples_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    noise, settings = (
        re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
        for page in ("noise-files.md", "settings.md")
    )
    Path("noise.yml").write_text(noise[0])
    Path("my.yaml").write_text(settings[0])
    read = read_noise("noise.yml")
    assert isinstance(read, FileNoise)
    assert set(yaml.safe_load(noise[0])) == set(NoiseSettings.model_fields)
    assert read.settings.probability("sx") == 1e-4
    words = re.search(r"^qgen train my\.yaml (.*)$", (DOCS / "settings.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert words
    changed = read_config("my.yaml", words[1].replace("--set ", "").split())
    assert (changed.data.name, changed.data.classes, changed.training.learning_rate) == ("cats", (0, 1), 1e-3)
    assert parse_yaml(settings[0])["preset"] == "gan-quantum-g"


def test_each_picture_of_the_gallery_has_a_command() -> None:
    parts = (DOCS / "gallery.md").read_text(encoding="utf-8").split("<img ")[1:]
    blocks = ["".join(parts[at:]).partition("```bash\n")[2].partition("```")[0] for at in range(len(parts))]
    for part, block in zip(parts, blocks, strict=True):
        assert (DOCS / re.findall(r'src="([^"]+)"', part)[0]).is_file()
        commands = [line for line in block.splitlines() if line.startswith(("qgen ", "python "))]
        assert len(commands) == 1
        for name in re.findall(r"benchmarks/\w+\.py", commands[0]):
            assert (DOCS.parent / name).is_file()
        for name in re.findall(r"^qgen train ([a-z][\w-]*) ", commands[0]):
            read_config(name)
