"""What is left to do is done, and once: after a failure, an interruption, or a kill at a bad moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from trivial_study import Cell, TrivialStudy, expected_values, found_values, run_here, set_faults, started

from qgen.errors import RunError
from qgen.runs import Run
from qgen.studies import LocalExecutor, Outcome, Status, run_study, write_study

#: Two branches that meet.
CELLS = (
    Cell(name="a", steps=3),
    Cell(name="b", steps=2),
    Cell(name="a2", needs=("a",), steps=2),
    Cell(name="end", needs=("a2", "b")),
)


@pytest.fixture
def study(tmp_path: Path) -> TrivialStudy:
    made = TrivialStudy(cells=CELLS)
    write_study(tmp_path, made)
    return made


def run(folder: Path, study: TrivialStudy, workers: int = 2, **callbacks: Any) -> Outcome:
    outcome = run_study(folder, study, LocalExecutor(workers, data_dir=Path("images")), **callbacks)
    assert multiprocessing.active_children() == []
    return outcome


def test_tasks_run_in_order_and_once(tmp_path: Path, study: TrivialStudy) -> None:
    told: list[Status] = []
    said: list[str] = []
    assert run(tmp_path, study, progress=told.append, message=said.append) == Outcome(4)
    assert found_values(tmp_path, study) == expected_values(study)
    order = [name for name, _ in started(tmp_path)]
    assert sorted(order) == ["a", "a2", "b", "end"]
    assert order.index("a") < order.index("a2") < order.index("end") == 3
    rows = [line.split() for line in (tmp_path / "started.txt").read_text().splitlines()]
    assert len({row[2] for row in rows} - {str(os.getpid())}) <= 2  # workers take many tasks
    assert {tuple(row[3:]) for row in rows} == {("cpu", str(Path("images").resolve()))}
    assert (told[-1].work, told[-1].total, str(told[-1])) == (8, 8, "4 of 4 tasks")
    assert [status.work for status in told] == sorted(status.work for status in told)
    assert sorted(said) == ["finished a", "finished a2", "finished b", "finished end"]
    assert (tmp_path / "logs/a.txt").read_text() == "working on a\n"
    assert run(tmp_path, study) == Outcome(4)
    assert len(started(tmp_path)) == 4


def test_a_failure_keeps_what_needs_it_and_is_tried_again(tmp_path: Path, study: TrivialStudy) -> None:
    set_faults(tmp_path, a=(1, "break"))
    said: list[str] = []
    told: list[Status] = []
    outcome = run(tmp_path, study, 1, message=said.append, progress=told.append)
    assert (outcome.finished, outcome.stopped, outcome.not_started) == (1, False, ("a2", "end"))
    (failure,) = outcome.failures
    assert (failure.name, failure.line) == ("a", "ZeroDivisionError: a bug")
    assert f"a failed: ZeroDivisionError: a bug ({failure.log})" in said
    log = failure.log.read_text()
    assert log.startswith("working on a\nTraceback (most recent call last)")
    assert log.endswith("ZeroDivisionError: a bug\n")
    assert str(told[-1]) == "1 of 4 tasks, 3 failed"
    set_faults(tmp_path)
    assert run(tmp_path, study, 1) == Outcome(4)
    assert found_values(tmp_path, study) == expected_values(study)
    assert started(tmp_path) == [("a", 0), ("b", 0), ("a", 1), ("a2", 0), ("end", 0)]


def test_an_error_that_a_user_can_mend_is_its_line(tmp_path: Path, study: TrivialStudy) -> None:
    set_faults(tmp_path, b=(1, "refuse"))
    (failure,) = run(tmp_path, study, 1).failures
    assert (failure.name, failure.line) == ("b", "step 1: b is refused")


def test_a_worker_that_dies_is_replaced_and_its_task_goes_on(tmp_path: Path, study: TrivialStudy) -> None:
    set_faults(tmp_path, a=(2, "die once"), end=(0, "die once"))
    assert run(tmp_path, study) == Outcome(4)
    assert found_values(tmp_path, study) == expected_values(study)
    assert sorted(started(tmp_path)) == [("a", 0), ("a", 2), ("a2", 0), ("b", 0), ("end", 0), ("end", 0)]


def test_a_task_that_kills_every_worker_fails_alone(tmp_path: Path, study: TrivialStudy) -> None:
    set_faults(tmp_path, b=(1, "die"))
    outcome = run(tmp_path, study)
    assert (outcome.finished, outcome.not_started) == (2, ("end",))
    assert [failure.line for failure in outcome.failures] == [
        "its worker was killed, or ran out of memory, each time that it was tried"
    ]
    assert [name for name, _ in started(tmp_path)].count("b") == 3


def test_an_interruption_ends_each_task_after_its_step_and_the_rest_waits(tmp_path: Path, study: TrivialStudy) -> None:
    set_faults(tmp_path, a=(1, "wait"), b=(1, "wait"))
    asked: list[Status] = []

    def ask(status: Status) -> None:
        if status.work == 2 and not asked:
            asked.append(status)
            os.kill(os.getpid(), signal.SIGINT)

    assert run(tmp_path, study, progress=ask) == Outcome(0, stopped=True)
    set_faults(tmp_path)
    assert run(tmp_path, study) == Outcome(4)
    assert found_values(tmp_path, study) == expected_values(study)
    assert sorted(started(tmp_path)) == [("a", 0), ("a", 1), ("a2", 0), ("b", 0), ("b", 1), ("end", 0)]


def test_what_still_runs_is_killed_after_an_error(tmp_path: Path, study: TrivialStudy) -> None:
    set_faults(tmp_path, a=(1, "wait"))

    def fail(status: Status) -> None:
        if status.work:
            raise KeyboardInterrupt

    before = psutil.Process().children()
    with pytest.raises(KeyboardInterrupt):
        run_study(tmp_path, study, LocalExecutor(1), progress=fail)
    left = [child for child in psutil.Process().children() if child not in before]
    assert not [child for child in left if "spawn_main" in " ".join(child.cmdline())]


def test_a_task_that_gives_up_is_tried_again_and_then_fails(tmp_path: Path, study: TrivialStudy) -> None:
    set_faults(tmp_path, b=(1, "end"))
    outcome = run(tmp_path, study)
    assert [failure.line for failure in outcome.failures] == ["it ended without a result each time that it was tried"]


def test_a_study_is_run_by_one_process(tmp_path: Path, study: TrivialStudy) -> None:
    with Run(tmp_path).alone(), pytest.raises(RunError, match="another process"):
        run(tmp_path, study)
    assert started(tmp_path) == []


def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path, study: TrivialStudy) -> None:
    """Killed at once, it has no chance to end its workers."""
    set_faults(tmp_path, a=(1, "wait"))
    parent = multiprocessing.get_context("spawn").Process(target=run_here, args=(tmp_path,))
    parent.start()
    while not (tmp_path / "a.sign").exists():
        assert parent.is_alive()
        time.sleep(0.05)
    workers = psutil.Process(parent.pid).children()
    parent.kill()
    parent.join()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
