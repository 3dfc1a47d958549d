"""What the stock client is told of devices, account, sessions and usage."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from qiskit import QuantumCircuit
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.transpiler import Target
from qiskit_ibm_runtime import Batch, QiskitRuntimeService, Session
from qiskit_ibm_runtime.accounts.exceptions import AccountNotFoundError
from qiskit_ibm_runtime.api.exceptions import RequestsApiError
from qiskit_ibm_runtime.exceptions import IBMNotAuthorizedError, IBMRuntimeError
from qiskit_ibm_runtime.executor_sampler import Sampler

from qgen.devices import open_device
from qgen.devserver import DeviceModel, DevServer, Plan
from qgen.devserver.identity import Identity
from qgen.errors import BackendError

POLL = 0.1
Serve = Callable[..., DevServer]
Client = Callable[[], QiskitRuntimeService]
Coin = Callable[..., QuantumCircuit]


def contents(target: Target) -> dict[Any, Any]:
    """Everything that a Target says, as values that can be compared."""
    gates = {
        (name, place): (about.duration, about.error) if about else None
        for name in target.operation_names
        for place, about in (target[name] or {None: None}).items()
    }
    lives = [(one.t1, one.t2, one.frequency) for one in target.qubit_properties]
    return {"gates": gates, "lives": lives, "dt": target.dt, "qubits": target.num_qubits}


@pytest.mark.parametrize("snapshot", ["fake_brisbane", "fake_fez"])
def test_a_device_is_its_snapshot(serve: Serve, client: Client, snapshot: str) -> None:
    server = serve(DeviceModel(snapshot), DeviceModel("fake_manila", name="ibm_other"))
    service = client()
    assert sorted(one.name for one in service.backends()) == sorted(server.devices)
    backend = service.backend(server.devices[0])
    device = open_device(snapshot)
    assert contents(backend.target) == contents(device.backend.target)
    told = backend.properties().last_update_date  # the client takes every time for one in UTC
    assert told.replace(tzinfo=None) == device.calibrated.replace(tzinfo=None)
    assert backend.status().operational
    assert service.least_busy().name in server.devices
    assert service.backend("ibm_other").num_qubits == 5


def test_offline_and_retired_devices(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    server = serve(DeviceModel("fake_manila"), DeviceModel("fake_lima"))
    backend = client().backend("ibm_manila")
    job = Sampler(backend).run([coin()], shots=10)
    job.result(poll_interval=POLL)
    server.device("ibm_manila").online = False
    assert not backend.status().operational
    assert client().least_busy().name == "ibm_lima"
    waits = Sampler(backend).run([coin()], shots=10)
    time.sleep(0.3)
    assert waits.status() == "QUEUED"
    server.device("ibm_manila").online = True
    waits.result(poll_interval=POLL)
    server.device("ibm_manila").retired = True
    service = client()
    assert [one.name for one in service.backends()] == ["ibm_lima"]
    with pytest.raises(QiskitBackendNotFoundError):
        service.backend("ibm_manila")
    assert len(service.job(job.job_id()).result()[0].data.c.get_counts()) == 2
    with pytest.raises(QiskitBackendNotFoundError):
        Sampler(backend).run([coin()])


def test_usage_adds_up(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    server = serve(plan=Plan(seconds=5))
    service = client()
    backend = service.backend("ibm_manila")
    job = Sampler(backend).run([coin(), coin(1)], shots=1000)
    job.result(poll_interval=POLL)
    delay = backend.configuration().default_rep_delay
    assert job.usage() == pytest.approx(2 + (delay + 1e-4) * 2000) == job.usage_estimation["quantum_seconds"]
    assert job.metrics()["executions"] == 2000 == server.ledger.executions
    usage = service.usage()
    assert usage["usage_consumed_seconds"] == server.ledger.seconds == job.usage()
    assert usage["usage_remaining_seconds"] == pytest.approx(5 - job.usage())
    other = Sampler(backend, options={"execution": {"rep_delay": 0.001}}).run([coin()], shots=1000)
    other.result(poll_interval=POLL)
    assert other.usage() == pytest.approx(2 + 1.1)
    with pytest.warns(UserWarning, match="usage limit"):
        waits = Sampler(backend).run([coin()], shots=1000)
    time.sleep(0.3)
    assert waits.status() == "QUEUED"


def test_a_wrong_key_is_refused(serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "another")
    with pytest.warns(UserWarning, match="Provided API key could not be found"):
        client()  # its next call waits for a minute before it asks for a token again
    with_key = {"Authorization": "apikey another"}
    asked = urllib.request.Request(f"{server.url}/experimental/backends", headers=with_key)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(asked)


def test_tokens_expire(serve: Serve, client: Client) -> None:
    server = serve()
    service = client()
    backend = service.backend("ibm_manila")
    server.service.identity.revoke()
    with pytest.raises(IBMNotAuthorizedError, match="invalid or has expired"):
        backend.status()
    client().backend("ibm_manila").status()


def test_a_token_holds_for_its_lifetime() -> None:
    identity = Identity("key")
    assert identity.issue("other") is None
    issued = identity.issue("key")
    header = f"{issued['token_type']} {issued['access_token']}"
    assert identity.accepts(header)
    assert not identity.accepts(header + "x")
    assert not identity.accepts("apikey key")
    identity.lifetime = 0
    late = identity.issue("key")
    assert not identity.accepts(f"Bearer {late['access_token']}")
    assert identity.accepts(header)


@pytest.mark.slow
def test_the_client_renews_its_token_in_time(serve: Serve, client: Client) -> None:
    serve(token_seconds=10)
    backend = client().backend("ibm_manila")
    end = time.monotonic() + 15
    while time.monotonic() < end:
        assert backend.status().operational
        time.sleep(0.1)


def test_a_saved_account_by_the_name_of_its_instance(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    server = serve()
    for name in server.environment():
        monkeypatch.delenv(name)
    with pytest.raises(AccountNotFoundError):
        QiskitRuntimeService(filename=str(tmp_path / "no.json"))
    monkeypatch.setenv("IAM_URL", "http://iam.cloud.ibm.com")  # everything goes through the proxy
    QiskitRuntimeService.save_account(
        token=server.token,
        url="http://cloud.ibm.com",
        instance="devserver",
        proxies={"urls": {"http": server.url}},
        filename=str(tmp_path / "accounts.json"),
        name="here",
    )
    service = QiskitRuntimeService(filename=str(tmp_path / "accounts.json"), name="here")
    assert service.instances()[0]["plan"] == "open"
    assert [one.name for one in service.backends()] == ["ibm_manila"]


def test_batches_and_sessions(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    server = serve()
    backend = client().backend("ibm_manila")
    with pytest.raises(RequestsApiError, match=r"1352.*open plan"):
        Session(backend)
    with Batch(backend) as batch:
        jobs = [Sampler(batch).run([coin()], shots=10) for _ in range(2)]
        for job in jobs:
            job.result(poll_interval=POLL)
    details = batch.details()
    assert details["mode"] == "batch"
    assert not details["accepting_jobs"]
    assert batch.usage() == server.ledger.seconds
    again = Batch.from_id(batch.session_id, client())
    assert again.details()["id"] == batch.session_id
    with pytest.raises(IBMRuntimeError, match="closed"):
        client()._run("executor", {}, {"backend": backend}, session_id=batch.session_id)


def test_sessions_where_the_plan_has_them(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    serve(plan=Plan(sessions=True), queue_seconds=60)
    backend = client().backend("ibm_manila")
    session = Session(backend, max_time=120)
    job = Sampler(session).run([coin()], shots=10)
    assert session.details()["max_time"] == 120
    assert job.session_id == session.session_id
    session.cancel()
    assert job.status() == "CANCELLED"
    assert session.status() == "Closed"


def test_a_dry_run_costs_nothing(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    server = serve()
    backend = client().backend("ibm_manila")
    job = Sampler(backend).run([coin()], shots=500, dry_run=True)
    assert job.result(poll_interval=POLL)[0].data.c.num_shots == 500
    assert job.usage_estimation["quantum_seconds"] > 2
    assert not server.ledger.billed
    assert server.ledger.jobs[0].backend == "mock_manila"


def test_the_ledger_and_devices_over_http(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    server = serve()
    backend = client().backend("ibm_manila")
    Sampler(backend).run([coin()], shots=10).result(poll_interval=POLL)
    with urllib.request.urlopen(f"{server.url}/devserver/ledger") as answer:
        assert json.load(answer) == json.loads(json.dumps(server.ledger.to_dict()))
    body = json.dumps({"online": False}).encode()
    with urllib.request.urlopen(f"{server.url}/devserver/devices/ibm_manila", data=body):
        assert not backend.status().operational


def test_devices_of_one_name_are_refused() -> None:
    with pytest.raises(BackendError, match="different names"):
        DevServer([DeviceModel("fake_manila"), DeviceModel("fake_lima", name="ibm_manila")])
    with pytest.raises(BackendError, match="different names"):
        DevServer([])
