"""The commands on hardware, from the plan to the images; and that a secret stays one."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import PACE, cloud
from typer.testing import CliRunner

from qgen.backends.ibm import client
from qgen.backends.ibm.client import Client
from qgen.backends.ibm.transport import RetryPolicy
from qgen.cli.main import app
from qgen.devserver import DevServer, Fault

CIRCUITS = "model.vertex={groups: 1, group_channels: 1, ansatz: hqconv, layers: 1}"
SAMPLE = ("--backend", "ibm_guadalupe", "--count", "2", "--steps", "1", "--shots", "40")
#: Calls of circuits in one step of the sampler.
CALLS = 4


@pytest.fixture
def folder(trained_once: Callable[..., Path], tmp_path: Path) -> Path:
    trained = trained_once("training.steps=2", "training.samples=0", CIRCUITS)
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    home = tmp_path / "home"
    home.mkdir()
    with cloud(home, monkeypatch) as running:
        yield running


def qgen(*arguments: str, fails: bool = False, given: str | None = None) -> Any:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"}, input=given)
    assert (result.exit_code != 0) is fails, result.output
    return result


@pytest.mark.parametrize("options", [(), pytest.param(("--mitigation", "readout"), marks=pytest.mark.slow)])
def test_the_plan_is_what_is_billed(options: tuple[str, ...], server: DevServer, folder: Path) -> None:
    jobs = 2 * CALLS if options else CALLS  # each call has its calibration, of two circuits
    plan = json.loads(qgen("sample", str(folder), *SAMPLE, *options, "--dry-run", "--json").stdout)["plan"]
    assert not server.ledger.jobs
    result = json.loads(qgen("sample", str(folder), *SAMPLE, *options, "--yes", "--json").stdout)
    assert plan["jobs"] == len(server.ledger.jobs) == jobs
    assert plan["executions"] == server.ledger.executions == jobs * 2 * 40
    assert server.ledger.seconds <= plan["qpu_seconds"] < server.ledger.seconds + jobs
    assert result["backend"]["name"] == "ibm_guadalupe"
    assert result["backend"]["jobs"] == [job.id for job in server.ledger.jobs]
    assert result["backend"]["qpu_seconds"] == pytest.approx(server.ledger.seconds)


def test_nobody_to_ask_and_no_yes_submit_nothing(server: DevServer, folder: Path) -> None:
    assert "--yes agrees to this plan" in qgen("sample", str(folder), *SAMPLE, fails=True).output
    assert not server.ledger.jobs


def test_a_plan_above_the_limit_is_refused_before_the_first_job(server: DevServer, folder: Path) -> None:
    words = qgen("sample", str(folder), *SAMPLE, "--yes", "--max-qpu-seconds", "5", fails=True).output
    assert "12.0 QPU seconds" in words
    assert "nothing was submitted" in words
    assert not server.ledger.jobs


def test_jobs_are_listed_fetched_and_cancelled(server: DevServer, folder: Path) -> None:
    qgen("sample", str(folder), *SAMPLE, "--yes")
    listed = json.loads(qgen("jobs", str(folder), "--json").stdout)["jobs"]
    assert [job["job_id"] for job in listed] == [job.id for job in server.ledger.jobs]
    assert {job["state"] for job in listed} == {"done"}
    assert f"{CALLS} jobs" in qgen("jobs", str(folder)).stdout
    before = len(server.ledger.jobs)
    qgen("jobs", str(folder), "--follow")
    qgen("jobs", str(folder), "--cancel", "all")
    assert "no job of this run" in qgen("jobs", str(folder), "--cancel", "nonsense", fails=True).output
    assert len(server.ledger.jobs) == before


def test_a_failed_job_is_told_with_the_way_on(server: DevServer, folder: Path) -> None:
    server.faults.add(Fault(job="fail", reason="the fridge is warm"))
    words = qgen("sample", str(folder), *SAMPLE, "--yes", fails=True).output
    assert "the fridge is warm" in words
    assert "The same command submits it anew" in words
    qgen("sample", str(folder), *SAMPLE, "--yes")
    assert sum(job.executions > 0 for job in server.ledger.jobs) == CALLS


@pytest.mark.parametrize(
    "kept", [pytest.param(kept, marks=pytest.mark.slow if kept != 1 else ()) for kept in range(CALLS)]
)
def test_a_kill_before_a_submission_goes_on_within_the_plan(
    kept: int, server: DevServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job was given time beyond what it should take, and is neither planned nor counted twice."""
    submit = Client.submit
    monkeypatch.setattr(client, "RETRY_POLICY", RetryPolicy(pace=PACE))
    with monkeypatch.context() as patch:

        def killed(*given: Any) -> str:
            if len(server.ledger.jobs) == kept:
                raise KeyboardInterrupt
            return submit(*given)

        patch.setattr(Client, "submit", killed)
        qgen("sample", str(folder), *SAMPLE, "--yes", fails=True)
    qgen("sample", str(folder), *SAMPLE, "--yes", "--max-qpu-seconds", str(3 * CALLS))
    assert len(server.ledger.jobs) == CALLS


