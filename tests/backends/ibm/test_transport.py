"""Whatever a request of IBM's client meets with: it goes through, or ends soon with one line; no secret goes astray."""

from __future__ import annotations

import itertools
import logging
import re
import time
import traceback
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from cloud import PACE, cloud, hardware
from qiskit_ibm_runtime import QiskitRuntimeService
from recorder import RequestRecorder

from qgen.backends.ibm import HardwareOptions, client
from qgen.backends.ibm.client import Client
from qgen.backends.ibm.errors import RetryPolicy, TransientError, parse_retry_after
from qgen.backends.ibm.transport import Transport
from qgen.circuits import ansatz
from qgen.devserver import DevServer, Fault
from qgen.errors import HardwareError

CIRCUIT = ansatz("basic", qubits=2, layers=1)
SHOTS = 20
#: Seconds that a command may take to give up, with the patience of these tests.
BOUND = 30.0
HOSTILE = "\x1b]52;c;aGVsbG8=\x07\x1b[31mred\x1b[0m \u202egnp\r\n[/bold] {authorization} {body} " + "x" * 100_000

START = {
    "token": ("POST", "/identity/token"),
    "backends": ("GET", "/backends"),
    "configuration": ("GET", "/backends/*/configuration"),
    "properties": ("GET", "/backends/*/properties"),
    "status": ("GET", "/backends/*/status"),
    "usage": ("GET", "/instances/usage"),
}
WORK = {
    "submission": ("POST", "/jobs"),
    "a batch": ("POST", "/sessions"),
    "closing it": ("PATCH", "/sessions/*"),
    "a list of jobs": ("GET", "/jobs"),
    "a job": ("GET", "/jobs/*"),
    "its metrics": ("GET", "/jobs/*/metrics"),
    "its results": ("GET", "/jobs/*/results"),
}
ENDPOINTS = START | WORK
WRONG = ("[]", "{}", '"text"', "17", '{"devices": 3, "jobs": {}, "count": "x", "state": [], "usage": 1, "id": 4}')
FAULTS: dict[str, dict[str, Any]] = {
    "401": {"status": 401},
    "403": {"status": 403},
    "404": {"status": 404},
    "409": {"status": 409},
    "429": {"status": 429},
    "429, to come back tomorrow": {"status": 429, "retry_after": 86_400.0},
    "500": {"status": 500},
    "502": {"status": 502},
    "503": {"status": 503},
    "503, to come back tomorrow": {"status": 503, "retry_after": 86_400.0},
    "a lost connection": {"drop": True},
    "half an answer": {"truncate": 20},
    "a page": {"body": "<html>please sign in</html>"},
    "half of its JSON": {"body": '{"devices": [{"na'},
    **{f"what it is not: {text}": {"body": text} for text in WRONG},
    "hostile text": {"status": 403, "reason": HOSTILE},
    "hostile text that may pass": {"status": 503, "reason": HOSTILE},
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_POLICY", RetryPolicy(tries=3, first_tries=2, max_wait=5.0, answer=5.0))


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    with pytest.MonkeyPatch.context() as patch, cloud(tmp_path_factory.mktemp("cloud"), patch) as running:
        yield running


@pytest.fixture
def server(module_server: DevServer) -> Iterator[DevServer]:
    yield module_server
    module_server.faults.clear()


@pytest.fixture
def recorder() -> Iterator[RequestRecorder]:
    with RequestRecorder() as running:
        yield running


def start() -> None:
    """All that is asked for before anything is submitted."""
    connected = Client("ibm_guadalupe", HardwareOptions(), PACE)
    _ = connected.machine.target
    connected.check_online()
    connected.remaining_seconds()


def work(folder: Path, mode: str = "batch") -> None:
    with hardware(folder, shots=SHOTS, mode=mode) as backend:
        executable = backend.compile(CIRCUIT)
        executable.expectations(np.zeros((1, 2)), np.zeros(CIRCUIT.num_weights), 1)
        backend.runner.fetch_results(wait=True)


def check(server: DevServer, endpoint: str, fault: Fault, folder: Path, capture: Any, logs: Any) -> None:
    """Runs it all with a lasting fault: it works, or says in a line what does not."""
    server.faults.add(fault)
    logs.set_level(logging.DEBUG)
    began, said, traced = time.monotonic(), "", ""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            start() if endpoint in START else work(folder)
        except HardwareError as error:
            said, traced = str(error), "".join(traceback.format_exception(error))
    assert time.monotonic() - began < BOUND
    assert server.faults.triggered, "the fault never struck"
    assert len(said) < 1200
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", said), said
    written = capture.readouterr()
    everything = "".join([traced, written.out, written.err, logs.text, *(str(one.message) for one in warned)])
    assert server.token not in everything
    for token in server.service.identity.issued:
        assert token not in everything
    assert "\x1b" not in everything


def cases(names: Any, faults: Any) -> list[Any]:
    return [pytest.param(*one, id=" / ".join(one)) for one in itertools.product(names, faults)]


def meet(endpoint: str, kind: str, server: DevServer, folder: Path, capture: Any, logs: Any) -> None:
    method, path = ENDPOINTS[endpoint]
    check(server, endpoint, Fault(method=method, path=path, times=None, **FAULTS[kind]), folder, capture, logs)


@pytest.mark.rows(5)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_lasting_fault_is_one_line(
    endpoint: str, rng: np.random.Generator, server: DevServer, tmp_path: Path, capfd: Any, caplog: Any
) -> None:
    meet(endpoint, str(rng.choice(list(FAULTS))), server, tmp_path, capfd, caplog)


@pytest.mark.slow
@pytest.mark.parametrize(("endpoint", "kind"), cases(ENDPOINTS, FAULTS))
def test_every_lasting_fault_is_one_line(
    endpoint: str, kind: str, server: DevServer, tmp_path: Path, capfd: Any, caplog: Any
) -> None:
    meet(endpoint, kind, server, tmp_path, capfd, caplog)


def redirect(
    endpoint: str, status: int, server: DevServer, recorder: RequestRecorder, folder: Path, capture: Any, logs: Any
) -> None:
    method, path = ENDPOINTS[endpoint]
    where = (
        f"{recorder.url('localhost' if status % 2 else '127.0.0.1')}{path.replace('*', 'x')}"  # another host, or port
    )
    fault = Fault(method=method, path=path, status=status, location=where, times=None)
    check(server, endpoint, fault, folder, capture, logs)
    assert not recorder.requests


REDIRECTS = (301, 302, 303, 307, 308)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_nobody_is_sent_anything_by_a_redirect(
    endpoint: str,
    rng: np.random.Generator,
    server: DevServer,
    recorder: RequestRecorder,
    tmp_path: Path,
    capfd: Any,
    caplog: Any,
) -> None:
    redirect(endpoint, int(rng.choice(REDIRECTS)), server, recorder, tmp_path, capfd, caplog)


@pytest.mark.slow
@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_nobody_is_sent_anything_by_any_redirect(
    endpoint: str, status: int, server: DevServer, recorder: RequestRecorder, tmp_path: Path, capfd: Any, caplog: Any
) -> None:
    redirect(endpoint, status, server, recorder, tmp_path, capfd, caplog)


def test_the_client_alone_would_send_the_key_there(server: DevServer, recorder: RequestRecorder) -> None:
    """So that the recorder is known to record."""
    where = f"{recorder.url()}/identity/token"
    server.faults.add(Fault(path="/identity/token", status=307, location=where, times=None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        QiskitRuntimeService()
    assert any(server.token.encode() in request for request in recorder.requests)


PASSING = ("429", "503", "a lost connection", "half an answer", "a page", "half of its JSON")


def pass_by(endpoint: str, kind: str, server: DevServer) -> None:
    method, path = START[endpoint]
    server.faults.add(Fault(method=method, path=path, **FAULTS[kind]))
    start()
    assert len(server.faults.triggered) == 1 or server.faults.triggered[-1].path == path


@pytest.mark.parametrize("endpoint", START)
def test_what_passes_at_the_start_is_waited_for(endpoint: str, rng: np.random.Generator, server: DevServer) -> None:
    pass_by(endpoint, str(rng.choice(PASSING)), server)


@pytest.mark.slow
@pytest.mark.parametrize(("endpoint", "kind"), cases(START, PASSING))
def test_whatever_passes_at_the_start_is_waited_for(endpoint: str, kind: str, server: DevServer) -> None:
    pass_by(endpoint, kind, server)


#: Where an account that names its instance, or none, is looked up.
SEARCH = {"search": ("POST", "/v3/resources/search"), "catalogue": ("GET", "/devserver-open-plan")}


@pytest.fixture
def by_name(server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account on disk, with its instance by name: the client finds that by IBM Cloud's search, and its catalogue."""
    for name in [*server.environment(), "HOME"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("IAM_URL", "http://iam.cloud.ibm.com")
    file = tmp_path / "accounts.json"
    hosts = ("iam", "quantum", "api.global-search-tagging", "globalcatalog")
    proxies = {f"http://{host}.cloud.ibm.com": server.url for host in hosts}
    QiskitRuntimeService.save_account(
        token=server.token,
        url="http://cloud.ibm.com",
        instance="devserver",
        proxies={"urls": proxies},
        filename=str(file),
        set_as_default=True,
    )
    monkeypatch.setattr("qiskit_ibm_runtime.accounts.management._DEFAULT_ACCOUNT_CONFIG_JSON_FILE", str(file))


def search_meets(
    endpoint: str, fault: dict[str, Any], server: DevServer, folder: Path, capture: Any, logs: Any
) -> None:
    method, path = SEARCH[endpoint]
    check(server, "token", Fault(method=method, path=path, times=None, **fault), folder, capture, logs)


@pytest.mark.usefixtures("by_name")
@pytest.mark.parametrize("endpoint", SEARCH)
def test_a_fault_of_the_search_for_an_instance_is_one_line(
    endpoint: str, rng: np.random.Generator, server: DevServer, tmp_path: Path, capfd: Any, caplog: Any
) -> None:
    search_meets(endpoint, FAULTS[str(rng.choice(list(FAULTS)))], server, tmp_path, capfd, caplog)


@pytest.mark.slow
@pytest.mark.usefixtures("by_name")
@pytest.mark.parametrize(("endpoint", "kind"), cases(SEARCH, FAULTS))
def test_every_fault_of_the_search_for_an_instance_is_one_line(
    endpoint: str, kind: str, server: DevServer, tmp_path: Path, capfd: Any, caplog: Any
) -> None:
    search_meets(endpoint, FAULTS[kind], server, tmp_path, capfd, caplog)


@pytest.mark.usefixtures("by_name")
@pytest.mark.parametrize("status", [301, 307, *(pytest.param(k, marks=pytest.mark.slow) for k in (302, 303, 308))])
@pytest.mark.parametrize("endpoint", SEARCH)
def test_nobody_is_sent_anything_by_a_redirect_of_the_search(
    endpoint: str, status: int, server: DevServer, recorder: RequestRecorder, tmp_path: Path, capfd: Any, caplog: Any
) -> None:
    fault = {"status": status, "location": f"{recorder.url()}{SEARCH[endpoint][1]}"}
    search_meets(endpoint, fault, server, tmp_path, capfd, caplog)
    assert not recorder.requests


@pytest.mark.usefixtures("by_name")
def test_an_account_with_proxies_and_a_name_works() -> None:
    start()


def test_an_endless_401_ends_with_a_second_token(server: DevServer) -> None:
    server.faults.add(Fault(path="/backends", status=401, times=None, reason="go away"))
    before = len(server.service.identity.issued)
    with pytest.raises(HardwareError, match=r"answers GET /backends with 401 \(go away\)"):
        start()
    assert len(server.service.identity.issued) - before == 2


def test_the_key_goes_to_the_identity_service_alone(server: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also once that does not answer: IBM's client would send the key to everybody else then."""
    sent, knows = [], server.service.identity.accepts
    monkeypatch.setattr(server.service.identity, "accepts", lambda text: sent.append(text) or knows(text))
    connected = Client("ibm_guadalupe", HardwareOptions(), PACE)
    server.faults.add(Fault(path="/identity/token", status=500, times=None))
    server.service.identity.revoke()
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(TransientError, match="POST /identity/token with 500"):
            connected.device_names()
        assert time.monotonic() - began < 10  # not the minute for which the client by itself stalls
    server.faults.clear()
    assert connected.device_names() == ["ibm_guadalupe"]
    assert sent
    assert all(text.startswith("Bearer ") and server.token not in text for text in sent)


@pytest.mark.parametrize("answer", ["{}", '{"access_token": null}', '{"access_token": "x.y.z"}', "[]", "{", ""])
def test_an_answer_without_a_token_is_said(answer: str, server: DevServer) -> None:
    server.faults.add(Fault(path="/identity/token", body=answer, times=None))
    began = time.monotonic()
    with pytest.raises(HardwareError, match="without an access token"):
        start()
    assert time.monotonic() - began < 10


def test_what_the_service_asks_to_wait_is_waited_up_to_a_bound() -> None:
    patience = RetryPolicy(pace=1.0, max_wait=60.0)
    assert [patience.wait(k) for k in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert patience.wait(0, 7.5) == 7.5
    assert patience.wait(3, 0.1) == 8
    assert patience.wait(0, 86_400.0) == 60
    assert patience.wait(10_000) == 60


@pytest.mark.parametrize(
    ("asked", "waits"), [(2.0, [2.0, 2.0, 2.0]), (86_400.0, [60.0, 60.0, 60.0]), (None, [0.01, 0.02, 0.04])]
)
def test_a_client_waits_as_it_is_asked_to(
    asked: float | None, waits: list[float], server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(client, "RETRY_POLICY", RetryPolicy(pace=0.01))
    monkeypatch.setattr("qgen.backends.ibm.transport.time.sleep", slept.append)
    server.faults.add(Fault(path="/backends", status=429, retry_after=asked, times=3))
    Client("ibm_guadalupe", HardwareOptions())
    assert slept == waits


def test_a_time_to_wait_may_be_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    assert parse_retry_after(soon) == pytest.approx(40, abs=2)
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [parse_retry_after(text) for text in ("7", "0.5", "-3", "nan", "inf", "soon", "", None)] == [
        7,
        0.5,
        0,
        *[None] * 5,
    ]


@pytest.mark.slow
def test_a_list_without_end_is_left(server: DevServer) -> None:
    connected = Client("ibm_guadalupe", HardwareOptions(), PACE)
    server.faults.add(Fault(path="/jobs", body='{"jobs": [], "count": 7}', times=None))
    with pytest.raises(HardwareError, match="without end"):
        connected.find_by_tag("qgen-0")


def test_requests_outside_of_the_transport_are_sent_as_before(server: DevServer, recorder: RequestRecorder) -> None:
    Client("ibm_guadalupe", HardwareOptions(), PACE)
    server.faults.add(Fault(path="/elsewhere", status=307, location=f"{recorder.url()}/there", times=None))
    assert requests.get(f"{server.url}/elsewhere", timeout=5).url == f"{recorder.url()}/there"
    assert len(recorder.requests) == 1


def test_words_of_the_service_are_fit_to_print(server: DevServer) -> None:
    transport = Transport(RetryPolicy())
    transport._secrets = {"the-key", "the-key-and-more"}
    assert (
        transport.redact("a\x1b[31mb\x1b]0;title\x07c\r\nd \u202e\u200be the-key-and-more the-key")
        == "a b c d e *** ***"
    )
    assert len(transport.redact("x" * 10**6)) == 300
