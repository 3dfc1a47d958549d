"""Lists that lag, bills that are late, high or none, jobs that are cut off: nothing is paid twice, the limit holds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import cloud, hardware, measure
from hypothesis import given
from hypothesis import strategies as st

from qgen.backends.ibm.budget import Budget, expected_seconds
from qgen.backends.ibm.journal import Journal
from qgen.devserver import DevServer, Fault, Plan, Tariff
from qgen.errors import BudgetError, HardwareError


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with cloud(tmp_path, monkeypatch) as running:
        yield running


LOST = {
    "the network": Fault(method="POST", path="/jobs", drop=True, after=True),
    "a 503": Fault(method="POST", path="/jobs", status=503, after=True),
    "a 500": Fault(method="POST", path="/jobs", status=500, after=True),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
@pytest.mark.parametrize("lag", [pytest.param(0.1, marks=pytest.mark.slow), 0.35])
def test_a_lost_answer_pays_once_though_the_lists_lag(
    fault: Fault, lag: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As 5 and 17 seconds are to a client that waits 30: here it waits 0.6."""
    with cloud(tmp_path, monkeypatch, list_seconds=lag) as server:
        server.faults.add(fault)
        measure(tmp_path)
        assert len(server.ledger.jobs) == 1


def test_a_kill_after_the_submission_pays_once_though_the_lists_lag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(tmp_path, monkeypatch, list_seconds=0.3) as server:
        with hardware(tmp_path, shots=50) as backend:
            submit = backend.runner.client.submit

            def killed(*given: Any) -> str:
                submit(*given)
                raise KeyboardInterrupt

            monkeypatch.setattr(backend.runner.client, "submit", killed)
            with pytest.raises(KeyboardInterrupt):
                measure(tmp_path, backend=backend)
        measure(tmp_path)
        assert len(server.ledger.jobs) == 1


