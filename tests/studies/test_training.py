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
from qgen.studies import Plan, Trained, is_finished, train_all, write_plan
from qgen.studies.training import Failure, last_step

FAKE = (sys.executable, fake_training.__file__)


@pytest.fixture
def plan(make_plan_of: Callable[..., Plan], tmp_path: Path) -> Plan:
    made = make_plan_of(("a", "b"), 2)
    write_plan(tmp_path, made)
    return made


def train(study: Path, plan: Plan, **arguments: Any) -> Trained:
    return train_all(study, plan, 2, command=FAKE, **arguments)


def started(study: Path) -> list[tuple[str, bool]]:
    """Which runs were started since the last question, and whether they went on."""
    file = study / "started.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    file.unlink(missing_ok=True)
    return [(row["run"], row["resumed"]) for row in rows]


def faults(study: Path, **known: Any) -> None:
    (study / "faults.json").write_text(json.dumps({name.replace("_", "-"): fault for name, fault in known.items()}))


def test_every_run_is_trained_once_with_its_settings(tmp_path: Path, plan: Plan) -> None:
    told: list[tuple[int, int]] = []
    said: list[str] = []
    assert train(tmp_path, plan, told=lambda *how: told.append(how), say=said.append) == Trained(4, (), False)
    names = [task.name for task in plan.tasks()]
    rows = [json.loads(line) for line in (tmp_path / "started.jsonl").read_text().splitlines()]
    assert all(row["alone"] for row in rows)  # Ctrl-C in the terminal does not reach it
    assert sorted(started(tmp_path)) == sorted((name, False) for name in names)
    for task in plan.tasks():
        written = yaml.safe_load((task.run(tmp_path).path / "config.yaml").read_text())
        assert written == task.config.plain()
        assert is_finished(tmp_path, task)
    assert told[-1] == (80, 80)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert sorted(said) == sorted(f"trained {name}" for name in names)
    assert train(tmp_path, plan) == Trained(4, (), False)
    assert started(tmp_path) == []


def test_a_failure_stops_no_other_run_and_is_tried_again(tmp_path: Path, plan: Plan) -> None:
    faults(tmp_path, a_1_seed0={"at": 7, "say": "step 7: the loss is not finite"})
    failed = Failure("a-1-seed0", "step 7: the loss is not finite")
    assert train(tmp_path, plan) == Trained(3, (failed,), False)
    started(tmp_path)
    (tmp_path / "faults.json").unlink()
    assert train(tmp_path, plan) == Trained(4, (), False)
    assert started(tmp_path) == [("a-1-seed0", True)]
    rows = (tmp_path / "runs/a-1-seed0/metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == list(range(1, 21))


def test_runs_that_a_kill_left_go_on_or_begin_anew(tmp_path: Path, plan: Plan) -> None:
    nothing, settings, half, unseen = (task for task in plan.tasks())
    nothing.run(tmp_path).samples.mkdir(parents=True)  # killed before it was a run
    for task in (settings, half, unseen):
        folder = task.run(tmp_path).path
        folder.joinpath("checkpoints").mkdir(parents=True)
        folder.joinpath("config.yaml").write_text(yaml.safe_dump(task.config.plain()))
    half.run(tmp_path).checkpoint(9).touch()
    unseen.run(tmp_path).checkpoint(20).touch()  # all steps taken, the last samples not drawn
    assert train(tmp_path, plan) == Trained(4, (), False)
    assert sorted(started(tmp_path)) == [
        (nothing.name, False),
        (half.name, True),
        (settings.name, True),
        (unseen.name, True),
    ]
    assert last_step(half.run(tmp_path).metrics) == 20
    assert len(half.run(tmp_path).metrics.read_text().splitlines()) == 11


def test_an_interruption_reaches_every_run_once_and_the_rest_waits(tmp_path: Path, plan: Plan) -> None:
    faults(tmp_path, a_1_seed0={"at": 3, "wait": True}, b_1_seed0={"at": 5, "wait": True})
    asked: list[int] = []

    def ask(done: int, total: int) -> None:
        if len(list(tmp_path.glob("*.waits"))) == 2 and not asked:
            asked.append(done)
            os.kill(os.getpid(), signal.SIGINT)

    assert train(tmp_path, plan, told=ask) == Trained(0, (), True)
    assert sorted(started(tmp_path)) == [("a-1-seed0", False), ("b-1-seed0", False)]
    (tmp_path / "faults.json").unlink()
    assert train(tmp_path, plan) == Trained(4, (), False)
    assert sorted(started(tmp_path)) == [
        ("a-1-seed0", True),
        ("a-1-seed1", False),
        ("b-1-seed0", True),
        ("b-1-seed1", False),
    ]


def test_what_still_runs_is_ended_after_an_error(tmp_path: Path, plan: Plan) -> None:
    faults(tmp_path, a_1_seed0={"at": 1, "wait": True}, b_1_seed0={"at": 1, "wait": True})
    found: list[int] = []

    def fail(done: int, total: int) -> None:
        if len(list(tmp_path.glob("*.waits"))) == 2:
            found.append(done)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, plan, told=fail)
    assert found
    assert not [child for child in psutil.Process().children() if fake_training.__file__ in child.cmdline()]


def test_a_study_is_trained_by_one_process(tmp_path: Path, plan: Plan) -> None:
    with Run(tmp_path).alone(), pytest.raises(RunError, match="another process"):
        train(tmp_path, plan)
    assert started(tmp_path) == []


def test_a_process_that_says_nothing_is_told_by_its_code(tmp_path: Path, plan: Plan) -> None:
    silent = (sys.executable, "-c", "raise SystemExit(3)")
    done = train_all(tmp_path, plan, 4, command=silent)
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
