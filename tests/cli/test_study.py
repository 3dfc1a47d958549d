"""`qgen study compare`: what it would train, what it trains, and what it says of it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from fake_training import FakeExecutor
from typer.testing import CliRunner

from qgen.cli.main import app

PAIR = ("gan-classical", "gan-quantum-g")
SHORT = ("--set", "training.steps=20", "--set", "training.batch=10", "--seeds", "2", "--jobs", "2")


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["study", "compare", *arguments])


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Runs are trained by what only leaves files behind; the folder of the studies."""
    monkeypatch.setattr("qgen.studies.LocalExecutor", FakeExecutor)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "studies"


@pytest.mark.parametrize("command", [(), ("compare",)])
def test_examples_of_the_help_run(command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for module in ("study", "study_noise"):
        monkeypatch.setattr(f"qgen.cli.{module}.run_and_report", lambda *arguments: None)
    Path("my.yaml").write_text("preset: unet\n")
    shown = CliRunner().invoke(app, ["study", *command, "--help"]).stdout
    assert max(map(len, shown.splitlines())) <= 80
    examples = re.findall(r"^    qgen (.+)$", shown.partition("Examples:")[2], flags=re.MULTILINE)
    assert len(examples) >= 3
    for example in examples:
        done = CliRunner().invoke(app, shlex.split(example, comments=True))
        assert done.exit_code == 0, f"{example}: {done.output}"
    assert not Path("studies").exists()


def test_a_dry_run_says_what_would_be_trained(fake: Path) -> None:
    done = invoke(*PAIR, *SHORT, "--fraction", "1", "--fraction", "0.1", "--dry-run")
    assert done.exit_code == 0
    assert "8 runs, each of 200 training images" in done.output
    told = json.loads(invoke(*PAIR, *SHORT, "--dry-run", "--json").stdout)
    assert told["runs"] == [f"{name}-1-seed{seed}" for seed in (0, 1) for name in PAIR]
    assert not fake.exists()


def test_a_study_is_trained_printed_and_written(fake: Path) -> None:
    done = invoke(*PAIR, *SHORT)
    assert done.exit_code == 0, done.output
    (study,) = fake.iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-compare", study.name)
    for name in PAIR:
        assert name in done.output
    assert "Fréchet" in done.output
    assert "No difference from gan-classical is resolved" in done.output
    assert f"page: {study.relative_to(fake.parent)}/compare.html" in done.output
    assert {path.name for path in study.glob("compare.*")} == {"compare.html", "compare.json", "compare.md"}


def test_the_same_command_goes_on_and_another_does_not(fake: Path) -> None:
    where = ("--out", str(fake / "first"))
    told = json.loads(invoke(*PAIR, *SHORT, *where, "--json").stdout)
    assert told["missing"] == []
    assert told["study"] == str(fake / "first")
    started = fake / "first" / "started.jsonl"
    before = started.read_text()
    assert len(before.splitlines()) == 4
    assert invoke(*PAIR, *SHORT, *where).exit_code == 0
    assert started.read_text() == before
    other = invoke(*PAIR, *SHORT, *where, "--set", "training.learning_rate=0.01")
    assert other.exit_code == 1
    assert "another study (contenders.gan-classical.settings.training.learning_rate" in other.stderr


def test_a_failure_is_told_and_the_others_are_compared(fake: Path) -> None:
    study = fake / "first"
    study.mkdir(parents=True)
    faults = {"gan-classical-1-seed1": {"at": 4, "say": "step 4: not finite"}}
    assert invoke(*PAIR, *SHORT, "--out", str(study), "--dry-run").exit_code == 0
    from qgen.studies import write_study
    from qgen.studies.comparison import make_comparison

    write_study(study, make_comparison(PAIR, 2, changes=["training.steps=20", "training.batch=10"]))
    (study / "faults.json").write_text(json.dumps(faults))
    done = invoke(*PAIR, *SHORT, "--out", str(study))
    assert done.exit_code == 1
    assert "gan-classical-1-seed1 failed: step 4: not finite" in done.output
    assert json.loads((study / "compare.json").read_text())["missing"] == ["gan-classical-1-seed1"]
    told = json.loads(invoke(*PAIR, *SHORT, "--out", str(study), "--json").stdout)
    log = str(study / "logs/gan-classical-1-seed1.txt")
    assert told["failures"] == {"gan-classical-1-seed1": {"line": "step 4: not finite", "log": log}}


def test_options_reach_every_run(fake: Path) -> None:
    where = ("--out", str(fake / "first"), "--data-dir", "images", "--device", "cuda")
    assert invoke(*PAIR, *SHORT, *where).exit_code == 0
    rows = [json.loads(line) for line in (fake / "first" / "started.jsonl").read_text().splitlines()]
    assert [(row["workers"], row["data_dir"], row["device"]) for row in rows] == [(2, "images", "cuda")] * 4


def test_a_budget_that_is_rounded_is_told(fake: Path) -> None:
    done = invoke(*PAIR, "--images", "1000", "--dry-run")
    assert "each run sees 1,024" in done.output
    wrong = invoke("gan-classical", "nothing", "--dry-run")
    assert wrong.exit_code == 1
    assert "neither a preset nor a readable file" in wrong.stderr


@pytest.mark.slow
def test_real_runs_are_trained_and_compared(tmp_path: Path) -> None:
    short = ("--images", "768", "--seeds", "2", "--set", "training.judged=100", "--set", "training.samples=16")
    done = invoke(*PAIR, *short, "--fraction", "0.1", "--out", str(tmp_path / "study"), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert set(told["metrics"]) >= {"frechet", "kernel", "coverage", "confident"}
    assert [each["images"] for each in told["results"]] == [144, 144]
    for each in told["results"]:
        assert len(each["curves"]["frechet"]) == 6
        assert each["curves"]["frechet"][-1]["images"] == 768
        assert all(value is not None for value in each["estimates"]["frechet"]["values"])
