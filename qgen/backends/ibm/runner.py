"""JobRunner: runs requests on hardware, each paid for once: answered by the journal, found at IBM, or submitted."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from qgen.backends.ibm.budget import Budget, expected_seconds
from qgen.backends.ibm.client import SUBMIT_TRIES, Client, Primitive
from qgen.backends.ibm.errors import RefusedError, TransientError
from qgen.backends.ibm.job_record import JobRecord
from qgen.backends.ibm.journal import Journal
from qgen.backends.ibm.reconciler import FIRST_POLL, MAX_POLL, SEARCH_SECONDS, Reconciler, billed_seconds, poll
from qgen.backends.ibm.responses import FINAL, GONE, PENDING, JobInfo
from qgen.backends.ibm.results import ExpectedResult, ResultMismatchError, pack
from qgen.errors import BudgetError, HardwareError

#: How often in a process a job is asked for its bill after it ended.
_BILL_TRIES = 3
#: What becomes of the others. Circuits of one call run in one layout: those that are done are of no use in another one.
_KEPT = "all else is kept, and not paid for again as long as the circuit stays where it is on the device"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """Circuits that run in one job.

    Attributes:
        key: equal for equal circuits, angles, shots, options and seed.
        kind: the primitive.
        pubs: its arguments.
        circuits: number of circuits, each binding and basis counted.
        shots: shots of each.
        estimate: whole QPU seconds by the numbers of the device.
        expected: the shape of its result.
    """

    key: str
    kind: Primitive
    pubs: Sequence[Any]
    circuits: int
    shots: int
    estimate: int
    expected: ExpectedResult


class StatusCallback(Protocol):
    """Called with the status of a job that is waited for, and the QPU seconds spent so far."""

    def __call__(self, job: JobInfo, record: JobRecord, spent: float) -> None: ...


def _ignore(job: JobInfo, record: JobRecord, spent: float) -> None:
    pass


class NotStoredError(Exception):
    """The journal does not have all results, and nothing may be submitted."""


class UnknownStatusError(HardwareError):
    """A job has a status that this version does not know."""


@dataclass
class JobRunner:
    """Runs requests as jobs, see the module.

    Attributes:
        client: the client of IBM's service.
        journal: the journal of submitted jobs.
        purpose: a description of the work, as the journal keeps it.
        on_status: called at every status request for a job that is waited for.
        beyond_account: submit even what takes more than the account has left; jobs then wait at IBM.
        budget: what may be spent.
        reconciler: finds jobs whose id is unknown.
    """

    client: Client
    journal: Journal
    purpose: str = "values of a circuit"
    on_status: StatusCallback = _ignore
    beyond_account: bool = False
    budget: Budget = field(init=False)
    reconciler: Reconciler = field(init=False)
    _unbilled: dict[str, int] = field(init=False, default_factory=dict)
    _account: tuple[float, float] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.budget, self.reconciler = Budget(self.journal), Reconciler(self.client, self.journal)

    @property
    def limit(self) -> float | None:
        """QPU seconds that may be spent, of all that the journal holds; None: nothing may be submitted."""
        return self.budget.limit

    @limit.setter
    def limit(self, seconds: float | None) -> None:
        self.budget.limit = seconds

    def allow(self, seconds: float | None) -> None:
        """See `Budget.allow`."""
        self.budget.allow(seconds)

    def run(self, requests: Sequence[Request], stored_only: bool = False) -> list[bytes]:
        """Return the packed results of all requests, in order.

        All that are missing are submitted before any is waited for.

        Args:
            requests: what is to run.
            stored_only: submit nothing; wait only for jobs that were submitted before.

        Raises:
            NotStoredError: with `stored_only`, a request was not submitted before.
            BudgetError: they would cost more than is left; nothing is submitted then.
            HardwareError: a job failed or was cancelled, or its result is not what was asked for. All that was done is
                kept: the same call goes on from there.
        """
        known = [self._find_record(request) for request in requests]
        missing = [request for request, record in zip(requests, known, strict=True) if record is None]
        if missing and stored_only:
            raise NotStoredError
        limits = self._time_limits(missing) if missing else []
        new = iter([self._submit(request, limit) for request, limit in zip(missing, limits, strict=True)])
        records = [next(new) if record is None else record for record in known]
        return [self._result(record, request) for record, request in zip(records, requests, strict=True)]

    def fetch_results(self, wait: bool) -> list[JobRecord]:
        """Keep the results of all submitted jobs that are done by now; nothing is submitted.

        A result that is not what was asked for is not kept: its record has the reason.

        Args:
            wait: wait for those that are not done.

        Returns:
            All records of the journal.
        """
        self.reconciler.reconcile(include_failed=True)
        self._update_submitted(wait)
        self._update_bills(everything=True)
        return self.journal.records()

    def reconcile(self) -> None:
        """See `Reconciler.reconcile`."""
        self.reconciler.reconcile()

    def _update_submitted(self, wait: bool) -> None:
        """Record the outcome of all jobs that were submitted."""
        for record in self.journal.records():
            if record.state == "submitted":
                try:
                    self._record_outcome(record, self._wait(record) if wait else self._job_status(record))
                except (ResultMismatchError, UnknownStatusError) as error:
                    _log.warning("%s", error)

    def _find_record(self, request: Request) -> JobRecord | None:
        """Return an attempt that is done or submitted; None where a new one has to be made."""
        record = self.journal.last_attempt(request.key)
        if record is None or record.state in ("failed", "cancelled"):
            if not self.reconciler.reconciled:
                self.reconciler.reconcile()
            claimed = self.journal.claim(request.key, request.expected.to_json(), self.purpose, request.estimate)
            return claimed and (claimed if claimed.state in ("submitted", "done") else None)
        return self.reconciler.find_submitted(record, wait=True) if record.state == "planned" else record

    def _time_limits(self, requests: Sequence[Request]) -> list[int]:
        """Return after how many QPU seconds IBM is to end each job, so that all stay within the budget.

        Raises:
            BudgetError: the budget has no room for what they should take, or the account has less left.
        """
        if not self.reconciler.reconciled:
            self.reconciler.reconcile()
        self._update_bills()
        try:
            limits = self.budget.time_limits(requests, self.client.machine.name)
        except BudgetError:
            if self.limit is None:
                raise
            self._update_submitted(wait=False)  # what is set aside for jobs that have ended by now is free again
            self._update_bills(everything=True)
            limits = self.budget.time_limits(requests, self.client.machine.name)
        overrun = self.journal.overrun()
        self._check_account(sum(expected_seconds(request.estimate, overrun) for request in requests))
        self.client.check_online()
        return limits

    def _check_account(self, seconds: float) -> None:
        """Refuse what the account cannot pay; it is asked anew only once the last answer is used up.

        Raises:
            BudgetError: it has less than these QPU seconds left.
        """
        if self.beyond_account:
            return
        left = self._account[0] - (self.journal.spent() - self._account[1]) if self._account else -math.inf
        if left >= seconds:
            return
        remaining = self.client.remaining_seconds()
        self._account = (math.inf if remaining is None else remaining), self.journal.spent()
        if remaining is not None and remaining < seconds:
            raise BudgetError(
                f"this would take about {seconds:,.1f} QPU seconds, and the account has {remaining:,.1f} left in this "
                "period: nothing was submitted. What was done is kept. --beyond-account (in Python "
                "`authorize(limit, beyond_account=True)`) submits it all the same, and its jobs wait"
            )

    def _update_bills(self, everything: bool = False) -> None:
        """Ask again for bills that were not known when a job ended.

        Args:
            everything: also for jobs of earlier processes, and those that were asked for several times.
        """
        for record in self.journal.records() if everything or self._unbilled else ():
            tries = self._unbilled.get(record.tag, 0)
            if record.is_open or record.seconds is not None or not record.job_id or not (everything or tries):
                continue
            seconds = billed_seconds(self.client.job_status(record.job_id))
            if seconds is not None:
                self.journal.set_bill(record, seconds)
            if seconds is not None or tries <= 1:
                self._unbilled.pop(record.tag, None)
            else:
                self._unbilled[record.tag] = tries - 1

    def _submit(self, request: Request, limit: int) -> JobRecord:
        """Submit one job, that IBM is to end after so many seconds."""
        record = self.journal.last_attempt(request.key)
        if record is None or record.state != "planned":
            size = request.circuits, request.shots, request.estimate
            device, instance = self.client.machine.name, self.client.instance
            expected = request.expected.to_json()
            record = self.journal.plan(request.key, device, self.purpose, *size, expected, instance)
        for attempt in range(SUBMIT_TRIES):
            record = self.journal.mark_submitting(record, limit)
            tags = record.tag, self.journal.folder_tag
            try:
                job_id = self.client.submit(request.kind, request.pubs, request.shots, tags, limit)
                return self.journal.mark_submitted(record, job_id)
            except TransientError as error:
                self.reconciler.uncertain.add(record.tag)
                self.client.wait(attempt)
                submitted = self.reconciler.find_submitted(record, wait=True)  # too many requests can wait, too
                if submitted is not None:
                    return submitted
                reason = error
            except HardwareError as error:
                # Whatever went wrong, it may have been after the job was made.
                submitted = self.reconciler.find_submitted(record, wait=not isinstance(error, RefusedError))
                if submitted is not None:
                    return submitted
                self.journal.mark_ended(record, "failed", str(error), 0.0)
                raise
        raise HardwareError(f"IBM's service takes no jobs just now: {reason}. Nothing is lost; try again later")

    def _result(self, record: JobRecord, request: Request) -> bytes:
        """Return the result of a job, once it is there and is what was asked for."""
        if record.state == "done":
            stored = self.journal.result(record)
            try:
                request.expected.check(stored)
                return stored
            except ResultMismatchError as error:
                if not record.job_id:
                    raise
                record = self.journal.reject_result(record, str(error), record.seconds)  # IBM may have the right one
        self.reconciler.cancel_duplicates(record)
        job = self._wait(record)
        ended = self._record_outcome(record, job, request.expected)
        if ended.state != "done":
            raise HardwareError(_failure_message(job))
        return self.journal.result(ended)

    def _record_outcome(self, record: JobRecord, job: JobInfo, expected: ExpectedResult | None = None) -> JobRecord:
        """Record how a job has ended, with its result; does nothing where it has not.

        Raises:
            ResultMismatchError: its result is not what was asked for; it stays `submitted`.
        """
        if job.status not in (*FINAL, GONE):
            return record
        bill = billed_seconds(job)
        seconds = None if bill is None else bill + self.reconciler.cancel_duplicates(record)
        if seconds is None:
            self._unbilled[record.tag] = _BILL_TRIES
        if job.status == "DONE":
            return self._store_result(record, expected, seconds)
        state: Literal["failed", "cancelled"] = "cancelled" if job.status == "CANCELLED" else "failed"
        reason = "IBM no longer has this job" if job.status == GONE else job.reason or ""
        return self.journal.mark_ended(record, state, reason, seconds)

    def _store_result(self, record: JobRecord, expected: ExpectedResult | None, seconds: float | None) -> JobRecord:
        """Fetch the result of a job, and keep it if it is what was asked for."""
        if expected is None and record.expected is not None:
            expected = ExpectedResult.from_json(record.expected)
        try:
            packed = pack(self.client.fetch_result(str(record.job_id)))
            if expected is not None:
                expected.check(packed)
        except TransientError:
            raise
        except HardwareError as error:
            self.journal.reject_result(record, str(error), seconds)
            raise ResultMismatchError(
                f"job {record.job_id} is done, but its result is not what was asked for: {error}. It was not kept, and "
                "the job stays `submitted`: the same command asks IBM for it again, and pays nothing anew"
            ) from None
        return self.journal.mark_done(record, packed, seconds)

    def _job_status(self, record: JobRecord) -> JobInfo:
        """Return the status of a job; `GONE` only where IBM says so for half a minute."""
        for _ in poll(self.client.pace):
            job = self.client.job_status(str(record.job_id))
            if job.status != GONE:
                break
        return job

    def _wait(self, record: JobRecord) -> JobInfo:
        """Wait until a job has ended.

        Raises:
            UnknownStatusError: its status is unknown for longer than a moment.
        """
        pause, unknown_for = FIRST_POLL * self.client.pace, 0.0
        while True:
            job = self._job_status(record)
            self.on_status(job, record, self.journal.spent())
            if job.status in (*FINAL, GONE):
                return job
            unknown_for = 0.0 if job.status in PENDING else unknown_for + pause
            if unknown_for > self.client.pace * SEARCH_SECONDS:
                raise UnknownStatusError(
                    f"IBM says that job {record.job_id} is `{job.status}`, a state that this version of qgen does not "
                    "know. It stays `submitted`, and its result is not lost: the same command looks for it again"
                )
            time.sleep(pause)
            pause = min(1.3 * pause, MAX_POLL)


def _failure_message(job: JobInfo) -> str:
    bill = "" if job.seconds is None else f" ({job.seconds:g} QPU seconds were billed)"
    if job.status == "CANCELLED":
        return f"job {job.job_id} was cancelled{bill}: run the same command again to submit it anew; {_KEPT}"
    if job.status == GONE:
        return f"IBM no longer has job {job.job_id}: the same command submits it anew; {_KEPT}"
    reason = " ".join((job.reason or "no reason given").split())
    return f"job {job.job_id} failed{bill}: {reason}. The same command submits it anew; {_KEPT}"
