"""Requests run on hardware, each paid for once: found in the journal, found at IBM, or submitted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any, Literal, Protocol

from qgen.backends.ibm.client import ENDED, GONE, LONGEST, TRIES, Client, JobView, Primitive, TransientError
from qgen.backends.ibm.journal import Entry, Journal
from qgen.backends.ibm.results import pack
from qgen.errors import BudgetError, HardwareError

#: Seconds between two looks at a job: at first, and at most.
FIRST_LOOK, MOST_LOOK = 0.25, 15.0
_BUDGET = "max_qpu_seconds"


@dataclass(frozen=True)
class Request:
    """Circuits to be run, in one job.

    Attributes:
        key: equal for equal circuits, angles, shots, options and seed.
        kind: the primitive.
        pubs: what it takes.
        circuits: how many, all angles and bases counted apart.
        shots: of each.
        estimate: whole QPU seconds that it takes, at most.
    """

    key: str
    kind: Primitive
    pubs: Sequence[Any]
    circuits: int
    shots: int
    estimate: int


class Watcher(Protocol):
    """Told how a job is doing."""

    def __call__(self, job: JobView, entry: Entry, spent: float) -> None: ...


def _unwatched(job: JobView, entry: Entry, spent: float) -> None:
    pass


@dataclass
class Runner:
    """See the module.

    Attributes:
        client: IBM.
        journal: what was submitted.
        limit: QPU seconds that may be spent, of all that the journal holds; None: nothing may be submitted.
        purpose: what it is all for, in words, as the journal has it.
        watch: told of every look at a job that is waited for.
    """

    client: Client
    journal: Journal
    limit: float | None = None
    purpose: str = "values of a circuit"
    watch: Watcher = _unwatched
    _doubtful: set[str] = field(init=False, default_factory=set)

    def allow(self, seconds: float | None) -> None:
        """Sets the limit, and notes it in the journal; None: the one noted there.

        Raises:
            HardwareError: a limit that is not a number of seconds.
        """
        if seconds is None:
            noted = self.journal.fact(_BUDGET)
            self.limit = None if noted is None else float(noted)
            return
        if not 0 < seconds < float("inf"):
            raise HardwareError(f"max_qpu_seconds = {seconds}: give a number of seconds above 0")
        self.journal.note(_BUDGET, repr(float(seconds)))
        self.limit = float(seconds)

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        """The packed results of all requests, in order. All that are missing are submitted before any is waited for.

        Raises:
            BudgetError: they would cost more than is left; nothing is submitted then.
            HardwareError: a job failed or was cancelled. All that was done is kept: the same call goes on from there.
        """
        found = [self._known(request) for request in requests]
        missing = [request for request, entry in zip(requests, found, strict=True) if entry is None]
        spare = self._spare(missing)
        entries = iter([self._submit(request, floor(request.estimate + spare)) for request in missing])
        return [self._result(next(entries) if entry is None else entry) for entry in found]

    def collect(self, wait: bool) -> list[Entry]:
        """Keeps the results of all jobs that were on their way and are done by now; nothing is submitted.

        Args:
            wait: for those that are not.

        Returns:
            All entries of the journal.
        """
        self.adopt()
        for entry in self.journal.entries():
            if entry.state == "submitted":
                self._settle(entry, self._wait(entry) if wait else self.client.look(str(entry.job_id)))
        self._refresh()
        return self.journal.entries()

    def adopt(self) -> None:
        """Finds the numbers of jobs that reached IBM though nobody heard so."""
        for entry in self.journal.entries():
            if entry.state == "planned":
                self._adopted(entry)

    def _known(self, request: Request) -> Entry | None:
        """An attempt that is done or on its way; None where a new one has to be made."""
        entry = self.journal.last(request.key)
        if entry is None or entry.state in ("failed", "cancelled"):
            return None
        return self._adopted(entry) if entry.state == "planned" else entry

    def _adopted(self, entry: Entry) -> Entry | None:
        """An attempt that may have reached IBM, with its number; None where it did not."""
        found = self.client.find(entry.tag)
        if not found:
            return None
        self._doubtful.add(entry.tag)
        for extra in found[1:]:  # made by a retry of which nobody knew
            self.client.cancel(extra)
        return self.journal.submitted(entry, found[0])

    def _spare(self, requests: Sequence[Request]) -> float:
        """By how many seconds each of these may take longer than planned, so that all stay within the limit.

        Raises:
            BudgetError: not even as planned.
        """
        if not requests:
            return 0.0
        estimate = sum(request.estimate for request in requests)
        if self.limit is None:
            raise BudgetError(
                f"this would take about {estimate:,.1f} QPU seconds on {self.client.machine.name}, and nobody said how "
                "many may be spent: give max_qpu_seconds (--max-qpu-seconds)"
            )
        self._refresh()
        spent = self.journal.spent()
        if spent + estimate > self.limit:
            raise BudgetError(
                f"this would take about {estimate:,.1f} QPU seconds, and {spent:,.1f} of the {self.limit:,.1f} allowed "
                "are spent: nothing was submitted. What was done is kept; a larger --max-qpu-seconds goes on from there"
            )
        self.client.check_online()
        return (self.limit - spent - estimate) / len(requests)

    def _refresh(self) -> None:
        """Asks again for what was not billed yet when a job ended."""
        for entry in self.journal.entries():
            if entry.job_id and entry.seconds is None and entry.state in ("done", "failed", "cancelled"):
                seconds = self.client.look(entry.job_id).seconds
                if seconds is not None:
                    self.journal.billed(entry, seconds)

    def _submit(self, request: Request, most: int) -> Entry:
        """Submits one job, that IBM is to end after so many seconds."""
        entry = self.journal.last(request.key)
        if entry is None or entry.state != "planned":
            size = request.circuits, request.shots, request.estimate
            entry = self.journal.plan(request.key, self.client.machine.name, self.purpose, *size)
        longest = max(1, min(LONGEST, most))
        for attempt in range(TRIES):
            try:
                job_id = self.client.submit(request.kind, request.pubs, request.shots, entry.tag, longest)
                return self.journal.submitted(entry, job_id)
            except TransientError as error:
                self._doubtful.add(entry.tag)
                self.client.wait(attempt)
                adopted = self._adopted(entry)
                if adopted is not None:
                    return adopted
                reason = error
            except HardwareError as error:
                adopted = self._adopted(entry)  # whatever went wrong, it may have been after the job was made
                if adopted is not None:
                    return adopted
                self.journal.ended(entry, "failed", str(error), 0.0)
                raise
        raise HardwareError(f"IBM's service takes no jobs just now: {reason}. Nothing is lost; try again later")

    def _extras(self, entry: Entry) -> float:
        """QPU seconds of jobs that a lost answer made beside this one; those that still wait are cancelled."""
        if entry.tag not in self._doubtful:
            return 0.0
        others = [job_id for job_id in self.client.find(entry.tag) if job_id != entry.job_id]
        for job_id in others:
            self.client.cancel(job_id)
        return sum(self.client.look(job_id).seconds or 0.0 for job_id in others)

    def _result(self, entry: Entry) -> bytes:
        if entry.state == "done":
            return self.journal.result(entry)
        self._extras(entry)
        job = self._wait(entry)
        ended = self._settle(entry, job)
        if ended.state != "done":
            raise HardwareError(_ended(job))
        return self.journal.result(ended)

    def _settle(self, entry: Entry, job: JobView) -> Entry:
        """Notes how a job has ended, with its result; nothing where it has not."""
        if job.status not in (*ENDED, GONE):
            return entry
        seconds = None if job.seconds is None else job.seconds + self._extras(entry)
        if job.status == "DONE":
            return self.journal.done(entry, pack(self.client.fetch(job.job_id)), seconds)
        state: Literal["failed", "cancelled"] = "cancelled" if job.status == "CANCELLED" else "failed"
        return self.journal.ended(entry, state, job.reason or "", seconds)

    def _wait(self, entry: Entry) -> JobView:
        pause, job_id = FIRST_LOOK * self.client.pace, str(entry.job_id)
        while True:
            job = self.client.look(job_id)
            self.watch(job, entry, self.journal.spent())
            if job.status in (*ENDED, GONE):
                return job
            time.sleep(pause)
            pause = min(1.3 * pause, MOST_LOOK)


def _ended(job: JobView) -> str:
    billed = "" if job.seconds is None else f" ({job.seconds:g} QPU seconds were billed)"
    if job.status == "CANCELLED":
        return f"job {job.job_id} was cancelled{billed}: run the same command again to submit it anew; all else is kept"
    words = " ".join((job.reason or "no reason given").split())
    return f"job {job.job_id} failed{billed}: {words}. The same command submits it anew; all else is kept"
