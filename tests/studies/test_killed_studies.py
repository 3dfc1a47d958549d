"""A study that was killed at random moments (-9: the command or a worker) and restarted equals the undisturbed one."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from killing import run_with_kills
from safetensors.numpy import load_file
from small_runs import SMALL_GAN, SMALL_PLAYERS
from trivial_study import Cell, TrivialStudy, expected_values, found_values, run_as_command, run_here, set_faults

from qgen.runs import Run
from qgen.studies import write_study
from qgen.studies.comparison import ComparisonStudy, make_comparison
from qgen.studies.tasks import cell_run

PLACES = [pytest.param(False, id="local"), pytest.param(True, id="dask")]


def chains(rng: np.random.Generator, steps: int) -> TrivialStudy:
    """A few cells that need some of those before them, drawn at random."""
    cells: list[Cell] = []
    for number in range(6):
        needs = [cell.name for cell in cells if rng.random() < 0.4]
        cells.append(Cell(name=f"cell{number}", needs=tuple(needs), steps=int(rng.integers(1, steps))))
    return TrivialStudy(cells=tuple(cells), pause=0.02)


def require(dask: bool) -> None:
    if dask:
        pytest.importorskip("distributed", reason="the extra `cluster`")


def test_a_study_that_was_killed_is_complete_and_equal(tmp_path: Path, rng: np.random.Generator) -> None:
    study = chains(rng, 20)
    write_study(tmp_path, study)
    run_with_kills(tmp_path, False, 2, rng)
    assert found_values(tmp_path, study) == expected_values(study)


@pytest.mark.parametrize("dask", [PLACES[0], pytest.param(True, id="dask", marks=pytest.mark.slow)])
def test_a_second_interruption_ends_everything_at_once(dask: bool, tmp_path: Path) -> None:
    require(dask)
    study = TrivialStudy(cells=(Cell(name="a", steps=2),))
    write_study(tmp_path, study)
    set_faults(tmp_path, a=(1, "hang"))
    command = multiprocessing.get_context("spawn").Process(target=run_as_command, args=(tmp_path, 1, dask))
    command.start()
    while not (tmp_path / "a.sign").exists():
        assert command.is_alive()
        time.sleep(0.02)
    workers = psutil.Process(command.pid).children()
    for _ in range(2):
        assert command.is_alive()
        os.kill(command.pid or 0, signal.SIGINT)
        command.join(0.5)
    command.join()
    assert command.exitcode == 130
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []
    set_faults(tmp_path)
    run_here(tmp_path)
    assert found_values(tmp_path, study) == expected_values(study)


@pytest.mark.slow
@pytest.mark.parametrize("dask", PLACES)
def test_studies_that_were_killed_often_are_complete_and_equal(
    dask: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    require(dask)
    for attempt in range(2):
        folder, study = tmp_path / str(attempt), chains(rng, 60)
        write_study(folder, study)
        killed = run_with_kills(folder, dask, 6, rng)
        assert {"worker", "command"} <= set(killed)
        assert found_values(folder, study) == expected_values(study)


def content(run: Run) -> dict[str, Any]:
    """All numbers of a run to the last bit, and its pictures; times differ."""
    rows = [json.loads(row) for row in run.metrics.read_text().splitlines()]
    return {
        "weights": {name: value.tobytes() for name, value in load_file(run.checkpoints()[-1]).items()},
        "quality": run.quality.read_text(),
        "metrics": [{name: value for name, value in row.items() if "second" not in name} for row in rows],
        "pictures": {file.name: file.read_bytes() for file in run.samples.iterdir()},
        "config": run.config().plain(),
    }


def all_content(folder: Path, study: ComparisonStudy) -> dict[str, Any]:
    return {cell.name: content(cell_run(folder, cell)) for cell in study.cells()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ComparisonStudy]:
    """An undisturbed study of two small GANs, two seeds each, by one worker."""
    changes = [change for change in (*SMALL_GAN, *SMALL_PLAYERS["gan-quantum-g"]) if "judged" not in change]
    own = ["training.steps=60", "training.judged=50", "training.sample_every=20"]
    study = make_comparison(["gan-classical", "gan-quantum-g"], 2, changes=[*changes, *own])
    folder = tmp_path_factory.mktemp("undisturbed")
    write_study(folder, study)
    run_here(folder, 1)
    return folder, study


@pytest.mark.slow
@pytest.mark.parametrize("dask", PLACES)
def test_training_is_equal_to_the_last_bit_wherever_it_runs(
    dask: bool, tmp_path: Path, trained: tuple[Path, ComparisonStudy]
) -> None:
    require(dask)
    folder, study = trained
    write_study(tmp_path, study)
    run_here(tmp_path, 2, dask)
    assert all_content(tmp_path, study) == all_content(folder, study)


@pytest.mark.slow
@pytest.mark.parametrize("dask", PLACES)
def test_training_that_was_killed_is_equal_to_the_last_bit(
    dask: bool, tmp_path: Path, trained: tuple[Path, ComparisonStudy], rng: np.random.Generator
) -> None:
    require(dask)
    folder, study = trained
    write_study(tmp_path, study)
    killed = run_with_kills(tmp_path, dask, 3, rng)
    assert {"worker", "command"} <= set(killed)
    assert all_content(tmp_path, study) == all_content(folder, study)
