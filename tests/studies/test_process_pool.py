"""What is left to do is done, and once: after a failure, an interruption, or a kill at a bad moment."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_training
import psutil
import pytest
import yaml

from qgen.errors import RunError
from qgen.runs import Run
from qgen.studies import Failure, Outcome, ProcessPool, run_study, write_study
from qgen.studies.comparison import ComparisonStudy
from qgen.studies.tasks import TrainTask, cell_run, last_step

FAKE = (sys.executable, fake_training.__file__)


@pytest.fixture
def study(make_study_of: Callable[..., ComparisonStudy], tmp_path: Path) -> ComparisonStudy:
    made = make_study_of(("a", "b"), 2)
    write_study(tmp_path, made)
    return made


def train(folder: Path, study: ComparisonStudy, **callbacks: Any) -> Outcome:
    return run_study(folder, study, ProcessPool(2, command=FAKE), **callbacks)


def started(study: Path) -> list[tuple[str, bool]]:
    """Which runs were started since the last question, and whether they went on."""
    file = study / "started.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    file.unlink(missing_ok=True)
    return [(row["run"], row["resumed"]) for row in rows]


def faults(study: Path, **known: Any) -> None:
    (study / "faults.json").write_text(json.dumps({name.replace("_", "-"): fault for name, fault in known.items()}))


def test_every_run_is_trained_once_with_its_settings(tmp_path: Path, study: ComparisonStudy) -> None:
    told: list[tuple[int, int]] = []
    said: list[str] = []
    assert train(tmp_path, study, progress=lambda *how: told.append(how), message=said.append) == Outcome(4, (), False)
    names = [cell.name for cell in study.cells()]
    rows = [json.loads(line) for line in (tmp_path / "started.jsonl").read_text().splitlines()]
    assert all(row["alone"] for row in rows)  # Ctrl-C in the terminal does not reach it
    assert sorted(started(tmp_path)) == sorted((name, False) for name in names)
    for cell in study.cells():
        written = yaml.safe_load((cell_run(tmp_path, cell).path / "config.yaml").read_text())
        assert written == cell.config.plain()
        assert TrainTask(cell).is_done(tmp_path)
    assert told[-1] == (80, 80)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert sorted(said) == sorted(f"finished {name}" for name in names)
    assert train(tmp_path, study) == Outcome(4, (), False)
    assert started(tmp_path) == []


def test_a_failure_stops_no_other_run_and_is_tried_again(tmp_path: Path, study: ComparisonStudy) -> None:
    faults(tmp_path, a_1_seed0={"at": 7, "say": "step 7: the loss is not finite"})
    failed = Failure("a-1-seed0", "step 7: the loss is not finite")
    assert train(tmp_path, study) == Outcome(3, (failed,), False)
    started(tmp_path)
    (tmp_path / "faults.json").unlink()
    assert train(tmp_path, study) == Outcome(4, (), False)
    assert started(tmp_path) == [("a-1-seed0", True)]
    rows = (tmp_path / "runs/a-1-seed0/metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == list(range(1, 21))


def test_runs_that_a_kill_left_go_on_or_begin_anew(tmp_path: Path, study: ComparisonStudy) -> None:
    nothing, settings, half, unseen = (cell for cell in study.cells())
    cell_run(tmp_path, nothing).samples.mkdir(parents=True)  # killed before it was a run
    for cell in (settings, half, unseen):
        folder = cell_run(tmp_path, cell).path
        folder.joinpath("checkpoints").mkdir(parents=True)
        folder.joinpath("config.yaml").write_text(yaml.safe_dump(cell.config.plain()))
    cell_run(tmp_path, half).checkpoint(9).touch()
    cell_run(tmp_path, unseen).checkpoint(20).touch()  # all steps taken, the last samples not drawn
    assert train(tmp_path, study) == Outcome(4, (), False)
    assert sorted(started(tmp_path)) == [
        (nothing.name, False),
        (half.name, True),
        (settings.name, True),
        (unseen.name, True),
    ]
    assert last_step(cell_run(tmp_path, half).metrics) == 20
    assert len(cell_run(tmp_path, half).metrics.read_text().splitlines()) == 11


def test_an_interruption_reaches_every_run_once_and_the_rest_waits(tmp_path: Path, study: ComparisonStudy) -> None:
    faults(tmp_path, a_1_seed0={"at": 3, "wait": True}, b_1_seed0={"at": 5, "wait": True})
    asked: list[int] = []

    def ask(done: int, total: int) -> None:
        if len(list(tmp_path.glob("*.waits"))) == 2 and not asked:
            asked.append(done)
            os.kill(os.getpid(), signal.SIGINT)

    assert train(tmp_path, study, progress=ask) == Outcome(0, (), True)
    assert sorted(started(tmp_path)) == [("a-1-seed0", False), ("b-1-seed0", False)]
    (tmp_path / "faults.json").unlink()
    assert train(tmp_path, study) == Outcome(4, (), False)
    assert sorted(started(tmp_path)) == [
        ("a-1-seed0", True),
        ("a-1-seed1", False),
        ("b-1-seed0", True),
        ("b-1-seed1", False),
    ]


def test_what_still_runs_is_ended_after_an_error(tmp_path: Path, study: ComparisonStudy) -> None:
    faults(tmp_path, a_1_seed0={"at": 1, "wait": True}, b_1_seed0={"at": 1, "wait": True})
    found: list[int] = []

    def fail(done: int, total: int) -> None:
        if len(list(tmp_path.glob("*.waits"))) == 2:
            found.append(done)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, study, progress=fail)
    assert found
    assert not [child for child in psutil.Process().children() if fake_training.__file__ in child.cmdline()]


def test_a_study_is_trained_by_one_process(tmp_path: Path, study: ComparisonStudy) -> None:
    with Run(tmp_path).alone(), pytest.raises(RunError, match="another process"):
        train(tmp_path, study)
    assert started(tmp_path) == []


def test_a_process_that_says_nothing_is_told_by_its_code(tmp_path: Path, study: ComparisonStudy) -> None:
    silent = (sys.executable, "-c", "raise SystemExit(3)")
    done = run_study(tmp_path, study, ProcessPool(4, command=silent))
    assert {failure.line for failure in done.failures} == {"it ended with code 3"}
    assert len(done.failures) == 4


@pytest.mark.parametrize(
    ("text", "step"),
    [("", 0), ('{"step": 3}\n{"step": 4}\n', 4), ('{"step": 3}\n{"st', 3), ("nonsense\n", 0), ('{"a": 1}\n[1]\n', 0)],
)
def test_the_last_whole_row_says_how_far_a_run_is(text: str, step: int, tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text(text)
    assert last_step(file) == step
    assert last_step(tmp_path / "nothing") == 0
