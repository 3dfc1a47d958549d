"""Weights that come with qgen: of the presets as they are, sampled by name, and never written beside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cloud import cloud
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

import qgen
from qgen.cli.main import app
from qgen.errors import RunError
from qgen.runs import Run, model_fingerprint, preset_names, read_config
from qgen.runs.checkpoint import load_checkpoint
from qgen.runs.pretrained import pretrained_folder, pretrained_names
from qgen.runs.shipped import DEFAULT_PRESET

ALL = pretrained_names()


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_default_preset_has_them() -> None:
    assert DEFAULT_PRESET in ALL
    assert set(ALL) < set(preset_names())


def test_all_of_them_are_small() -> None:
    assert sum(len(data) for name in ALL for data in contents(pretrained_folder(name)).values()) < 2_000_000


@pytest.mark.parametrize("name", ALL)
def test_they_are_of_the_preset_as_it_is(name: str) -> None:
    run = Run(pretrained_folder(name))
    config, preset = run.config(), read_config(name)
    checkpoint = load_checkpoint(run.checkpoints()[-1])
    shape = tuple(checkpoint.numbers["shape"])
    assert config.plain() == preset.plain()
    assert checkpoint.model == model_fingerprint(preset, shape)
    assert checkpoint.step == preset.training.steps
    assert set(checkpoint.tensors) == {"weights"}


@pytest.mark.parametrize("name", ALL)
def test_the_card_says_how_they_were_made_and_how_good_they_are(name: str) -> None:
    run = Run(pretrained_folder(name))
    card, made = (run.path / "README.md").read_text("utf-8"), run.provenance()["made"]
    assert f"qgen train {name}" in card
    assert f"revision `{made['revision']}`" in card
    assert not made["revision"].endswith("+")
    assert "Licence: CC BY 4.0" in card
    assert f"The weights: {made['licence']}" in card
    assert "| Fréchet distance" in card
    assert " to " in card.partition("## Evaluation")[2]
    dtypes = {str(each.dtype) for each in load_file(run.checkpoints()[-1]).values()}
    assert ("rounded to float16" in card) == ("torch.float16" in dtypes)


def test_they_are_sampled_by_name_and_nothing_is_written_beside_them(here: Path, rng: np.random.Generator) -> None:
    name = str(rng.choice(ALL))
    before = contents(pretrained_folder(name))
    result = invoke("sample", name, "--count", "3", "--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    (weights,) = (data for file, data in before.items() if file.endswith(".safetensors"))
    assert facts["run"] == f"pretrained:{name}"
    assert facts["pretrained"]["preset"] == name
    assert facts["pretrained"]["sha256"] == sha256(weights).hexdigest()
    assert Path(facts["grid"]).parent == Path("runs/pretrained", name, "samples")
    assert json.loads(Path(facts["provenance"]).read_text())["pretrained"] == facts["pretrained"]
    assert contents(pretrained_folder(name)) == before
    assert "no runs in" in invoke("runs").stdout  # what was sampled is no run


@pytest.mark.parametrize("name", ALL)
def test_a_classifier_of_real_digits_recognises_their_samples(name: str, here: Path) -> None:
    digits = load_digits()
    judge = LogisticRegression(max_iter=300).fit(digits.data / 8 - 1, digits.target)
    images = qgen.load(name).sample(64, seed=11, device="cpu", progress=False).values.clamp(-1, 1)
    sure = judge.predict_proba(images.flatten(1).numpy().astype(float))
    assert len(set(sure.argmax(1))) >= 8
    assert (sure.max(1) > 0.9).mean() > 0.5
    assert np.abs(images.mean().item() - (digits.data / 8 - 1).mean()) < 0.15


def test_python_loads_them_by_name(here: Path) -> None:
    run, again = qgen.load("digits"), qgen.load("pretrained:digits")
    assert repr(run) == "<run pretrained:digits: unet, 450 steps>"
    assert "pretrained:digits" in run._repr_html_()
    assert run.path == again.path == pretrained_folder("digits")
    images = [each.sample(2, seed=3, steps=2, device="cpu", progress=False) for each in (run, again)]
    assert torch.equal(images[0].values, images[1].values)
    assert not list(here.iterdir())


def test_a_run_of_that_name_wins_and_it_is_said(
    here: Path, trained_once: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(trained_once(), here / "runs" / "digits")
    invoke("sample", "digits", "--count", "1", "--steps", "1")
    assert "pretrained:digits" in caplog.text
    caplog.clear()
    assert invoke("sample", "digits", "--count", "1", "--steps", "1", "--quiet").output == ""
    result = invoke("sample", "digits", "--count", "1", "--steps", "1", "--json")
    assert json.loads(result.stdout)["run"] == str(Path("runs", "digits"))
    result = invoke("sample", "pretrained:digits", "--count", "1", "--steps", "1", "--json")
    assert json.loads(result.stdout)["run"] == "pretrained:digits"
    assert result.stderr == caplog.text == ""
    with pytest.warns(UserWarning, match="pretrained:digits has the weights of qgen"):
        assert qgen.load("digits").path == Path("runs", "digits")
    (here / "runs" / "digits").rename(here / "runs" / "other")
    assert qgen.load("other").path == Path("runs", "other")  # any run by its name


def test_a_preset_without_says_which_have_them(here: Path, rng: np.random.Generator) -> None:
    name = str(rng.choice([each for each in preset_names() if each not in ALL]))
    result = invoke("sample", name)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"`qgen train {name}`" in result.stderr
    assert all(each in result.stderr for each in ALL)
    with pytest.raises(RunError, match="no preset with weights that come with qgen"):
        qgen.load("pretrained:nothing")
    with pytest.raises(RunError, match="there is no folder nothing"):
        qgen.load("nothing")
    (here / "digits").mkdir()
    with pytest.raises(RunError, match="the weights that come with qgen are pretrained:digits"):
        qgen.load("digits")


def test_the_lists_tell_which_have_them() -> None:
    assert ", ".join(ALL) in invoke("train", "--list").stdout
    assert "weights come with qgen" in " ".join(invoke("sample", "--help").stdout.split())


def test_training_begins_from_them_and_does_not_go_on(here: Path) -> None:
    changes = ("training.steps=1", "training.batch=4", "training.samples=0", "training.judged=0", "data.limit=32")
    sets = [word for change in changes for word in ("--set", change)]
    result = invoke("train", "digits", "--from", "digits", "--name", "mine", "--device", "cpu", *sets)
    assert result.exit_code == 0, result.output
    assert qgen.load("mine").config.start.run == "pretrained:digits"
    result = invoke("train", "digits", "--resume")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "pretrained:digits is an export" in result.stderr


def test_other_commands_take_them(here: Path) -> None:
    described = json.loads(invoke("describe", "pretrained:digits", "--json").stdout)
    assert described["steps_done"] == 450
    assert described["parameters"] == json.loads(invoke("describe", "digits", "--json").stdout)["parameters"]
    exported = json.loads(invoke("export", "digits", "--json").stdout)
    assert (exported["run"], exported["folder"]) == ("pretrained:digits", str(Path("exports", "digits")))
    assert "Made with revision" in Path("exports/digits/README.md").read_text("utf-8")
    assert "nothing of" in invoke("jobs", "digits").stderr


def test_they_have_a_journal_on_hardware(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cloud(here, monkeypatch) as server:
        result = invoke("sample", "born-digits", "--backend", "ibm_guadalupe", "--count", "4", "--dry-run", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["plan"]["executions"] == 4
        assert not server.ledger.jobs
    assert (here / "runs" / "pretrained" / "born-digits" / "jobs.sqlite").is_file()
