"""The life of a job as the stock client sees it: queue, cancellation, retrieval, limits."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.exceptions import (
    RuntimeInvalidStateError,
    RuntimeJobFailureError,
    RuntimeJobMaxTimeoutError,
    RuntimeJobNotFound,
    RuntimeJobTimeoutError,
)
from qiskit_ibm_runtime.executor_sampler import Sampler

from qgen.devserver import DeviceModel, DevServer, Plan

POLL = 0.1
Serve = Callable[..., DevServer]
Client = Callable[[], QiskitRuntimeService]
Coin = Callable[..., QuantumCircuit]


def test_jobs_wait_run_and_are_found_again(serve: Serve, client: Client, coin: Coin) -> None:
    server = serve()
    server.device("ibm_manila").online = False  # so that they wait for as long as this test looks at them
    service = client()
    backend = service.backend("ibm_manila")
    sampler = Sampler(backend, options={"environment": {"job_tags": ["first", "both"]}})
    first = sampler.run([coin()], shots=10)
    sampler.options.environment.job_tags = ["second", "both"]
    second = sampler.run([coin()], shots=20)
    names = [first.job_id(), second.job_id()]
    assert first.status() == second.status() == "QUEUED"
    assert [job.metrics()["position_in_queue"] for job in (first, second)] == [1, 2]
    assert backend.status().pending_jobs == 2
    with pytest.raises(RuntimeJobTimeoutError):
        second.result(timeout=0.1, poll_interval=POLL)
    assert [job.job_id() for job in service.jobs(pending=True)] == names[::-1]

    server.device("ibm_manila").online = True
    other = client()
    again = other.job(second.job_id()).result(poll_interval=POLL)[0].data.c
    assert (again.array == second.result()[0].data.c.array).all()
    assert [job.job_id() for job in other.jobs(job_tags=["both"])] == names[::-1]
    assert [job.job_id() for job in other.jobs(job_tags=["first", "both"])] == names[:1]
    assert other.jobs(pending=True) == []
    assert other.job(first.job_id()).tags == ["first", "both"]
    assert server.ledger.executions == 30
    assert backend.status().pending_jobs == 0


def test_jobs_take_their_time_one_after_the_other(serve: Serve, client: Client, coin: Coin) -> None:
    serve(queue_seconds=0.3, run_seconds=0.4)
    sampler = Sampler(client().backend("ibm_manila"))
    jobs = [sampler.run([coin()], shots=10) for _ in range(2)]
    times = []
    for job in jobs:
        job.result(poll_interval=POLL)
        told = job.metrics()["timestamps"]
        times.append([datetime.fromisoformat(told[name]) for name in ("created", "running", "finished")])
    for created, running, finished in times:
        assert (running - created).total_seconds() >= 0.3
        assert (finished - running).total_seconds() >= 0.4
    assert times[1][1] >= times[0][2]


def test_a_long_list_comes_in_pages(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    serve(queue_seconds=60)
    service = client()
    sampler = Sampler(service.backend("ibm_manila"))
    names = [sampler.run([coin()], shots=10).job_id() for _ in range(23)]
    assert [job.job_id() for job in service.jobs(limit=None)] == names[::-1]
    assert [job.job_id() for job in service.jobs(limit=3, skip=2, descending=False)] == names[2:5]
    assert service.jobs(backend_name="ibm_other") == []


def test_tags_can_be_changed_and_jobs_deleted(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    server = serve()
    service = client()
    job = Sampler(service.backend("ibm_manila")).run([coin()], shots=10)
    job.result(poll_interval=POLL)
    assert job.update_tags(["new"]) == ["new"]
    assert job.logs() == ""
    service.delete_job(job.job_id())
    with pytest.raises(RuntimeJobNotFound):
        service.job(job.job_id())
    assert server.ledger.tagged("new")[0].executions == 10


@pytest.mark.parametrize(("options", "billed"), [({"queue_seconds": 60}, 0), ({"run_seconds": 60}, 10)])
def test_jobs_can_be_cancelled(
    serve: Serve, client: Client, options: dict[str, float], billed: int, coin: Coin
) -> None:
    server = serve(**options)
    service = client()
    job = Sampler(service.backend("ibm_manila")).run([coin()], shots=10)
    while "run_seconds" in options and job.status() != "RUNNING":
        time.sleep(0.02)
    job.cancel()
    assert service.job(job.job_id()).status() == "CANCELLED"
    with pytest.raises(RuntimeInvalidStateError, match="cancelled"):
        service.job(job.job_id()).result()
    with pytest.raises(RuntimeInvalidStateError, match="cannot be cancelled"):
        service.job(job.job_id()).cancel()
    assert server.ledger.executions == billed


@pytest.mark.parametrize("circuit", ["gate", "pair", "width"])
def test_circuits_that_are_not_the_devices_fail_and_cost_nothing(serve: Serve, client: Client, circuit: str) -> None:
    server = serve()
    wrong = QuantumCircuit(6 if circuit == "width" else 5, 1)
    if circuit == "gate":
        wrong.h(0)
    if circuit == "pair":
        wrong.cx(0, 4)
    wrong.measure(0, 0)
    job = Sampler(client().backend("ibm_manila")).run([wrong], shots=10)
    with pytest.raises(RuntimeJobFailureError, match=r"Error code 1517; The .*(gate|instruction|circuit)"):
        job.result(poll_interval=POLL)
    assert job.status() == "ERROR"
    assert "1517" not in (job.error_message() or "") or "1517" in job.error_message()
    assert not server.ledger.billed
    assert server.ledger.jobs[0].state == "Failed"


def test_limits(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    server = serve(plan=Plan(executions=1000))
    backend = client().backend("ibm_manila")
    with pytest.raises(RuntimeJobFailureError, match="1,001 executions, and 1,000 are the most"):
        Sampler(backend).run([coin()], shots=1001).result(poll_interval=POLL)
    job = Sampler(backend, options={"max_execution_time": 3}).run([coin(), coin(1)], shots=500)
    job.result(poll_interval=POLL)
    assert server.ledger.executions == 1000


def test_a_job_is_stopped_at_its_time_limit(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    server = serve()
    backend = client().backend("ibm_manila")
    options = {"max_execution_time": 3, "execution": {"rep_delay": 0.0009}}
    job = Sampler(backend, options=options).run([coin()], shots=2000)  # 2 s, and 1 ms for each shot
    with pytest.raises(RuntimeJobMaxTimeoutError, match="1305"):
        job.result(poll_interval=POLL)
    (entry,) = server.ledger.jobs
    assert (entry.executions, entry.seconds) == (1000, 3)


def test_what_the_devserver_does_not_run_is_said(serve: Serve, client: Client) -> None:
    serve(DeviceModel("fake_brisbane", noisy=False))
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    with pytest.raises(RuntimeJobFailureError, match="does not run control flow"):
        Sampler(client().backend("ibm_brisbane")).run([circuit], shots=10).result(poll_interval=POLL)


@pytest.mark.parametrize(("angle", "runs"), [(0.3, True), (-0.3, False)])
def test_rzz_takes_angles_from_zero_to_a_quarter_turn(serve: Serve, client: Client, angle: float, runs: bool) -> None:
    serve(DeviceModel("fake_fractional", noisy=False))
    backend = client().backend("ibm_fractional", use_fractional_gates=True)
    theta = Parameter("theta")
    circuit = QuantumCircuit(2, 2)
    circuit.rx(0.8, [0, 1])
    circuit.rzz(theta, 0, 1)
    circuit.rx(theta, 0)
    circuit.measure([0, 1], [0, 1])
    job = Sampler(backend).run([(circuit, [[angle]])], shots=4000)
    if not runs:
        with pytest.raises(RuntimeJobFailureError, match="rzz"):
            job.result(poll_interval=POLL)
        return
    counts = job.result(poll_interval=POLL)[0].data.c[0].get_int_counts()
    bound = circuit.remove_final_measurements(inplace=False).assign_parameters([angle])
    for outcome, chance in enumerate(Statevector(bound).probabilities()):
        assert counts.get(outcome, 0) / 4000 == pytest.approx(chance, abs=5 * 0.5 / 4000**0.5)


def test_clients_at_the_same_time(
    serve: Serve,
    client: Client,
    coin: Coin,
) -> None:
    server = serve()
    backends = [client().backend("ibm_manila") for _ in range(4)]

    def submit(which: int) -> list[int]:
        sampler = Sampler(backends[which])
        jobs = [sampler.run([coin()], shots=10 + which) for _ in range(3)]
        return [job.result(poll_interval=POLL)[0].data.c.num_shots for job in jobs]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(submit, range(4))) == [[10 + which] * 3 for which in range(4)]
    assert len({entry.id for entry in server.ledger.billed}) == 12
    assert server.ledger.executions == 3 * (10 + 11 + 12 + 13)