def test_training_goes_on_there(server: DevServer, folder: Path) -> None:
    there = ("--backend", "ibm_guadalupe", "--gradient", "spsa", "--shots", "30", "--set", "training.steps=3")
    words = qgen("train", str(folder), "--resume", *there, "--yes", "--max-qpu-seconds", "3", fails=True).output
    assert "nothing was submitted" in words
    qgen("train", str(folder), "--resume", *there, "--yes", "--max-qpu-seconds", "30")
    assert len(server.ledger.jobs) == CALLS  # one step; values and gradients of a call are one job
    assert server.ledger.executions == CALLS * 8 * 3 * 30  # 8 images; SPSA takes three values
    (row,) = json.loads(folder.joinpath("provenance.json").read_text())["resumed"]
    assert row["backend"]["name"] == "ibm_guadalupe"
    # What goes on there later asks again.
    words = qgen("train", str(folder), "--resume", "--set", "training.steps=4", fails=True).output
    assert "--yes agrees to this plan" in words
    assert len(server.ledger.jobs) == CALLS


def test_a_whole_training_there_is_refused(server: DevServer) -> None:
    words = qgen("train", "--backend", "ibm_guadalupe", "--yes", fails=True).output
    assert "--resume --backend ibm_guadalupe" in " ".join(words.split())
    assert not server.ledger.jobs


def test_login_saves_a_good_key_and_shows_none(server: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    key, instance = (os.environ[f"QISKIT_IBM_{name}"] for name in ("TOKEN", "INSTANCE"))
    monkeypatch.delenv("QISKIT_IBM_TOKEN")
    wrong = qgen("backends", "login", "--instance", instance, given="no-such-key\n", fails=True).output
    assert "does not accept this API key" in wrong
    assert "no-such-key" not in wrong
    right = qgen("backends", "login", "--instance", instance, given=f"{key}\n").output
    assert key not in right
    assert "saved already" in qgen("backends", "login", "--instance", instance, given=f"{key}\n", fails=True).output


def test_the_secret_is_in_no_file_log_error_or_output(
    server: DevServer, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = os.environ["QISKIT_IBM_TOKEN"]
    said = [qgen("sample", str(folder), *SAMPLE, "--yes").output, qgen("jobs", str(folder), "--json").output]
    for fault in (Fault(method="GET", path="/jobs/*", status=418), Fault(job="fail"), Fault(path="/jobs", status=400)):
        server.faults.add(fault)
        said.append(qgen("--debug", "sample", str(folder), *SAMPLE, "--seed", "5", "--yes", fails=True).output)
    server.service.identity.revoke()
    said.append(qgen("sample", str(folder), *SAMPLE, "--seed", "6", "--yes").output)
    monkeypatch.setenv("QISKIT_IBM_TOKEN", f"{secret}x")
    said.append(qgen("--debug", "sample", str(folder), *SAMPLE, "--seed", "7", "--yes", fails=True).output)
    files = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert any(path.name == "jobs.sqlite" for path in files)
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert secret not in "".join(said)
    assert secret not in caplog.text


def test_the_images_are_those_of_the_bits(server: DevServer, folder: Path) -> None:
    """The same command again: no job, and the same picture."""
    qgen("sample", str(folder), *SAMPLE, "--yes")
    (grid,) = folder.joinpath("samples").glob("ibm_guadalupe-*.png")
    first, jobs = grid.read_bytes(), len(server.ledger.jobs)
    qgen("sample", str(folder), *SAMPLE, "--yes")
    assert np.array_equal(np.frombuffer(first, np.uint8), np.frombuffer(grid.read_bytes(), np.uint8))
    assert len(server.ledger.jobs) == jobs
