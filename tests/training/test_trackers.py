"""Trackers get what a run notes of itself, as one run, and nothing unasked: TensorBoard; a stand-in of W&B's."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageChops
from small_runs import SMALL
from typer.testing import CliRunner

import qgen
from qgen.cli.main import app

SETS = [word for change in SMALL for word in ("--set", change)]


class UsageError(Exception):
    """As the library's own, of several lines."""


UsageError.__module__ = "wandb.errors.errors"


class Wandb(ModuleType):
    """Runs by identifier, as the service keeps them: of a step the first value of a name stays."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.inits: list[dict[str, Any]] = []
        self.rows: dict[str, dict[int, dict[str, Any]]] = {}
        self.ends: list[int] = []
        self.account = True
        self.Settings = SimpleNamespace
        self.Image = Path

    def init(self, **options: Any) -> Any:
        if not self.account:
            raise UsageError("api_key not configured (no-tty). call wandb.login(key=[your_api_key])\nmore")
        assert Path(options["dir"], "config.yaml").is_file()
        self.inits.append(options)
        rows = self.rows.setdefault(options["id"], {})

        def log(values: dict[str, Any], step: int) -> None:
            assert step >= max(rows, default=0)  # the library drops what comes late
            rows[step] = values | rows.get(step, {})

        return SimpleNamespace(log=log, finish=lambda exit_code: self.ends.append(exit_code))


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Wandb:
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    stand_in = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    return stand_in


def train(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["train", "--device", "cpu", *arguments])


def test_it_gets_the_metrics_and_a_run_that_goes_on_is_the_same(wandb: Wandb, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    result = train(*SETS, "--set", "training.steps=3", "--out", str(folder), "--wandb", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["steps"] == 3
    result = train(str(folder), "--resume", "--set", "training.steps=5", "--wandb")
    assert result.exit_code == 0, result.output
    first, second = wandb.inits
    assert (first["project"], first["name"], first["resume"]) == ("qgen", "mine", "allow")
    assert first["id"] == second["id"]
    assert second["config"] == qgen.load(folder).config.plain()
    rows = [{**values, "step": step} for step, values in wandb.rows[first["id"]].items()]
    assert [row.pop("samples") for row in rows] == [folder / f"samples/step-{step:08}.png" for step in (3, 5)]
    assert rows == qgen.load(folder).metrics
    assert wandb.ends == [0, 0]


def test_trackers_get_each_grid_of_samples_and_how_good_they_are(wandb: Wandb, tmp_path: Path) -> None:
    """TensorBoard's files are read by its own reader; the figures are those of quality.jsonl."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    changes = ("training.sample_every=2", "training.judged=4", "training.log_every=3", "training.steps=4")
    given = [word for change in changes for word in ("--set", change)]
    result = train(*SETS, *given, "--out", str(tmp_path / "run"), "--wandb", "--tensorboard")
    assert result.exit_code == 0, result.output
    run = qgen.load(tmp_path / "run")
    events = accumulator.EventAccumulator(str(run.path / "tensorboard")).Reload()
    quality = [json.loads(line) for line in (run.path / "quality.jsonl").read_text().splitlines()]
    (rows,) = wandb.rows.values()
    assert [row["step"] for row in quality] == [event.step for event in events.Images("samples")] == [2, 4]
    for row, event in zip(quality, events.Images("samples"), strict=True):
        grid = run.path / f"samples/step-{row['step']:08}.png"
        assert rows[row["step"]]["samples"] == grid
        assert rows[row["step"]]["frechet"] == row["frechet"]
        with Image.open(grid) as drawn, Image.open(io.BytesIO(event.encoded_image_string)) as shown:
            assert ImageChops.difference(drawn.convert("RGB"), shown.convert("RGB")).getbbox() is None
    assert [event.value for event in events.Scalars("frechet")] == pytest.approx([row["frechet"] for row in quality])
    assert [event.step for event in events.Scalars("loss")] == [3, 4]


def test_two_runs_are_two_and_the_project_is_the_users(
    wandb: Wandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    for name in ("a", "b"):
        result = train(*SETS, "--set", "training.steps=1", "--out", str(tmp_path / name), "--wandb", "--tensorboard")
        assert result.exit_code == 0, result.output
        assert list((tmp_path / name / "tensorboard").glob("events*"))
    assert {each["project"] for each in wandb.inits} == {"theirs"}
    assert len({each["id"] for each in wandb.inits}) == 2


def test_without_being_asked_nothing_is_logged(wandb: Wandb, tmp_path: Path) -> None:
    assert train(*SETS, "--set", "training.steps=1", "--out", str(tmp_path / "run")).exit_code == 0
    assert wandb.inits == []


def test_without_an_account_it_says_what_to_do(wandb: Wandb, tmp_path: Path) -> None:
    wandb.account = False
    result = train(*SETS, "--set", "training.steps=1", "--out", str(tmp_path / "run"), "--wandb")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "api_key not configured" in result.stderr
    assert "WANDB_MODE=offline" in result.stderr


def test_an_error_of_the_training_ends_it_as_failed(
    wandb: Wandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qgen.training.report.ConsoleReport.row", lambda self, row: 1 / 0)
    assert train(*SETS, "--set", "training.steps=1", "--out", str(tmp_path / "run"), "--wandb").exit_code == 1
    assert wandb.ends == [1]


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    result = train(*SETS, "--out", str(tmp_path / "run"), "--wandb")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert 'pip install "qgen-torch[wandb]"' in result.stderr
    assert not (tmp_path / "run").exists()
