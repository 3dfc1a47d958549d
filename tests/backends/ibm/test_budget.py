"""The budget is never passed, whatever is asked for and however often."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import cloud, hardware

from qgen.circuits import ansatz
from qgen.devserver import DevServer, Fault, Tariff
from qgen.errors import BudgetError, HardwareError

SHOTS = 1000
CIRCUIT = ansatz("basic", qubits=2, layers=1)
#: QPU seconds of a job of 8 settings: 2 s, and 8,000 times 350 us.
ONE = 4.8


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with cloud(tmp_path, monkeypatch) as running:
        yield running


def run(folder: Path, seed: int, allow: float | None = None) -> None:
    with hardware(folder, shots=SHOTS, allow=allow) as backend:
        backend.compile(CIRCUIT).expectations(np.zeros((8, 2)), np.zeros(CIRCUIT.num_weights), seed)


def refused(folder: Path, seed: int) -> bool:
    try:
        run(folder, seed)
    except BudgetError:
        return True
    return False


def test_nothing_is_submitted_before_anybody_said_how_much(server: DevServer, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"about 5.0 QPU seconds.*nobody said how many"):
        run(tmp_path, 1)
    assert not server.ledger.jobs


def test_what_is_too_much_is_not_submitted(server: DevServer, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"about 5.0 QPU seconds, and 0.0 of the 4.9 allowed"):
        run(tmp_path, 1, allow=4.9)
    assert not server.ledger.jobs


def test_the_limit_holds_over_restarts(server: DevServer, tmp_path: Path, rng: np.random.Generator) -> None:
    limit = float(rng.uniform(12, 30))
    run(tmp_path, 0, allow=limit)
    done = 1
    while not refused(tmp_path, done):  # the limit is in the journal
        done += 1
    assert server.ledger.seconds <= limit
    assert done == len(server.ledger.jobs) == math.floor((limit - math.ceil(ONE)) / ONE) + 1
    run(tmp_path, 0)  # what is there costs nothing
    assert len(server.ledger.jobs) == done


@pytest.mark.parametrize("kind", ["too_long", "fail"])
def test_what_went_wrong_counts_as_far_as_it_was_billed(kind: Any, server: DevServer, tmp_path: Path) -> None:
    server.faults.add(Fault(job=kind, billed=True, times=None))
    limit = 22.0
    while True:
        with pytest.raises(HardwareError) as caught:
            run(tmp_path, 1, allow=limit)
        if isinstance(caught.value, BudgetError):
            break
    assert server.ledger.jobs
    assert server.ledger.seconds <= limit


def test_a_job_that_takes_longer_than_planned_is_ended_at_the_limit(server: DevServer, tmp_path: Path) -> None:
    """The service itself is told what is left."""
    with hardware(tmp_path, shots=SHOTS, allow=9.5) as backend:
        told = []
        submit = backend.runner.client.submit
        backend.runner.client.submit = lambda *given: told.append(given[-1]) or submit(*given)  # type: ignore[method-assign]
        executable = backend.compile(CIRCUIT)
        executable.expectations(np.zeros((8, 2)), np.zeros(CIRCUIT.num_weights), 1)
    assert told == [9]


def test_a_limit_is_a_number_of_seconds(server: DevServer, tmp_path: Path) -> None:
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(HardwareError, match="max_qpu_seconds"):
            run(tmp_path, 1, allow=wrong)


def test_several_jobs_of_one_call_stay_within_the_limit_though_they_take_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qgen.backends.ibm.cost.MAX_EXECUTIONS", 2 * SHOTS)
    slow = Tariff(circuit_seconds=1e-2)  # an execution takes a hundred times as long as anybody says
    with cloud(tmp_path, monkeypatch, tariff=slow) as server:
        with pytest.raises(HardwareError, match="maximum execution time"):
            run(tmp_path, 1, allow=20.0)
        assert len(server.ledger.jobs) == 4
        assert server.ledger.seconds <= 20.0


def test_what_never_reached_the_service_costs_nothing(server: DevServer, tmp_path: Path) -> None:
    server.device("ibm_guadalupe").online = False
    with pytest.raises(HardwareError, match="offline"):
        run(tmp_path, 1, allow=5.5)
    server.device("ibm_guadalupe").online = True
    run(tmp_path, 1)
    assert len(server.ledger.jobs) == 1
