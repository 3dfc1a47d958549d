"""run_task: one function runs any task, wherever; it waits for locks of the dead, and stops with its session."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import torch
from trivial_study import Cell, TrivialStudy, expected_values, found_values, set_faults, started

from qgen.storage import locked
from qgen.studies import read_result, worker, write_study
from qgen.studies.executor import check_needs
from qgen.studies.layout import lock_file
from qgen.studies.session import Session, StopRequested
from qgen.studies.worker import TaskEnd, check_worker, run_task
from qgen.version import __version__


@pytest.fixture
def study(tmp_path: Path) -> TrivialStudy:
    made = TrivialStudy(cells=(Cell(name="a", steps=3), Cell(name="b", needs=("a",))))
    write_study(tmp_path, made)
    return made


@pytest.fixture
def session(tmp_path: Path) -> str:
    begun = Session(tmp_path)
    begun.begin()
    return begun.name


def test_a_task_is_found_by_its_name(tmp_path: Path, study: TrivialStudy, session: str) -> None:
    threads = torch.get_num_threads()
    for cell in study.cells:
        assert run_task(str(tmp_path), cell.name, session) == ("done", "")
    assert found_values(tmp_path, study) == expected_values(study)
    result = read_result(tmp_path, "a")
    assert result is not None
    assert result["threads"] == 1
    assert torch.get_num_threads() == threads
    line = f"the study in {tmp_path} has no task c: is this worker's version of qgen another one?"
    assert run_task(str(tmp_path), "c", session) == ("failed", line)
    assert run_task(str(tmp_path), "a", session) == ("done", "")
    assert len(started(tmp_path)) == 2


def test_a_machine_that_cannot_run_tasks_says_why(tmp_path: Path, study: TrivialStudy) -> None:
    assert check_worker(str(tmp_path), __version__) is None
    line = check_worker(str(tmp_path / "nowhere"), __version__)
    assert line is not None
    assert f" sees no {tmp_path}/nowhere/study.json: " in line
    line = check_worker(str(tmp_path), "0.0.0")
    assert line is not None
    assert line.endswith(f" has qgen {__version__}, and the study was started by 0.0.0: install the same version")


def test_a_session_that_is_over_stops_its_tasks(tmp_path: Path, study: TrivialStudy, session: str) -> None:
    Session(tmp_path).begin()  # another command has started the study since
    assert run_task(str(tmp_path), "a", session) == ("stopped", "")
    assert started(tmp_path) == []


def test_a_worker_may_have_a_reason_of_its_own_to_stop(tmp_path: Path, study: TrivialStudy, session: str) -> None:
    set_faults(tmp_path, a=(1, "wait"))
    sign = tmp_path / "a.sign"
    assert run_task(str(tmp_path), "a", session, also_stop=sign.exists) == ("stopped", "")
    assert sign.exists()
    assert read_result(tmp_path, "a") is None


def test_stops_are_seen_once_and_for_all(tmp_path: Path) -> None:
    session = Session(tmp_path)
    assert StopRequested(session)()  # it has not begun
    session.begin()
    stop = StopRequested(session)
    assert not stop()
    session.end()
    deadline = time.monotonic() + 20
    while not stop():
        assert time.monotonic() < deadline
    session.begin()
    assert stop()


def test_a_lock_that_is_let_go_of_is_waited_for(tmp_path: Path, study: TrivialStudy, session: str) -> None:
    """A worker that lost its connection may still have the task in hand when another one tries it again."""
    file = lock_file(tmp_path, "a")
    file.parent.mkdir()
    ends: list[TaskEnd] = []
    with locked(file):
        other = threading.Thread(target=lambda: ends.append(run_task(str(tmp_path), "a", session)))
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join()
    assert ends == [("done", "")]
    assert read_result(tmp_path, "a") is not None


def test_a_lock_that_stays_is_one_line(
    tmp_path: Path, study: TrivialStudy, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_PATIENCE", 0.1)
    file = lock_file(tmp_path, "a")
    file.parent.mkdir()
    with locked(file):
        ended = run_task(str(tmp_path), "a", session)
    assert ended == ("failed", "another worker has had a in hand for 0.1 s; try again later")


def test_needs_that_cannot_be_met_are_an_error_of_the_study() -> None:
    check_needs({"a": ("b", "c"), "b": ("c",), "c": ()})
    with pytest.raises(ValueError, match="a needs d, which the study does not have"):
        check_needs({"a": ("d",)})
    with pytest.raises(ValueError, match="one another in a circle: "):
        check_needs({"a": ("b",), "b": ("a",)})
