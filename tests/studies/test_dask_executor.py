"""DaskExecutor: the same tasks to the same results, at the workers of a cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trivial_study import Cell, TrivialStudy, expected_values, found_values, set_faults, started
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.errors import RunError
from qgen.studies import Outcome, Status, cluster, run_study, write_study
from qgen.studies.cluster import DaskExecutor

distributed = pytest.importorskip("distributed", reason="the extra `cluster`")

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


def start_cluster(workers: int = 2) -> Any:
    """A scheduler and workers in threads of this process, which cost no time to start."""
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    )


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with start_cluster() as workers:
        yield workers.scheduler_address


def test_workers_of_its_own_are_replaced_and_end_with_it(tmp_path: Path, study: TrivialStudy) -> None:
    set_faults(tmp_path, a=(2, "die once"))
    told: list[Status] = []
    said: list[str] = []
    executor = DaskExecutor(workers=2, data_dir=Path("images"))
    before = dict(os.environ)
    assert run_study(tmp_path, study, executor, told.append, said.append) == Outcome(4)
    assert multiprocessing.active_children() == []
    assert dict(os.environ) == before
    assert found_values(tmp_path, study) == expected_values(study)
    assert sorted(started(tmp_path)) == [("a", 0), ("a", 2), ("a2", 0), ("b", 0), ("end", 0)]
    assert {line.split()[-1] for line in (tmp_path / "started.txt").read_text().splitlines()} == {
        str(Path("images").resolve())
    }
    assert (told[-1].work, str(told[-1])) == (8, "4 of 4 tasks")
    assert sorted(said) == ["finished a", "finished a2", "finished b", "finished end"]


def test_a_failure_keeps_what_needs_it(tmp_path: Path, study: TrivialStudy, scheduler: str) -> None:
    set_faults(tmp_path, a=(1, "break"))
    outcome = run_study(tmp_path, study, DaskExecutor(scheduler))
    assert (outcome.finished, outcome.not_started) == (1, ("a2", "end"))
    (failure,) = outcome.failures
    assert (failure.name, failure.line) == ("a", "ZeroDivisionError: a bug")
    assert failure.log.read_text().endswith("ZeroDivisionError: a bug\n")
    set_faults(tmp_path)
    assert run_study(tmp_path, study, DaskExecutor(scheduler)) == Outcome(4)
    assert found_values(tmp_path, study) == expected_values(study)


def test_an_interruption_ends_each_task_after_its_step(tmp_path: Path, study: TrivialStudy, scheduler: str) -> None:
    set_faults(tmp_path, a=(1, "wait"), b=(1, "wait"))

    def ask(status: Status) -> None:
        if status.work == 1:  # workers of one process take one task at a time
            os.kill(os.getpid(), signal.SIGINT)

    assert run_study(tmp_path, study, DaskExecutor(scheduler), ask) == Outcome(0, stopped=True)
    assert len(started(tmp_path)) == 1
    set_faults(tmp_path)
    assert run_study(tmp_path, study, DaskExecutor(scheduler)) == Outcome(4)
    assert found_values(tmp_path, study) == expected_values(study)


def test_a_scheduler_that_goes_away_is_one_line(
    tmp_path: Path, study: TrivialStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECTING", 3)  # also the time for which Dask looks for one that it has lost
    set_faults(tmp_path, a=(1, "wait"), b=(0, "wait"))
    workers = start_cluster(1)
    closing = threading.Thread(target=workers.close)

    def close(status: Status) -> None:
        if status.work and not closing.is_alive():
            closing.start()

    with pytest.raises(RunError, match="connection to the Dask scheduler was lost; the same command with --out"):
        run_study(tmp_path, study, DaskExecutor(workers.scheduler_address), close)
    closing.join()


def test_a_scheduler_that_does_not_answer_is_one_line(
    tmp_path: Path, study: TrivialStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECTING", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(RunError, match=f"no Dask scheduler answers at {address} .*: start one with `dask sch"):
            run_study(tmp_path, study, DaskExecutor(address))
    assert started(tmp_path) == []


def test_workers_of_another_version_are_refused_before_any_task(
    tmp_path: Path, study: TrivialStudy, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "__version__", "0.0.0")
    with pytest.raises(RunError, match=r"the worker at tcp://.* cannot run tasks: .* was started by 0\.0\.0"):
        run_study(tmp_path, study, DaskExecutor(scheduler))
    assert started(tmp_path) == []


def test_tasks_wait_for_a_first_worker(tmp_path: Path, study: TrivialStudy) -> None:
    said: list[str] = []
    with start_cluster(0) as workers:

        def hear(line: str) -> None:
            said.append(line)
            if "no worker" in line:
                threading.Thread(target=workers.scale, args=(1,)).start()

        outcome = run_study(tmp_path, study, DaskExecutor(workers.scheduler_address), message=hear)
    assert outcome == Outcome(4)
    assert said[0].startswith("no worker has joined tcp://")


def test_what_is_done_needs_no_scheduler(tmp_path: Path, study: TrivialStudy, scheduler: str) -> None:
    run_study(tmp_path, study, DaskExecutor(scheduler))
    assert run_study(tmp_path, study, DaskExecutor("tcp://127.0.0.1:9")) == Outcome(4)


COMPARE = ("study", "compare", "gan-classical", "gan-quantum-g", "--images", "1000")


def test_without_dask_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = CliRunner().invoke(app, [*COMPARE, "--executor", "dask", "--dry-run"])
    assert done.exit_code == 1
    assert 'pip install "qgen-torch[cluster]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--executor", "local", "--scheduler", "tcp://x:1"), "goes with --executor dask"),
        (("--jobs", "2", "--scheduler", "tcp://x:1"), "the scheduler's own workers decide"),
    ],
)
def test_options_that_contradict_are_refused(options: tuple[str, ...], line: str) -> None:
    done = CliRunner().invoke(app, [*COMPARE, *options])
    assert done.exit_code == 2
    assert line in " ".join(done.stderr.split())
