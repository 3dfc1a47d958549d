"""Requests run on hardware, each paid for once: found in the journal, found at IBM, or submitted."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any, Protocol

from qgen.backends.ibm.client import ENDED, TRIES, Client, JobView, Primitive, TransientError
from qgen.backends.ibm.journal import Entry, Journal
from qgen.backends.ibm.results import pack
from qgen.errors import BudgetError, HardwareError

#: Seconds between two looks at a job: at first, and at most.
FIRST_LOOK, MOST_LOOK = 0.25, 15.0
#: IBM's own longest time for a job, in QPU seconds.
_LONGEST = 3 * 3600
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
        missing = [k for k, entry in enumerate(found) if entry is None]
        self._check([requests[k] for k in missing])
        for k in missing:
            found[k] = self._submit(requests[k])
        return [self._result(entry) for entry in found if entry is not None]

    def collect(self, wait: bool) -> list[Entry]:
        """Keeps the results of all jobs that were on their way and are done by now; nothing is submitted.

        Args:
            wait: for those that are not.

        Returns:
            All entries of the journal.
        """
        for entry in self.journal.entries():
            found = self._adopted(entry) if entry.state == "planned" else entry
            if found is not None and found.state == "submitted":
                job = self._wait(found) if wait else self.client.look(str(found.job_id))
                self._settle(found, job)
        return self.journal.entries()

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
        for extra in found[1:]:  # made by a retry of which nobody knew
            self.client.cancel(extra)
        return self.journal.submitted(entry, found[0])

    def _check(self, requests: Sequence[Request]) -> None:
        if not requests:
            return
        estimate = sum(request.estimate for request in requests)
        if self.limit is None:
            raise BudgetError(
                f"this would take about {estimate:,.1f} QPU seconds on {self.client.machine.name}, and nobody said how "
                "many may be spent: give max_qpu_seconds (--max-qpu-seconds)"
            )
        spent = self._settled({request.key for request in requests})
        if spent + estimate > self.limit:
            raise BudgetError(
                f"this would take about {estimate:,.1f} QPU seconds, and {spent:,.1f} of the {self.limit:,.1f} allowed "
                "are spent: nothing was submitted. What was done is kept; a larger --max-qpu-seconds goes on from there"
            )

    def _settled(self, about: Collection[str]) -> float:
        """QPU seconds spent, but for what never reached IBM of these; what was not final is asked for again."""
        for entry in self.journal.entries():
            if entry.job_id and entry.seconds is None and entry.state in ("failed", "cancelled"):
                self.journal.ended(entry, entry.state, entry.reason or "", self.client.look(entry.job_id).seconds)
        planned = sum(one.cost for one in self.journal.entries() if one.state == "planned" and one.key in about)
        return self.journal.spent() - planned

    def _submit(self, request: Request) -> Entry:
        entry = self.journal.last(request.key)
        if entry is None or entry.state != "planned":
            entry = self.journal.plan(
                request.key,
                self.client.machine.name,
                self.purpose,
                request.circuits,
                request.shots,
                request.estimate,
            )
        for attempt in range(TRIES):
            try:
                job_id = self.client.submit(request.kind, request.pubs, request.shots, entry.tag, self._longest(entry))
                return self.journal.submitted(entry, job_id)
            except TransientError as error:
                self.client.wait(attempt)
                adopted = self._adopted(entry)
                if adopted is not None:
                    return adopted
                reason = error
        raise HardwareError(f"IBM's service takes no jobs just now: {reason}. Nothing is lost; try again later")

    def _longest(self, entry: Entry) -> int:
        """What is left of the budget ends a job that takes longer than planned."""
        others = self.journal.spent() - entry.cost
        return max(1, min(_LONGEST, floor((self.limit or 0.0) - others)))

    def _result(self, entry: Entry) -> bytes:
        if entry.state == "done":
            return self.journal.result(entry)
        job = self._wait(entry)
        ended = self._settle(entry, job)
        if ended.state != "done":
            raise HardwareError(_ended(job))
        return self.journal.result(ended)

    def _settle(self, entry: Entry, job: JobView) -> Entry:
        """Notes how a job has ended, with its result; nothing where it has not."""
        if job.status == "DONE":
            return self.journal.done(entry, pack(self.client.fetch(job.job_id)), job.seconds)
        if job.status not in ENDED:
            return entry
        return self.journal.ended(
            entry, "cancelled" if job.status == "CANCELLED" else "failed", job.reason or "", job.seconds
        )

    def _wait(self, entry: Entry) -> JobView:
        pause, job_id = FIRST_LOOK * self.client.pace, str(entry.job_id)
        while True:
            job = self.client.look(job_id)
            self.watch(job, entry, self.journal.spent())
            if job.status in ENDED:
                return job
            time.sleep(pause)
            pause = min(1.3 * pause, MOST_LOOK)


def _ended(job: JobView) -> str:
    billed = "" if job.seconds is None else f" ({job.seconds:g} QPU seconds were billed)"
    if job.status == "CANCELLED":
        return f"job {job.job_id} was cancelled{billed}: run the same command again to submit it anew; all else is kept"
    words = " ".join((job.reason or "no reason given").split())
    return f"job {job.job_id} failed{billed}: {words}. The same command submits it anew; all else is kept"
