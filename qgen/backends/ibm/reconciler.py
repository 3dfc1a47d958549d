"""Finds jobs whose id is unknown, by their tags: an answer was lost, a process was killed, a journal was emptied."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from qgen.backends.ibm.client import Client
from qgen.backends.ibm.job_record import JobRecord, is_timeout
from qgen.backends.ibm.journal import Journal
from qgen.backends.ibm.responses import JobInfo
from qgen.errors import HardwareError

#: Seconds between two status requests for a job: at first, and at most.
FIRST_POLL, MAX_POLL = 0.25, 15.0
#: Seconds, times the client's pace, for which a job whose answer was lost is searched: IBM's lists lag behind.
SEARCH_SECONDS = 30.0
#: Seconds after which a job that IBM's lists do not have never reached IBM.
MAX_LIST_LAG = 600.0
_log = logging.getLogger(__name__)


def poll(pace: float, repeat: bool = True) -> Iterator[None]:
    """Yield when to search for a job: now and, with `repeat`, again until IBM's lists must have caught up.

    Counted from the first search: a request whose answer is lost may have reached IBM at any moment until then.
    """
    began, pause = time.monotonic(), FIRST_POLL * pace
    yield
    while repeat and time.monotonic() - began < SEARCH_SECONDS * pace:
        time.sleep(pause)
        pause = min(2 * pause, MAX_POLL * pace)
        yield


def billed_seconds(job: JobInfo) -> float | None:
    """Return the billed QPU seconds of a job; None: not known. A job that ran, or timed out, is never free."""
    ran = job.status == "DONE" or is_timeout(job.reason)
    return None if ran and not job.seconds else job.seconds


@dataclass
class Reconciler:
    """Brings the journal in line with the jobs that IBM has.

    Attributes:
        client: the client of IBM's service.
        journal: the journal of submitted jobs.
        uncertain: tags of which IBM may have several jobs.
        reconciled: whether `reconcile` has run.
    """

    client: Client
    journal: Journal
    uncertain: set[str] = field(init=False, default_factory=set)
    reconciled: bool = field(init=False, default=False)

    def reconcile(self, include_failed: bool = False) -> None:
        """Find the ids of all jobs that reached IBM without an answer, or that the journal has lost.

        Args:
            include_failed: also of those that were refused, or seemed to be.

        Raises:
            HardwareError: open jobs belong to another instance of the account.
        """
        self._check_instance()
        if self.journal.incomplete:
            self._restore()
        for record in self.journal.records():
            planned = record.state == "planned"
            if not planned and not (include_failed and record.state == "failed" and record.job_id is None):
                continue
            if self.find_submitted(record) is None and planned and record.age > MAX_LIST_LAG:
                self.journal.mark_ended(record, "failed", "it never reached IBM", 0.0)
        self.reconciled = True

    def find_submitted(self, record: JobRecord, wait: bool = False) -> JobRecord | None:
        """Find the job of an attempt that may have reached IBM.

        Args:
            record: the attempt.
            wait: search until IBM's lists must have it, had it reached IBM.

        Returns:
            The record with the job's id; None where IBM's lists do not have it.
        """
        job_ids: list[str] = []
        for _ in poll(self.client.pace, wait and record.age < MAX_LIST_LAG):
            job_ids = self.client.find_by_tag(record.tag)
            if job_ids:
                break
        if not job_ids:
            return None
        self.uncertain.add(record.tag)
        last = self.journal.last_attempt(record.key)
        superseded = last is not None and last.tag != record.tag and last.state != "cancelled"
        for duplicate in job_ids[0 if superseded else 1 :]:  # made by a retry of which nobody knew
            self.client.cancel(duplicate)
        return self.journal.mark_submitted(record, job_ids[0])

    def cancel_duplicates(self, record: JobRecord) -> float:
        """Cancel the duplicates of a job that lost answers made; return the QPU seconds that they were billed."""
        if record.tag not in self.uncertain:
            return 0.0
        duplicates = [job_id for job_id in self.client.find_by_tag(record.tag) if job_id != record.job_id]
        for job_id in duplicates:
            self.client.cancel(job_id)
        return sum(self.client.job_status(job_id).seconds or 0.0 for job_id in duplicates)

    def _check_instance(self) -> None:
        instance = self.client.instance
        others = [one for one in self.journal.records() if one.is_open and one.instance not in (None, instance)]
        if others:
            raise HardwareError(
                f"{len(others)} jobs of {self.journal.path} were submitted with another instance of the account, and "
                "cannot be seen from this one: choose that instance (QISKIT_IBM_INSTANCE, or `qgen backends login "
                "--instance`), or cancel them there"
            )

    def _restore(self) -> None:
        """Add the jobs from this folder that IBM knows and the journal does not: it was emptied, or is new."""
        known = {record.tag for record in self.journal.records()}
        num_restored = 0
        for job_id, tags in self.client.tags_of_jobs(self.journal.folder_tag).items():
            ours = [tag for tag in tags if tag.startswith("qgen-") and tag != self.journal.folder_tag]
            if len(ours) != 1 or ours[0] in known:
                continue
            known.add(ours[0])
            self.uncertain.add(ours[0])
            seconds = billed_seconds(self.client.job_status(job_id))
            self.journal.restore(ours[0], job_id, self.client.name, self.client.instance, seconds)
            num_restored += 1
        self.journal.mark_complete()
        if num_restored:
            _log.warning(
                "IBM has %d jobs from this folder that its journal %s had lost: they are in it again, and what they "
                "brought is not paid for a second time",
                num_restored,
                self.journal.path,
            )
