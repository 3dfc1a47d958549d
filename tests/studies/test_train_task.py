"""TrainTask: a run is trained in this process, resumed to the same numbers, and taken up wherever a kill left it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from small_runs import small_gan

from qgen.errors import RunError
from qgen.runs import Run, RunConfig
from qgen.studies import TaskContext, TrainTask
from qgen.studies.tasks import cell_run, last_step


@dataclass(frozen=True)
class OneRun:
    config: RunConfig
    name: str = "run"


@pytest.fixture(scope="module")
def task() -> TrainTask:
    return TrainTask(OneRun(small_gan("gan-quantum-g", "training.judged=20", "training.log_every=1")))


@pytest.fixture(scope="module")
def undisturbed(task: TrainTask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    task.run(folder, TaskContext())
    return folder


def stop_after(polls: int) -> Callable[[], bool]:
    left = iter(range(polls))
    return lambda: next(left, None) is None


def rows_without_times(run: Run) -> list[dict[str, float]]:
    rows = (json.loads(row) for row in run.metrics.read_text().splitlines())
    return [{name: value for name, value in row.items() if "second" not in name} for row in rows]


def assert_equal(run: Run, other: Run) -> None:
    """The same numbers to the last bit, and the same pictures; times differ."""
    one, two = (load_file(each.checkpoints()[-1]) for each in (run, other))
    assert {name: value.tobytes() for name, value in one.items()} == {k: value.tobytes() for k, value in two.items()}
    assert run.quality.read_text() == other.quality.read_text()
    assert run.grid(6).read_bytes() == other.grid(6).read_bytes()
    assert rows_without_times(run) == rows_without_times(other)


def test_it_trains_to_the_last_step(task: TrainTask, undisturbed: Path) -> None:
    run = cell_run(undisturbed, task.cell)
    assert task.is_done(undisturbed)
    assert (task.size, task.progress(undisturbed), task.needs) == (6, 6, ())
    assert run.config() == task.cell.config
    task.run(undisturbed, TaskContext())  # nothing is left to do
    assert last_step(run.metrics) == 6


@pytest.mark.parametrize("polls", [0, 2])
def test_it_ends_after_the_step_in_hand_and_goes_on(
    polls: int, task: TrainTask, undisturbed: Path, tmp_path: Path
) -> None:
    task.run(tmp_path, TaskContext(stop=stop_after(polls)))
    assert not task.is_done(tmp_path)
    assert task.progress(tmp_path) == cell_run(tmp_path, task.cell).steps_taken == polls + 1
    task.run(tmp_path, TaskContext())
    assert task.is_done(tmp_path)
    assert_equal(cell_run(tmp_path, task.cell), cell_run(undisturbed, task.cell))


def test_a_kill_before_it_was_a_run_and_one_before_the_last_picture(
    task: TrainTask, undisturbed: Path, tmp_path: Path
) -> None:
    cell_run(tmp_path, task.cell).samples.mkdir(parents=True)
    task.run(tmp_path, TaskContext(stop=stop_after(0)))
    run = cell_run(tmp_path, task.cell)
    assert run.steps_taken == 1
    shutil.rmtree(run.path)
    shutil.copytree(cell_run(undisturbed, task.cell).path, run.path)
    run.grid(6).unlink()
    assert not task.is_done(tmp_path)
    task.run(tmp_path, TaskContext())
    assert_equal(run, cell_run(undisturbed, task.cell))


def test_hardware_is_no_place_to_train_a_study(tmp_path: Path) -> None:
    task = TrainTask(OneRun(small_gan("gan-quantum-g", "backend.name=ibm_fez")))
    with pytest.raises(RunError, match="a study trains in simulation, and ibm_fez is hardware"):
        task.run(tmp_path, TaskContext())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "step"),
    [("", 0), ('{"step": 3}\n{"step": 4}\n', 4), ('{"step": 3}\n{"st', 3), ("nonsense\n", 0), ('{"a": 1}\n[1]\n', 0)],
)
def test_the_last_whole_row_says_how_far_a_run_is(text: str, step: int, tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text(text)
    assert last_step(file) == step
    assert last_step(tmp_path / "nothing") == 0
