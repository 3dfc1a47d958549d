"""Circuits for fixed weights on hardware: paid for once, in the plan as they are, and with what was paid for before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cloud import CIRCUIT, INPUTS, SHOTS, WEIGHTS, cloud, hardware, measure

from qgen.backends import open_backend
from qgen.backends.ibm.journal import Journal
from qgen.circuits.bound import bind_weights
from qgen.devserver import DevServer
from qgen.errors import InputError


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    with cloud(tmp_path, monkeypatch) as running:
        yield running


def test_values_are_those_of_open_weights(server: DevServer, tmp_path: Path) -> None:
    wanted = open_backend("reference").compile(CIRCUIT).expectations(INPUTS, WEIGHTS)
    with hardware(tmp_path, shots=4000) as backend:
        found = backend.compile(CIRCUIT, WEIGHTS).expectations(INPUTS, WEIGHTS, 1)
    assert found == pytest.approx(wanted, abs=6 / np.sqrt(4000))


@pytest.mark.parametrize("resilience", [0, 1])
def test_each_set_of_weights_is_paid_for_once(resilience: int, server: DevServer, tmp_path: Path) -> None:
    others = WEIGHTS + 0.1
    first = []
    for _ in range(2):
        with hardware(tmp_path, shots=SHOTS, resilience=resilience) as backend:
            for weights in (WEIGHTS, others):
                executable = backend.compile(CIRCUIT, weights)
                planned = executable.cost(len(INPUTS))
                spent = backend.spent()
                first.append(executable.expectations(INPUTS, weights, 1))
                if len(first) <= 2:
                    assert backend.spent() - spent <= planned.seconds + 1  # whole seconds
                    assert server.ledger.jobs[-1].circuits == planned.circuits
                with pytest.raises(InputError, match="not those that the circuit was compiled for"):
                    executable.expectations(INPUTS, weights + 1, 1)
    assert len(server.ledger.jobs) == 2  # of four calls
    assert np.array_equal(first[:2], first[2:])
    assert not np.array_equal(first[0], first[1])


def test_what_an_earlier_version_ran_with_open_weights_is_answered(server: DevServer, tmp_path: Path) -> None:
    paid = measure(tmp_path, 1)
    with hardware(tmp_path, shots=SHOTS) as backend:
        executable = backend.compile(CIRCUIT, WEIGHTS)
        assert np.array_equal(executable.expectations(INPUTS, WEIGHTS, 1), paid)
        assert len(server.ledger.jobs) == 1
        executable.expectations(INPUTS, WEIGHTS, 2)  # what it did not run is run with the weights bound
        assert len(server.ledger.jobs) == 2
        assert backend.layouts(bind_weights(CIRCUIT, WEIGHTS).circuit)


def test_several_rows_stay_open_in_one_job(server: DevServer, tmp_path: Path) -> None:
    rows = np.stack([WEIGHTS, WEIGHTS[::-1], WEIGHTS * 0.3])
    inputs = np.repeat(INPUTS[:, None], 3, axis=1)
    wanted = open_backend("reference").compile(CIRCUIT).expectations(inputs, rows)
    with hardware(tmp_path, shots=2000) as backend:
        executable = backend.compile(CIRCUIT, rows)
        assert not executable.bound
        cost = executable.cost(inputs.shape[0] * 3)
        found = executable.expectations(inputs, rows, 3)
        assert backend.compile(CIRCUIT, np.stack([WEIGHTS, WEIGHTS])).bound  # which is one row
    assert found == pytest.approx(wanted, abs=6 / np.sqrt(2000))
    (job,) = server.ledger.jobs
    assert job.executions == cost.executions


def test_a_plan_alone_leaves_nothing(server: DevServer, tmp_path: Path) -> None:
    with hardware(tmp_path, shots=SHOTS) as backend:
        backend.compile(CIRCUIT, WEIGHTS)
    journal = Journal(tmp_path / "jobs.sqlite")
    try:
        assert not journal.records()
        assert not journal._execute("select name from facts where name like 'circuit on %'")
    finally:
        journal.close()
