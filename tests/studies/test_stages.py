"""First stages in studies: trained once for all runs that share them, before these."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_runs import SMALL_AUTOENCODER, SMALL_LATENT
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.runs import RunConfig, read_config
from qgen.studies import TaskContext, stages
from qgen.studies.stages import StagedTrainTask, training_tasks
from qgen.studies.tasks import cell_run


@dataclass(frozen=True)
class OneRun:
    name: str
    config: RunConfig


@pytest.fixture(autouse=True)
def small_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The presets of autoencoders are small, and soon trained."""

    def read(preset: str, changes: list[object]) -> RunConfig:
        assert preset == "vae-digits"
        small = [change for change in SMALL_AUTOENCODER if not change.startswith("data.")]
        return read_config("vae-gan", [*small, *changes, "training.steps=2"])

    monkeypatch.setattr(stages, "read_config", read)


def latent(name: str, *changes: str) -> OneRun:
    small = [*SMALL_LATENT, "model.autoencoder=null", "training.steps=2", "training.judged=0"]
    return OneRun(name, read_config("latent-digits", [*small, "model.first_stage=vae-digits", *changes]))


def test_runs_of_one_seed_share_a_stage_and_others_do_not() -> None:
    begun = set[str]()
    cells = [
        latent("a"),
        latent("b", "model.denoiser.depth=2"),
        latent("c", "training.seed=1"),
        latent("d", "data.limit=32"),
        OneRun("e", read_config("gan-classical")),
    ]
    tasks = [task for cell in cells for task in training_tasks(cell, begun)]
    names = [task.name for task in tasks]
    assert sum(name.startswith("stage-") for name in names) == len(begun) == 3
    assert [name for name in names if not name.startswith("stage-vae-digits-")] == ["a", "b", "c", "d", "e"]
    needs = {task.name: task.needs for task in tasks}
    assert needs["a"] == needs["b"] != needs["c"] != needs["d"]
    assert needs["e"] == ()
    assert all(names.index(below) < names.index(task.name) for task in tasks for below in task.needs)


def test_a_run_is_trained_upon_the_stage_of_the_study(tmp_path: Path) -> None:
    stage, run = training_tasks(latent("a"), set())
    assert isinstance(run, StagedTrainTask)
    stage.run(tmp_path, TaskContext(stop=lambda: True))
    assert not stage.is_done(tmp_path)
    stage.run(tmp_path, TaskContext())
    assert stage.is_done(tmp_path)
    assert stage.progress(tmp_path) == stage.size == 2
    run.run(tmp_path, TaskContext())
    assert run.is_done(tmp_path)
    below = cell_run(tmp_path, stage.cell).path
    settings = cell_run(tmp_path, run.cell).config()
    assert settings.model.first_stage == str((below / "autoencoder.safetensors").resolve())


def test_the_command_says_what_it_trains_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = [change for change in SMALL_LATENT if not change.startswith("training.judged")]
    changes = [word for change in small for word in ("--set", change)]
    given = ["study", "compare", "latent-digits", "--images", "64", "--seeds", "2", "--dry-run", *changes]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert "before them 2 first stages" in done.output
    told = json.loads(CliRunner().invoke(app, [*given, "--json"]).stdout)
    assert told["runs"] == ["latent-digits-1-seed0", "latent-digits-1-seed1"]
    assert len(told["stages"]) == 2


def test_a_kill_before_the_result_is_written_is_made_up_for(tmp_path: Path) -> None:
    stage, _ = training_tasks(latent("a"), set())
    stage.run(tmp_path, TaskContext())
    folder = cell_run(tmp_path, stage.cell).path
    for name in ("autoencoder.safetensors", "autoencoder.json"):
        (folder / name).unlink()
    assert not stage.is_done(tmp_path)
    stage.run(tmp_path, TaskContext())
    assert stage.is_done(tmp_path)
    assert (folder / "autoencoder.safetensors").exists()
