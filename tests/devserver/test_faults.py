"""Faults on request: what the stock client makes of each, and what the server billed."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.api.exceptions import RequestsApiError
from qiskit_ibm_runtime.exceptions import (
    IBMNotAuthorizedError,
    IBMRuntimeError,
    RuntimeInvalidStateError,
    RuntimeJobFailureError,
    RuntimeJobMaxTimeoutError,
)
from qiskit_ibm_runtime.executor_sampler import Sampler

from qgen.devserver import DevServer, Fault
from qgen.devserver.faults import Faults
from qgen.errors import ConfigError

POLL = 0.1
SHOTS = 100
Serve = Callable[..., DevServer]
Client = Callable[[], QiskitRuntimeService]
Coin = Callable[..., QuantumCircuit]


@pytest.fixture
def server(serve: Serve) -> DevServer:
    return serve()


@pytest.fixture
def sampler(server: DevServer, client: Client) -> Sampler:
    return Sampler(client().backend("ibm_manila"), options={"environment": {"job_tags": ["mine"]}})


def wait(server: DevServer) -> None:
    while any(entry.state in ("Queued", "Running") for entry in server.ledger.jobs):
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("fault", "jobs"),
    [
        (Fault(method="POST", path="/jobs", status=503), 1),
        (Fault(method="POST", path="/jobs", status=503, after=True), 2),  # sent again by the client: a duplicate
        (Fault(method="GET", path="/jobs/*", status=500), 1),
        (Fault(method="GET", path="/jobs/*", drop=True), 1),
        (Fault(method="GET", path="/jobs/*/results", drop=True, after=True), 1),
        (Fault(method="GET", path="/instances/usage", status=502), 1),
        (Fault(method="GET", path="/backends/**", status=504), 1),
        (Fault(method="GET", path="/jobs/*", status=429, retry_after=0), 1),
        (Fault(method="GET", path="/jobs/*", delay=0.3), 1),
    ],
    ids=str,
)
def test_faults_that_the_client_lives_through(
    server: DevServer, sampler: Sampler, fault: Fault, jobs: int, coin: Coin
) -> None:
    server.faults.add(fault)
    assert sampler.run([coin()], shots=SHOTS).result(poll_interval=POLL)[0].data.c.num_shots == SHOTS
    wait(server)
    assert server.faults.triggered == [fault]
    assert len(server.ledger.tagged("mine")) == len(server.ledger.billed) == jobs
    assert server.ledger.executions == jobs * SHOTS


@pytest.mark.parametrize(
    ("fault", "jobs"),
    [
        (Fault(method="POST", path="/jobs", drop=True), 0),
        (Fault(method="POST", path="/jobs", drop=True, after=True), 1),  # an orphan, to be found by its tag
        (Fault(method="POST", path="/jobs", status=429), 0),
        (Fault(method="POST", path="/jobs", status=429, retry_after=1), 0),
        (Fault(method="POST", path="/jobs", status=400, reason="Payload too large", code=5302), 0),
    ],
    ids=str,
)
def test_submissions_that_the_client_gives_up(
    server: DevServer, sampler: Sampler, client: Client, fault: Fault, jobs: int, coin: Coin
) -> None:
    server.faults.add(fault)
    with pytest.raises(IBMRuntimeError, match=r"Failed to run program") as caught:
        sampler.run([coin()], shots=SHOTS)
    assert not fault.code or str(fault.code) in str(caught.value)
    assert len(client().jobs(job_tags=["mine"])) == jobs == len(server.ledger.jobs)


def test_too_many_requests_without_a_time_to_wait(
    server: DevServer,
    sampler: Sampler,
    coin: Coin,
) -> None:
    job = sampler.run([coin()], shots=SHOTS)
    server.faults.add(Fault(method="GET", path="/jobs/*", status=429))
    with pytest.raises(RequestsApiError, match="429"):
        job.result(poll_interval=POLL)
    assert job.result(poll_interval=POLL)
    assert server.ledger.executions == SHOTS


def test_an_expired_token(
    server: DevServer,
    sampler: Sampler,
    coin: Coin,
) -> None:
    job = sampler.run([coin()], shots=SHOTS)
    server.faults.add(Fault(status=401, reason="expired"))
    with pytest.raises(IBMNotAuthorizedError, match="expired"):
        job.status()
    assert job.result(poll_interval=POLL)


@pytest.mark.parametrize(
    ("fault", "error", "message", "billed"),
    [
        (Fault(job="fail", reason="The cryostat is warm", code=9701), RuntimeJobFailureError, "9701.*cryostat", 0),
        (Fault(job="fail", billed=True), RuntimeJobFailureError, "1500", SHOTS),
        (Fault(job="cancel", reason="maintenance"), RuntimeInvalidStateError, "cancelled", 0),
        (Fault(job="too_long"), RuntimeJobMaxTimeoutError, "1305", SHOTS),
    ],
    ids=str,
)
def test_jobs_that_come_to_nothing(
    server: DevServer, sampler: Sampler, fault: Fault, error: type[Exception], message: str, billed: int, coin: Coin
) -> None:
    server.faults.add(fault)
    job = sampler.run([coin()], shots=SHOTS)
    with pytest.raises(error, match=message):
        job.result(poll_interval=POLL)
    assert server.ledger.executions == billed
    assert sampler.run([coin()], shots=SHOTS).result(poll_interval=POLL)  # the next one runs


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_errors_that_last_longer_than_the_client_tries(
    server: DevServer, sampler: Sampler, after: bool, coin: Coin
) -> None:
    server.faults.add(Fault(method="POST", path="/jobs", status=500, times=6, after=after))
    with pytest.raises(IBMRuntimeError):
        sampler.run([coin()], shots=SHOTS)
    wait(server)
    assert len(server.ledger.billed) == (6 if after else 0)


def test_faults_over_http(
    server: DevServer,
    sampler: Sampler,
    coin: Coin,
) -> None:
    address = f"{server.url}/devserver/faults"
    given = {"job": "fail", "reason": "asked for", "times": 2}
    with urllib.request.urlopen(address, data=json.dumps(given).encode()) as answer:
        assert json.load(answer)["faults"][0]["times"] == 2
    with pytest.raises(RuntimeJobFailureError, match="asked for"):
        sampler.run([coin()], shots=SHOTS).result(poll_interval=POLL)
    with urllib.request.urlopen(urllib.request.Request(address, method="DELETE")):
        assert not server.faults.pending
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(address, data=b'{"statsu": 503}')


def test_chance_is_seeded_and_the_first_match_strikes() -> None:
    struck = []
    for seed in (1, 1, 2):
        faults = Faults(seed)
        faults.add(Fault(path="/jobs", status=500, chance=0.3, times=None))
        struck.append([faults.for_request("POST", "/jobs") is not None for _ in range(400)])
    assert struck[0] == struck[1] != struck[2]
    assert 60 < sum(struck[0]) < 180
    faults = Faults()
    first, second = Fault(path="/jobs/*", status=500), Fault(path="/**", status=501)
    faults.add(first)
    faults.add(second)
    assert faults.for_request("GET", "/jobs/a/results") == second  # a star is one part of a path
    assert faults.for_request("GET", "/jobs/a") == first
    assert faults.for_request("GET", "/jobs/a") is None


@pytest.mark.parametrize("given", [{}, {"status": 500, "drop": True}, {"status": 200}, {"job": "explode"}])
def test_faults_that_are_none(given: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Fault.read(given)


def test_clients_that_vanish_leave_the_server_well(
    server: DevServer,
    sampler: Sampler,
    coin: Coin,
) -> None:
    import socket

    port = int(server.url.rpartition(":")[2])
    for text in (
        b"POST /experimental/jobs HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{",
        b"GET /experi",
        b"\x00\x01\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(text)
    assert sampler.run([coin()], shots=SHOTS).result(poll_interval=POLL)


def test_a_closed_server_leaves_no_thread(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    import threading

    before = set(threading.enumerate())
    server = serve(queue_seconds=60)
    Sampler(client().backend("ibm_manila")).run([coin()], shots=SHOTS)
    server.close()
    mine = [one for one in set(threading.enumerate()) - before if "devserver" in one.name or "request" in one.name]
    assert not mine
