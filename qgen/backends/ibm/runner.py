"""Requests run on hardware, each paid for once: found in the journal, found at IBM, or submitted."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from qgen.backends.ibm.budget import Budget, learned
from qgen.backends.ibm.client import TRIES, Client, Primitive
from qgen.backends.ibm.entry import Entry
from qgen.backends.ibm.finder import FIRST_LOOK, MOST_LOOK, PATIENCE, Finder, bill_of, looks
from qgen.backends.ibm.journal import Journal
from qgen.backends.ibm.results import Expected, SpoiltError, pack
from qgen.backends.ibm.trouble import RefusedError, TransientError
from qgen.backends.ibm.views import ENDED, GONE, ON_ITS_WAY, JobView
from qgen.errors import BudgetError, HardwareError

#: How often in a process a job is asked for its bill after it ended.
_BILL_LOOKS = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """Circuits to be run, in one job.

    Attributes:
        key: equal for equal circuits, angles, shots, options and seed.
        kind: the primitive.
        pubs: what it takes.
        circuits: how many, all angles and bases counted apart.
        shots: of each.
        estimate: whole QPU seconds that it takes, by the numbers of the device.
        expected: what its result has to be like.
    """

    key: str
    kind: Primitive
    pubs: Sequence[Any]
    circuits: int
    shots: int
    estimate: int
    expected: Expected


class Watcher(Protocol):
    """Told how a job is doing."""

    def __call__(self, job: JobView, entry: Entry, spent: float) -> None: ...


def _unwatched(job: JobView, entry: Entry, spent: float) -> None:
    pass


class StrangeError(HardwareError):
    """A job is in a state that nobody knows."""


@dataclass
class Runner:
    """See the module.

    Attributes:
        client: IBM.
        journal: what was submitted.
        purpose: what it is all for, in words, as the journal has it.
        watch: told of every look at a job that is waited for.
        beyond: submit even what takes more than the account has left; jobs then wait at IBM.
        budget: what may be spent.
        finder: of jobs whose numbers nobody heard.
    """

    client: Client
    journal: Journal
    purpose: str = "values of a circuit"
    watch: Watcher = _unwatched
    beyond: bool = False
    budget: Budget = field(init=False)
    finder: Finder = field(init=False)
    _unbilled: dict[str, int] = field(init=False, default_factory=dict)
    _account: tuple[float, float] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.budget, self.finder = Budget(self.journal), Finder(self.client, self.journal)

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

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        """The packed results of all requests, in order. All that are missing are submitted before any is waited for.

        Raises:
            BudgetError: they would cost more than is left; nothing is submitted then.
            HardwareError: a job failed or was cancelled, or its result is not what was asked for. All that was done is
                kept: the same call goes on from there.
        """
        found = [self._known(request) for request in requests]
        missing = [request for request, entry in zip(requests, found, strict=True) if entry is None]
        shares = self._shares(missing) if missing else []
        new = iter([self._submit(*pair) for pair in zip(missing, shares, strict=True)])
        entries = [next(new) if entry is None else entry for entry in found]
        return [self._result(entry, request) for entry, request in zip(entries, requests, strict=True)]

    def answer(self, requests: Sequence[Request]) -> list[bytes] | None:
        """The same of what is done or on its way; None, and nothing submitted, where any of it is not."""
        found = [self._known(request) for request in requests]
        entries = [entry for entry in found if entry is not None]
        if len(entries) < len(requests):
            return None
        return [self._result(entry, request) for entry, request in zip(entries, requests, strict=True)]

    def collect(self, wait: bool) -> list[Entry]:
        """Keeps the results of all jobs that were on their way and are done by now; nothing is submitted.

        A result that is not what was asked for is not kept: its entry says why.

        Args:
            wait: for those that are not done.

        Returns:
            All entries of the journal.
        """
        self.finder.adopt(failed=True)
        self._settle_all(wait)
        self._refresh(everything=True)
        return self.journal.entries()

    def adopt(self) -> None:
        """See `Finder.adopt`."""
        self.finder.adopt()

    def _settle_all(self, wait: bool) -> None:
        """Notes how all jobs that were on their way are doing."""
        for entry in self.journal.entries():
            if entry.state == "submitted":
                try:
                    self._settle(entry, self._wait(entry) if wait else self._look(entry))
                except (SpoiltError, StrangeError) as error:
                    _log.warning("%s", error)

    def _known(self, request: Request) -> Entry | None:
        """An attempt that is done or on its way; None where a new one has to be made."""
        entry = self.journal.last(request.key)
        if entry is None or entry.state in ("failed", "cancelled"):
            if not self.finder.ready:
                self.finder.adopt()
            claimed = self.journal.claim(request.key, request.expected.text, self.purpose, request.estimate)
            return claimed and (claimed if claimed.state in ("submitted", "done") else None)
        return self.finder.adopted(entry, patiently=True) if entry.state == "planned" else entry

    def _shares(self, requests: Sequence[Request]) -> list[int]:
        """After how many QPU seconds IBM is to end each of these, so that all stay within the limit.

        Raises:
            BudgetError: not even what they should take does, or it is more than the account has left.
        """
        if not self.finder.ready:
            self.finder.adopt()
        self._refresh()
        try:
            shares = self.budget.shares(requests, self.client.machine.name)
        except BudgetError:
            if self.limit is None:
                raise
            self._settle_all(wait=False)  # what is set aside for jobs that have ended by now is free again
            self._refresh(everything=True)
            shares = self.budget.shares(requests, self.client.machine.name)
        overrun = self.journal.overrun()
        self._check_account(sum(learned(request.estimate, overrun) for request in requests))
        self.client.check_online()
        return shares

    def _check_account(self, seconds: float) -> None:
        """Refuses what the account cannot pay; it is asked anew only where what it said last is used up.

        Raises:
            BudgetError: it has less than these QPU seconds left.
        """
        if self.beyond:
            return
        left = self._account[0] - (self.journal.spent() - self._account[1]) if self._account else -math.inf
        if left >= seconds:
            return
        said = self.client.allowance()
        self._account = (math.inf if said is None else said), self.journal.spent()
        if said is not None and said < seconds:
            raise BudgetError(
                f"this would take about {seconds:,.1f} QPU seconds, and the account has {said:,.1f} left in this "
                "period: nothing was submitted. What was done is kept. --beyond-account (Runner.beyond) submits it all "
                "the same, and its jobs wait"
            )

    def _refresh(self, everything: bool = False) -> None:
        """Asks again for what was not billed yet when a job ended.

        Args:
            everything: also for jobs of earlier processes, and those that were asked for several times.
        """
        for entry in self.journal.entries() if everything or self._unbilled else ():
            looks = self._unbilled.get(entry.tag, 0)
            if entry.open or entry.seconds is not None or not entry.job_id or not (everything or looks):
                continue
            seconds = bill_of(self.client.look(entry.job_id))
            if seconds is not None:
                self.journal.billed(entry, seconds)
            if seconds is not None or looks <= 1:
                self._unbilled.pop(entry.tag, None)
            else:
                self._unbilled[entry.tag] = looks - 1

    def _submit(self, request: Request, most: int) -> Entry:
        """Submits one job, that IBM is to end after so many seconds."""
        entry = self.journal.last(request.key)
        if entry is None or entry.state != "planned":
            size = request.circuits, request.shots, request.estimate
            device, instance = self.client.machine.name, self.client.instance
            entry = self.journal.plan(request.key, device, self.purpose, *size, request.expected.text, instance)
        for attempt in range(TRIES):
            entry = self.journal.posting(entry, most)
            tags = entry.tag, self.journal.folder_tag
            try:
                job_id = self.client.submit(request.kind, request.pubs, request.shots, tags, most)
                return self.journal.submitted(entry, job_id)
            except TransientError as error:
                self.finder.doubtful.add(entry.tag)
                self.client.wait(attempt)
                adopted = self.finder.adopted(entry, patiently=True)  # too many requests can wait, too
                if adopted is not None:
                    return adopted
                reason = error
            except HardwareError as error:
                # Whatever went wrong, it may have been after the job was made.
                adopted = self.finder.adopted(entry, patiently=not isinstance(error, RefusedError))
                if adopted is not None:
                    return adopted
                self.journal.ended(entry, "failed", str(error), 0.0)
                raise
        raise HardwareError(f"IBM's service takes no jobs just now: {reason}. Nothing is lost; try again later")

    def _result(self, entry: Entry, request: Request) -> bytes:
        """What a job brought, once it is there and is what was asked for."""
        if entry.state == "done":
            kept = self.journal.result(entry)
            try:
                request.expected.check(kept)
                return kept
            except SpoiltError as error:
                if not entry.job_id:
                    raise
                entry = self.journal.misfit(entry, str(error), entry.seconds)  # IBM may have the right one
        self.finder.extras(entry)
        job = self._wait(entry)
        ended = self._settle(entry, job, request.expected)
        if ended.state != "done":
            raise HardwareError(_ended(job))
        return self.journal.result(ended)

    def _settle(self, entry: Entry, job: JobView, expected: Expected | None = None) -> Entry:
        """Notes how a job has ended, with its result; nothing where it has not.

        Raises:
            SpoiltError: its result is not what was asked for; it stays `submitted`.
        """
        if job.status not in (*ENDED, GONE):
            return entry
        bill = bill_of(job)
        seconds = None if bill is None else bill + self.finder.extras(entry)
        if seconds is None:
            self._unbilled[entry.tag] = _BILL_LOOKS
        if job.status == "DONE":
            return self._keep(entry, expected, seconds)
        state: Literal["failed", "cancelled"] = "cancelled" if job.status == "CANCELLED" else "failed"
        reason = "IBM no longer has this job" if job.status == GONE else job.reason or ""
        return self.journal.ended(entry, state, reason, seconds)

    def _keep(self, entry: Entry, expected: Expected | None, seconds: float | None) -> Entry:
        """Fetches the result of a job and keeps it, if it is what was asked for."""
        if expected is None and entry.expected is not None:
            expected = Expected.read(entry.expected)
        try:
            packed = pack(self.client.fetch(str(entry.job_id)))
            if expected is not None:
                expected.check(packed)
        except TransientError:
            raise
        except HardwareError as error:
            self.journal.misfit(entry, str(error), seconds)
            raise SpoiltError(
                f"job {entry.job_id} is done, but its result is not what was asked for: {error}. It was not kept, and "
                "the job stays `submitted`: the same command asks IBM for it again, and pays nothing anew"
            ) from None
        return self.journal.done(entry, packed, seconds)

    def _look(self, entry: Entry) -> JobView:
        """A job as it is; that IBM does not know it is believed only when it says so for half a minute."""
        for _ in looks(self.client.pace):
            job = self.client.look(str(entry.job_id))
            if job.status != GONE:
                break
        return job

    def _wait(self, entry: Entry) -> JobView:
        """A job that has ended.

        Raises:
            StrangeError: it is in a state that nobody knows, for longer than a moment.
        """
        pause, strange = FIRST_LOOK * self.client.pace, 0.0
        while True:
            job = self._look(entry)
            self.watch(job, entry, self.journal.spent())
            if job.status in (*ENDED, GONE):
                return job
            strange = 0.0 if job.status in ON_ITS_WAY else strange + pause
            if strange > self.client.pace * PATIENCE:
                raise StrangeError(
                    f"IBM says that job {entry.job_id} is `{job.status}`, a state that this version of qgen does not "
                    "know. It stays `submitted`, and its result is not lost: the same command looks for it again"
                )
            time.sleep(pause)
            pause = min(1.3 * pause, MOST_LOOK)


def _ended(job: JobView) -> str:
    billed = "" if job.seconds is None else f" ({job.seconds:g} QPU seconds were billed)"
    if job.status == "CANCELLED":
        return f"job {job.job_id} was cancelled{billed}: run the same command again to submit it anew; all else is kept"
    if job.status == GONE:
        return f"IBM no longer has job {job.job_id}: the same command submits it anew; all else is kept"
    words = " ".join((job.reason or "no reason given").split())
    return f"job {job.job_id} failed{billed}: {words}. The same command submits it anew; all else is kept"
