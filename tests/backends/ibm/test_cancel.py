"""`qgen jobs --cancel` from a second terminal, while a command in the first one waits for its jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import cloud, hardware
from typer.testing import CliRunner

from qgen.backends.ibm.journal import Journal
from qgen.circuits import ansatz
from qgen.cli.main import app
from qgen.devserver import DevServer, Fault
from qgen.errors import HardwareError

CIRCUIT = ansatz("basic", qubits=2, layers=1)
HOSTILE = "\x1b[2Jthe fridge is [bold]warm[/] \x1b]0;title\x07\u202e " + "y" * 100_000


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    with cloud(tmp_path, monkeypatch, queue_seconds=600) as running:
        yield running


def run(folder: Path) -> None:
    with hardware(folder, shots=20) as backend:
        backend.compile(CIRCUIT).expectations(np.zeros((1, 2)), np.zeros(CIRCUIT.num_weights), 1)


def jobs(folder: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["jobs", str(folder / "jobs.sqlite"), *arguments], env={"COLUMNS": "300"})


@pytest.fixture
def waiting(server: DevServer, tmp_path: Path) -> Iterator[Future[None]]:
    """A command that waits for its job."""
    with ThreadPoolExecutor(1) as terminal:
        command = terminal.submit(run, tmp_path)
        while not server.ledger.jobs and not command.done():
            time.sleep(0.02)
        yield command


@pytest.mark.parametrize("which", ["all", "its number"])
def test_the_command_that_waits_ends_with_a_line(
    which: str, waiting: Future[None], server: DevServer, tmp_path: Path
) -> None:
    (job,) = server.ledger.jobs
    said = jobs(tmp_path, "--cancel", "all" if which == "all" else job.id)
    assert said.exit_code == 0, said.output
    assert f"asked IBM to cancel {job.id}" in said.output
    with pytest.raises(HardwareError, match=f"job {job.id} was cancelled.*run the same command again"):
        waiting.result(30)
    assert [one.state for one in server.ledger.jobs] == ["Cancelled"]
    journal = Journal(tmp_path / "jobs.sqlite")
    assert [record.state for record in journal.records()] == ["cancelled"]
    journal.close()


def test_what_another_command_waits_for_is_listed_but_not_fetched(
    waiting: Future[None], server: DevServer, tmp_path: Path
) -> None:
    (job,) = server.ledger.jobs
    while "submitted" not in (listed := jobs(tmp_path).output):
        time.sleep(0.02)
    assert job.id in listed
    refused = jobs(tmp_path, "--fetch")
    assert refused.exit_code == 1
    assert "another process submits jobs" in refused.output
    wrong = jobs(tmp_path, "--cancel", "nonsense")
    assert wrong.exit_code == 2
    assert job.id in wrong.output
    assert not waiting.done()
    jobs(tmp_path, "--cancel", "all")
    with pytest.raises(HardwareError, match="was cancelled"):
        waiting.result(30)


def test_a_job_of_which_nobody_heard_is_cancelled_too(server: DevServer, tmp_path: Path) -> None:
    with hardware(tmp_path, shots=20) as backend:
        submit = backend.runner.client.submit

        def lost(*given: Any) -> str:
            submit(*given)
            raise KeyboardInterrupt

        backend.runner.client.submit = lost  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            backend.compile(CIRCUIT).expectations(np.zeros((1, 2)), np.zeros(CIRCUIT.num_weights), 1)
    assert jobs(tmp_path, "--cancel", "all").exit_code == 0
    assert [one.state for one in server.ledger.jobs] == ["Cancelled"]
    assert "cancelled" in jobs(tmp_path).output


def test_what_the_service_says_of_a_failure_is_cut_and_cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cloud(tmp_path, monkeypatch) as server:
        server.faults.add(Fault(job="fail", reason=HOSTILE))
        with pytest.raises(HardwareError, match=r"the fridge is \[bold\]warm\[/\] y+ \.\.\.") as caught:
            run(tmp_path)
        assert "\x1b" not in str(caught.value)
        assert len(str(caught.value)) < 600
        said = jobs(tmp_path)
        assert said.exit_code == 0
        assert "the fridge is [bold]warm[/] yyy" in said.output
        assert "\x1b" not in said.output
        assert len(said.output) < 2000
