"""What costs money says so, and can be planned, limited and watched by anybody who knows the protocol."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Protocol

import pytest
from cloud import CIRCUIT, INPUTS, SHOTS, WEIGHTS, cloud, hardware

from qgen.backends import backend_names, open_backend
from qgen.backends.billing import BilledBackend, BilledExecutable, JobStatus, as_billed
from qgen.errors import BudgetError


def members(protocol: type[Protocol]) -> set[str]:
    return {name for name in vars(protocol) if not name.startswith("_")}


@pytest.mark.parametrize("name", [*backend_names(), "aer:fake_manila", "fake_manila"])
def test_simulators_cost_nothing(name: str) -> None:
    assert as_billed(open_backend(name)) is None


def test_hardware_is_planned_limited_and_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[JobStatus] = []
    with cloud(tmp_path, monkeypatch) as server, hardware(tmp_path, shots=SHOTS, allow=None) as backend:
        billed = as_billed(backend)
        assert billed is backend
        executable = backend.compile(CIRCUIT)
        assert {name for name in members(BilledBackend) if not hasattr(billed, name)} == set()
        assert {name for name in members(BilledExecutable) if not hasattr(executable, name)} == set()
        assert billed.limit is None
        with pytest.raises(BudgetError):
            executable.expectations(INPUTS, WEIGHTS, 1)
        assert not server.ledger.jobs
        billed.begin("a test")
        billed.watch(seen.append)
        billed.authorize(100.0)
        assert billed.limit == 100.0
        executable.expectations(INPUTS, WEIGHTS, 1)
        assert billed.estimates("a test") == [ceil(executable.cost(len(INPUTS)).seconds)]
        assert billed.estimates("another") == []
        (record,) = backend.runner.journal.records()
        submitted, moment = datetime.fromisoformat(record.created), timedelta(milliseconds=1)
        for since, counted in ((submitted - moment, 1), (submitted, 1), (submitted + moment, 0)):
            assert len(billed.estimates("a test", since)) == counted  # also within one second
        assert billed.spent() == server.ledger.seconds > 0
        assert billed.overrun() >= 1
        waiting, _left = billed.queue()
        assert waiting >= 0
    assert seen[-1].state == "DONE"
    assert {status.job_id for status in seen} == {job.id for job in server.ledger.jobs}
