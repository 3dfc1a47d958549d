"""`qgen study noise` and `qgen study shots`: what they would run, what they run, and what they say of it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from in_this_process import InThisProcess
from small_runs import small_gan, train_config
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.studies import read_study
from qgen.studies.noise.conditions import Condition


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["study", *arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a small GAN with a circuit in its generator."""
    folder = tmp_path_factory.mktemp("trained") / "my-gan"
    return train_config(folder, small_gan("gan-quantum-g", "training.steps=2"))[0].path


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder but for `runs/my-gan` and `noise.yaml`, the current one."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "my-gan").symlink_to(trained)
    (tmp_path / "noise.yaml").write_text("basis: [rz, sx, x, cx]\ndepolarizing: {two_qubit: 0.01}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["noise", "shots"])
def test_examples_of_the_help_run(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qgen.cli.study_noise.run_and_report", lambda *arguments: None)
    shown = invoke(command, "--help").stdout
    assert max(map(len, shown.splitlines())) <= 80
    examples = re.findall(r"^    qgen (.+)$", shown.partition("Examples:")[2], flags=re.MULTILINE)
    assert len(examples) >= 3
    for example in examples:
        done = CliRunner().invoke(app, shlex.split(example, comments=True))
        assert done.exit_code == 0, f"{example}: {done.output}"
    assert not Path("studies").exists()


def test_a_dry_run_lists_the_cells(place: Path) -> None:
    grid = ("--backend", "fake_fez", "--backend", "aer:noise.yaml", "--scales", "0,1,2", "--seeds", "2")
    sources = ("runs/my-gan", "patch-gan", "--images", "320")
    told = json.loads(invoke("noise", *sources, *grid, "--dry-run", "--json").stdout)
    assert told["runs"] == ["patch-gan-seed0", "patch-gan-seed1"]
    names = [
        f"{source}-seed{seed}-{condition}"
        for seed in (0, 1)
        for source in ("my-gan", "patch-gan")
        for condition in (
            "ideal",
            *(f"{device}-scale{scale}" for device in ("fake_fez", "aer-noise") for scale in (1, 2)),
        )
    ]
    assert told["cells"] == names
    shown = invoke("noise", "runs/my-gan", "patch-gan", "--images", "320", *grid, "--dry-run").output
    assert "2 trainings and 20 cells of 500 images: 25,000 circuits" in shown
    assert "as it is" in shown
    assert not Path("studies").exists()


def test_a_study_is_run_printed_and_written_and_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qgen.studies.LocalExecutor", lambda workers, data_dir, device: InThisProcess())
    monkeypatch.setattr("qgen.studies.noise.figures.ENDINGS", (".png",))  # tests/studies/noise looks at them
    command = ("noise", "runs/my-gan", "--scales", "0,1", "--seeds", "2", "--count", "20", "--jobs", "1")
    done = invoke(*command, "--out", "study", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["missing"] == []
    assert len(told["cells"]) == 4
    assert told["page"] == "study/noise.html"
    assert {path.name for path in Path("study").glob("noise.*")} == {"noise.html", "noise.json", "noise.md"}
    before = {path: path.stat().st_mtime_ns for path in Path("study/cells").iterdir()}
    again = invoke(*command, "--out", "study")
    assert again.exit_code == 0
    assert "my-gan: loss of quality" in again.output
    assert {path: path.stat().st_mtime_ns for path in Path("study/cells").iterdir()} == before
    other = invoke(*command, "--out", "study", "--scales", "0,2")
    assert other.exit_code == 1
    assert "another study (scales.1: 1.0 against 2.0)" in other.stderr


def test_shots_are_the_same_study_along_shots(place: Path) -> None:
    told = json.loads(
        invoke("shots", "runs/my-gan", "--shots", "exact,64,8", "--seeds", "1", "--dry-run", "--json").stdout
    )
    assert told["kind"] == "shots"
    assert told["cells"] == [f"my-gan-seed0-{name}" for name in ("ideal", "aer-shots8", "aer-shots64")]


@pytest.mark.slow
def test_a_study_of_shots_is_run(place: Path) -> None:
    command = ("shots", "runs/my-gan", "--seeds", "1", "--count", "10", "--jobs", "1")
    done = invoke(*command, "--shots", "8,exact", "--out", "s")
    assert done.exit_code == 0, done.output
    study = read_study(Path("s"))
    assert study.conditions == (Condition(), Condition("aer", shots=8))  # type: ignore[attr-defined]
    assert Path("s/shots.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("noise", "nothing"), "neither a preset nor a readable file"),
        (("noise", "runs/my-gan", "--backend", "ibm_fez"), "no noise to vary"),
        (("noise", "runs/my-gan", "--backend", "fake_nothing"), "fake_nothing"),
        (("noise", "runs/my-gan", "--scales", "0"), "no noise"),
        (("noise", "runs/my-gan", "--mitigation", "hope"), "mitigation is one of"),
        (("noise", "runs/my-gan", "--train"), "trained already"),
        (("noise", "gan-classical"), "runs no circuit"),
        (("shots", "runs/my-gan", "--shots", "few"), "whole numbers"),
        (("shots", "runs/my-gan", "--mitigation", "readout"), "mitigation"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    arguments: tuple[str, ...], words: str, place: Path
) -> None:
    done = invoke(*arguments)
    assert done.exit_code in (1, 2), done.output
    assert words in " ".join((done.output + done.stderr).split())
    assert not Path("studies").exists()
