"""Whatever the service or the network does: nothing is billed twice, nothing is lost, and the numbers are the same."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import PACE, cloud, hardware, no_account

from qgen.backends.ibm import HardwareOptions
from qgen.backends.ibm.client import Client
from qgen.backends.ibm.journal import Journal
from qgen.backends.ibm.runner import JobRunner
from qgen.circuits import ansatz
from qgen.devserver import DevServer, Fault
from qgen.errors import HardwareError

SHOTS = 50
CIRCUIT = ansatz("basic", qubits=2, layers=1)
INPUTS = np.linspace(-1, 1, 6).reshape(3, 2)
WEIGHTS = np.linspace(-2, 2, CIRCUIT.num_weights)
BILLED = len(INPUTS) * SHOTS


def run(folder: Path, seed: int = 1, bound: bool = False, **options: Any) -> np.ndarray:
    with hardware(folder, shots=SHOTS, **options) as backend:
        executable = backend.compile(CIRCUIT, WEIGHTS if bound else None)
        return np.asarray(executable.expectations(INPUTS, WEIGHTS, seed))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with cloud(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch, cloud(folder, patch):
        return run(folder)


@pytest.fixture(scope="module")
def undisturbed_bound(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch, cloud(folder, patch):
        return run(folder, bound=True)


FAULTS = {
    "5xx from the list of devices": [Fault(method="GET", path="/backends", status=503, times=2)],
    "5xx from the configuration": [Fault(method="GET", path="/backends/*/configuration", status=500, times=2)],
    "5xx from the properties": [Fault(method="GET", path="/backends/*/properties", status=502, times=2)],
    "5xx from the status": [Fault(method="GET", path="/backends/*/status", status=504, times=2)],
    "5xx from the usage": [Fault(method="GET", path="/instances/usage", status=500, times=2)],
    "5xx from IAM": [Fault(method="POST", path="/identity/token", status=503, times=2)],
    "5xx from a submission": [Fault(method="POST", path="/jobs", status=503, times=2)],
    "5xx from a job": [Fault(method="GET", path="/jobs/*", status=500, times=2)],
    "5xx from its metrics": [Fault(method="GET", path="/jobs/*/metrics", status=500, times=2)],
    "5xx from the results": [Fault(method="GET", path="/jobs/*/results", status=502, times=2)],
    "a dropped submission": [Fault(method="POST", path="/jobs", drop=True)],
    "a dropped look": [Fault(method="GET", path="/jobs/*", drop=True, times=2)],
    "dropped results": [Fault(method="GET", path="/jobs/*/results", drop=True, times=2)],
    "an answer lost to a 5xx": [Fault(method="POST", path="/jobs", status=503, after=True)],
    "several answers lost": [Fault(method="POST", path="/jobs", status=500, after=True, times=3)],
    "an answer lost to the network": [Fault(method="POST", path="/jobs", drop=True, after=True)],
    "an answer lost, and the search for it too": [
        Fault(method="POST", path="/jobs", drop=True, after=True),
        Fault(method="GET", path="/jobs", status=503, times=2),
    ],
    "too many submissions": [Fault(method="POST", path="/jobs", status=429, times=2)],
    "too many, with a time to wait": [Fault(method="POST", path="/jobs", status=429, retry_after=0.1, times=2)],
    "too many looks": [Fault(method="GET", path="/jobs/*", status=429, times=2)],
    "too many looks, with a time to wait": [Fault(method="GET", path="/jobs/*", status=429, retry_after=0.1, times=2)],
    "slowness everywhere": [Fault(path="**", delay=0.05, times=None)],
}


@pytest.mark.parametrize("about", ["5xx", "a dropped", "answer", "too many"])
def test_what_passes_is_waited_for(
    about: str, rng: np.random.Generator, server: DevServer, tmp_path: Path, undisturbed: np.ndarray
) -> None:
    kinds = [kind for kind in FAULTS if about in kind]
    assert len(kinds) > 1
    live_through(FAULTS[str(rng.choice(kinds))], server, tmp_path, undisturbed)


def test_what_passes_is_waited_for_with_bound_weights(
    rng: np.random.Generator, server: DevServer, tmp_path: Path, undisturbed_bound: np.ndarray
) -> None:
    faults = FAULTS[str(rng.choice([kind for kind in FAULTS if "answer" in kind]))]
    live_through(faults, server, tmp_path, undisturbed_bound, bound=True)


@pytest.mark.slow
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_whatever_passes_is_waited_for(
    faults: list[Fault], server: DevServer, tmp_path: Path, undisturbed: np.ndarray
) -> None:
    live_through(faults, server, tmp_path, undisturbed)


def live_through(
    faults: list[Fault], server: DevServer, folder: Path, undisturbed: np.ndarray, bound: bool = False
) -> None:
    for fault in faults:
        server.faults.add(fault)
    assert np.array_equal(run(folder, bound=bound), undisturbed)
    assert server.ledger.executions == BILLED
    assert sum(job.executions > 0 for job in server.ledger.jobs) == 1


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("fail", "failed", "failed.*a broken control line"),
        ("too_long", "failed", "maximum execution time"),
        ("cancel", "cancelled", "was cancelled"),
    ],
)
def test_a_job_that_ends_badly_is_submitted_anew_by_the_same_call_only(
    kind: Any, state: str, words: str, server: DevServer, tmp_path: Path, undisturbed: np.ndarray
) -> None:
    server.faults.add(Fault(job=kind, reason="a broken control line"))
    with pytest.raises(HardwareError, match=words):
        run(tmp_path)
    assert len(server.ledger.jobs) == 1
    journal = Journal(tmp_path / "jobs.sqlite")
    (record,) = journal.records()
    journal.close()
    assert record.state == state
    assert record.seconds == pytest.approx(server.ledger.seconds)
    assert np.array_equal(run(tmp_path), undisturbed)
    assert len(server.ledger.jobs) == 2


def test_what_was_made_twice_runs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: np.ndarray
) -> None:
    """A job that was made twice behind our back, and a crash right after: the first is kept, the second never runs."""
    with cloud(tmp_path, monkeypatch, queue_seconds=60.0) as server:
        cancel = Client.cancel

        def cancel_and_run(client: Client, job_id: str) -> None:
            cancel(client, job_id)
            with server.service.changed:  # what is left need not wait any more
                server._worker._queue = timedelta(0)
                server.service.changed.notify_all()

        monkeypatch.setattr(Client, "cancel", cancel_and_run)
        with hardware(tmp_path, shots=SHOTS) as backend:
            client, submit = backend.runner.client, backend.runner.client.submit

            def twice(*arguments: Any) -> str:
                submit(*arguments)
                submit(*arguments)
                raise KeyboardInterrupt

            monkeypatch.setattr(client, "submit", twice)
            with pytest.raises(KeyboardInterrupt):
                backend.compile(CIRCUIT).expectations(INPUTS, WEIGHTS, 1)
            assert [record.state for record in backend.runner.journal.records()] == ["planned"]
        assert np.array_equal(run(tmp_path), undisturbed)
        assert server.ledger.executions == BILLED
        assert len(server.ledger.jobs) == 2


def test_an_expired_token_is_renewed(server: DevServer, tmp_path: Path, undisturbed: np.ndarray) -> None:
    with hardware(tmp_path, shots=SHOTS) as backend:
        executable = backend.compile(CIRCUIT)
        server.service.identity.revoke()
        assert np.array_equal(executable.expectations(INPUTS, WEIGHTS, 1), undisturbed)
    assert server.ledger.executions == BILLED


def test_a_wrong_token_is_said_at_once(server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "a-wrong-key")
    began = time.monotonic()
    with pytest.raises(HardwareError, match="does not accept this API key") as caught:
        run(tmp_path)
    assert "a-wrong-key" not in str(caught.value)
    assert time.monotonic() - began < 30  # the client by itself stalls for a minute, and sees no devices


def test_a_device_that_is_offline_is_said_before_anything_is_submitted(
    server: DevServer, tmp_path: Path, undisturbed: np.ndarray
) -> None:
    server.device("ibm_guadalupe").online = False
    with pytest.raises(HardwareError, match="ibm_guadalupe is offline just now: nothing was submitted"):
        run(tmp_path)
    assert not server.ledger.jobs
    server.device("ibm_guadalupe").online = True
    assert np.array_equal(run(tmp_path), undisturbed)


def test_a_device_that_was_retired_is_named_with_its_day_and_the_ways_out(server: DevServer, tmp_path: Path) -> None:
    words = r"ibm_brisbane was retired on 2025-11-03.*it has ibm_guadalupe.*fake_brisbane` is a simulation"
    with pytest.raises(HardwareError, match=words), hardware(tmp_path, "ibm_brisbane"):
        pass


def test_without_an_account_the_same_is_said_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_account(tmp_path, monkeypatch)
    words = r"retired on 2025-11-03.*no IBM account.*`qgen backends login`.*fake_brisbane` is a simulation"
    with pytest.raises(HardwareError, match=words), hardware(tmp_path, "ibm_brisbane"):
        pass


def test_two_processes_do_not_share_a_journal(server: DevServer, tmp_path: Path) -> None:
    with hardware(tmp_path), pytest.raises(HardwareError, match="another process submits jobs"), hardware(tmp_path):
        pass


def test_a_duplicate_that_shows_late_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: np.ndarray
) -> None:
    with cloud(tmp_path, monkeypatch) as server:
        server.faults.add(Fault(method="POST", path="/jobs", drop=True, after=True))
        with hardware(tmp_path, shots=SHOTS) as backend:
            client, device = backend.runner.client, server.device("ibm_guadalupe")
            submit, find, cancel = client.submit, client.find_by_tag, client.cancel

            def submit_to_queue(*arguments: Any) -> str:
                device.online = False  # both jobs wait until one is cancelled
                return submit(*arguments)

            def find_late(tag: str) -> list[str]:
                return [] if len(server.ledger.jobs) < 2 else find(tag)

            def cancel_and_run(job_id: str) -> None:
                cancel(job_id)
                device.online = True

            monkeypatch.setattr(client, "submit", submit_to_queue)
            monkeypatch.setattr(client, "find_by_tag", find_late)
            monkeypatch.setattr(client, "cancel", cancel_and_run)
            values = backend.compile(CIRCUIT).expectations(INPUTS, WEIGHTS, 1)
        assert np.array_equal(values, undisturbed)
        assert len(server.ledger.jobs) == 2
        assert server.ledger.executions == BILLED


def test_the_result_of_a_device_that_was_retired_can_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(tmp_path, monkeypatch, queue_seconds=0.5) as server:
        with hardware(tmp_path, shots=SHOTS) as backend:
            monkeypatch.setattr(backend.runner, "_wait", stop)
            with pytest.raises(KeyboardInterrupt):
                backend.compile(CIRCUIT).expectations(INPUTS, WEIGHTS, 1)
        server.device("ibm_guadalupe").retired = True
        journal = Journal(tmp_path / "jobs.sqlite")
        records = JobRunner(Client("ibm_guadalupe", HardwareOptions(), PACE), journal).fetch_results(wait=True)
        journal.close()
        assert [record.state for record in records] == ["done"]


def stop(record: Any) -> None:
    raise KeyboardInterrupt