def test_a_kill_before_the_submission_leaves_room_for_it_within_the_limit(
    server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first attempt was given all the limit, and does not count against the second."""
    limit = 8.0
    with hardware(tmp_path, shots=50, allow=limit) as backend:

        def killed(*given: Any) -> str:
            raise KeyboardInterrupt

        monkeypatch.setattr(backend.runner.client, "submit", killed)
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path, backend=backend)
        assert backend.runner.journal.reserved() == limit
    measure(tmp_path, allow=limit)
    assert len(server.ledger.jobs) == 1


def test_an_attempt_of_unknown_fate_counts(server: DevServer, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "jobs.sqlite")
    journal.mark_submitting(journal.plan("a request", "ibm_guadalupe", "a test", 1, 100, 40.0), 50.0)
    budget = Budget(journal, 60.0)
    assert (journal.spent(), journal.reserved()) == (40.0, 50.0)
    assert budget.time_limits([Wanted("b", 5)], "ibm_guadalupe") == [10]
    with pytest.raises(BudgetError, match=r"50\.0 of the 60\.0"):
        budget.time_limits([Wanted("b", 11)], "ibm_guadalupe")
    journal.close()
    assert not server.ledger.jobs


def test_orphans_count_for_python_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit holds over jobs that an earlier process submitted though it never heard so."""
    with cloud(tmp_path, monkeypatch, tariff=Tariff(circuit_seconds=0.3)) as server:  # 150 executions: 47 s
        with hardware(tmp_path, shots=50, allow=60) as backend:
            submit = backend.runner.client.submit

            def killed(*given: Any) -> str:
                submit(*given)
                raise KeyboardInterrupt

            monkeypatch.setattr(backend.runner.client, "submit", killed)
            with pytest.raises(KeyboardInterrupt):
                measure(tmp_path, backend=backend)
        for seed in range(2, 8):
            with pytest.raises(HardwareError):
                measure(tmp_path, seed, allow=60)
        with pytest.raises(BudgetError):
            measure(tmp_path, 8, allow=60)
        assert 16 < server.ledger.seconds <= 60


def test_jobs_that_seemed_refused_are_found_when_results_are_fetched(server: DevServer, tmp_path: Path) -> None:
    with hardware(tmp_path, shots=50) as backend:
        client, submit, find = backend.runner.client, backend.runner.client.submit, backend.runner.client.find_by_tag

        def refused(*given: Any) -> str:
            submit(*given)
            raise HardwareError("so it seemed")

        client.submit, client.find_by_tag = refused, lambda _: []  # type: ignore[method-assign]
        with pytest.raises(HardwareError, match="so it seemed"):
            measure(tmp_path, backend=backend)
        client.submit, client.find_by_tag = submit, find  # type: ignore[method-assign]
        assert [one.state for one in backend.runner.journal.records()] == ["failed"]
        (record,) = backend.runner.fetch_results(wait=True)
        assert (record.state, record.seconds) == ("done", pytest.approx(server.ledger.seconds))
    measure(tmp_path)
    assert len(server.ledger.jobs) == 1


@pytest.mark.parametrize("factor", [1.2, 2.0, 2.9])
def test_a_job_has_a_margin_within_the_limit(factor: float, server: DevServer, tmp_path: Path) -> None:
    server.faults.add(Fault(job="slow", factor=factor))
    measure(tmp_path, allow=60)
    assert len(server.ledger.jobs) == 1
    assert server.ledger.seconds > 2.05 * factor


def test_a_job_that_was_cut_off_has_more_next_time_and_the_limit_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(tmp_path, monkeypatch, tariff=Tariff(circuit_seconds=0.25)) as server:  # 150 executions: 39.5 s
        limits = []
        for _ in range(4):
            try:
                measure(tmp_path, allow=200)
                break
            except HardwareError as error:
                assert "maximum execution time" in str(error)  # noqa: PT017
            limits.append(server.ledger.jobs[-1].seconds)
        assert len(limits) == 1
        assert server.ledger.jobs[-1].state == "Completed"
        assert server.ledger.seconds <= 200
        # What was learned is in the estimate of the next.
        with hardware(tmp_path, shots=50) as backend:
            assert backend.runner.journal.overrun() > 4


def test_what_would_be_cut_off_again_is_not_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cloud(tmp_path, monkeypatch, tariff=Tariff(circuit_seconds=0.25)) as server:
        with pytest.raises(HardwareError, match="maximum execution time"):
            measure(tmp_path, allow=20)
        for _ in range(3):
            with pytest.raises(BudgetError, match="before it was done"):
                measure(tmp_path, allow=20)
        assert len(server.ledger.jobs) == 1
        assert server.ledger.seconds <= 20


def is_refused(folder: Path, seed: int, limit: float) -> bool:
    try:
        measure(folder, seed, allow=limit)
    except BudgetError:
        return True
    return False


@pytest.mark.parametrize(
    "bill",
    ["late", *(pytest.param(bill, marks=pytest.mark.slow) for bill in (0.0, -1e9, -0.001, 1e12, "nan", "much", "12"))],
)
def test_a_bill_that_is_none_leaves_the_limit_as_it_is(bill: Any, server: DevServer, tmp_path: Path) -> None:
    server.faults.add(Fault(bill=bill, times=None))
    limit = 30.0
    seed = next(seed for seed in range(100) if is_refused(tmp_path, seed, limit))
    assert seed >= 1
    assert server.ledger.seconds <= limit
    server.faults.clear()  # what is known by now makes room again
    measure(tmp_path, seed)
    assert server.ledger.seconds <= limit


def test_old_failures_cost_no_requests(server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "jobs.sqlite")
    for number in range(150):
        record = journal.mark_submitted(
            journal.plan(f"key {number}", "ibm_guadalupe", "a test", 1, 1, 3.0), f"gone{number:016}"
        )
        journal.mark_ended(record, "failed", "long ago", None)
    journal.close()
    asked: list[str] = []
    with hardware(tmp_path, shots=50) as backend:
        look = backend.runner.client.job_status
        monkeypatch.setattr(backend.runner.client, "job_status", lambda job_id: asked.append(job_id) or look(job_id))
        measure(tmp_path, backend=backend)
    assert len([job_id for job_id in asked if job_id.startswith("gone")]) == 0
    assert len(server.ledger.jobs) == 1


@pytest.mark.parametrize("left", [0.0, 1.0, 2.9])
def test_what_the_account_cannot_pay_is_not_submitted(
    left: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(tmp_path, monkeypatch, plan=Plan(seconds=left)) as server:
        with pytest.raises(BudgetError, match=rf"the account has {left:.1f} left"):
            measure(tmp_path)
        assert not server.ledger.jobs
        if left:
            with hardware(tmp_path, shots=50) as backend:
                backend.runner.beyond_account = True
                measure(tmp_path, backend=backend)
            assert len(server.ledger.jobs) == 1


def test_a_job_that_the_service_forgets_at_first_is_waited_for(server: DevServer, tmp_path: Path) -> None:
    server.faults.add(Fault(method="GET", path="/jobs/*", status=404, times=3))
    measure(tmp_path)
    assert len(server.ledger.jobs) == 1


class Wanted:
    def __init__(self, key: str, estimate: int) -> None:
        self.key, self.estimate = key, estimate


@given(
    limit=st.floats(1, 500),
    estimates=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    before=st.lists(st.tuples(st.floats(0.5, 50), st.floats(0.5, 100), st.booleans()), max_size=8),
)
def test_shares_never_pass_the_limit_and_never_fall_below_the_need(
    limit: float, estimates: list[int], before: list[tuple[float, float, bool]], tmp_path_factory: Any
) -> None:
    journal = Journal(tmp_path_factory.mktemp("shares") / "jobs.sqlite")
    for number, (estimate, seconds, billed) in enumerate(before):
        record = journal.mark_submitting(journal.plan(f"k{number}", "ibm_fez", "a test", 1, 1, estimate), seconds)
        if billed:
            journal.mark_done(journal.mark_submitted(record, f"j{number}"), b"", seconds)
    budget, ratios = Budget(journal, limit), sorted(one[1] / one[0] for one in before if one[2])
    overrun = max(1.0, float(np.median(ratios))) if ratios else 1.0
    spent = sum(seconds if billed else max(estimate, seconds) for estimate, seconds, billed in before)
    needs = [expected_seconds(estimate, overrun) for estimate in estimates]
    try:
        shares = budget.time_limits([Wanted(f"n{k}", estimate) for k, estimate in enumerate(estimates)], "ibm_fez")
    except BudgetError:
        assert spent + sum(needs) > limit - 1e-6
    else:
        assert spent + sum(shares) <= limit + 1e-6
        assert all(share >= need for share, need in zip(shares, needs, strict=True))
        assert all(isinstance(share, int) for share in shares)
    finally:
        journal.close()


def test_the_patience_of_a_user_is_half_a_minute(server: DevServer, tmp_path: Path) -> None:
    """At the pace of tests: no second submission before 0.6 seconds, though nothing is found."""
    posts: list[float] = []
    with hardware(tmp_path, shots=50) as backend:
        client, submit = backend.runner.client, backend.runner.client.submit

        def lost(*given: Any) -> str:
            posts.append(time.monotonic())
            if len(posts) > 1:
                return submit(*given)
            from qgen.backends.ibm.errors import TransientError

            raise TransientError("no answer")

        client.submit = lost  # type: ignore[method-assign]
        measure(tmp_path, backend=backend)
    assert posts[1] - posts[0] >= 0.6
    assert len(server.ledger.jobs) == 1
