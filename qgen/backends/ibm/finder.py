"""Jobs whose numbers nobody heard: an answer was lost, a process was killed, a journal was emptied. Tags find them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from qgen.backends.ibm.client import Client
from qgen.backends.ibm.entry import Entry, is_cut_off
from qgen.backends.ibm.journal import Journal
from qgen.backends.ibm.views import JobView
from qgen.errors import HardwareError

#: Seconds between two looks at a job: at first, and at most.
FIRST_LOOK, MOST_LOOK = 0.25, 15.0
#: Seconds, times the client's pace, for which a job whose answer was lost is looked for: IBM's lists lag behind.
PATIENCE = 30.0
#: Seconds after which a job that IBM's lists do not have never reached IBM.
SETTLED = 600.0
_log = logging.getLogger(__name__)


def looks(pace: float, patiently: bool = True) -> Iterator[None]:
    """Moments to look for a job in: now and, patiently, again until IBM's lists must have caught up.

    Counted from the first look: a request whose answer is lost may have reached IBM at any moment until then.
    """
    began, pause = time.monotonic(), FIRST_LOOK * pace
    yield
    while patiently and time.monotonic() - began < PATIENCE * pace:
        time.sleep(pause)
        pause = min(2 * pause, MOST_LOOK * pace)
        yield


def bill_of(job: JobView) -> float | None:
    """QPU seconds that a job was billed; None: not known. One that ran, to its end or to its limit, has a bill."""
    ran = job.status == "DONE" or is_cut_off(job.reason)
    return None if ran and not job.seconds else job.seconds


@dataclass
class Finder:
    """See the module.

    Attributes:
        client: IBM.
        journal: what was submitted.
        doubtful: tags of which IBM may have several jobs.
        ready: whether all has been looked for once.
    """

    client: Client
    journal: Journal
    doubtful: set[str] = field(init=False, default_factory=set)
    ready: bool = field(init=False, default=False)

    def adopt(self, failed: bool = False) -> None:
        """Finds the numbers of all jobs that reached IBM though nobody heard so, or whose journal was lost.

        Args:
            failed: also of those that were refused, or so it seemed.

        Raises:
            HardwareError: jobs on their way belong to another instance of the account.
        """
        self._check_instance()
        if self.journal.lossy:
            self._restore()
        for entry in self.journal.entries():
            planned = entry.state == "planned"
            if not planned and not (failed and entry.state == "failed" and entry.job_id is None):
                continue
            if self.adopted(entry) is None and planned and entry.age > SETTLED:
                self.journal.ended(entry, "failed", "it never reached IBM", 0.0)
        self.ready = True

    def adopted(self, entry: Entry, patiently: bool = False) -> Entry | None:
        """An attempt that may have reached IBM, with its number; None where IBM's lists do not have it.

        Args:
            entry: the attempt.
            patiently: look until they must have it, had it reached IBM.
        """
        found: list[str] = []
        for _ in looks(self.client.pace, patiently and entry.age < SETTLED):
            found = self.client.find(entry.tag)
            if found:
                break
        if not found:
            return None
        self.doubtful.add(entry.tag)
        last = self.journal.last(entry.key)
        superseded = last is not None and last.tag != entry.tag and last.state != "cancelled"
        for extra in found[0 if superseded else 1 :]:  # made by a retry of which nobody knew
            self.client.cancel(extra)
        return self.journal.submitted(entry, found[0])

    def extras(self, entry: Entry) -> float:
        """QPU seconds of jobs that a lost answer made beside this one; those that still wait are cancelled."""
        if entry.tag not in self.doubtful:
            return 0.0
        others = [job_id for job_id in self.client.find(entry.tag) if job_id != entry.job_id]
        for job_id in others:
            self.client.cancel(job_id)
        return sum(self.client.look(job_id).seconds or 0.0 for job_id in others)

    def _check_instance(self) -> None:
        here = self.client.instance
        strange = [one for one in self.journal.entries() if one.open and one.instance not in (None, here)]
        if strange:
            raise HardwareError(
                f"{len(strange)} jobs of {self.journal.path} were submitted with another instance of the account, and "
                "cannot be seen from this one: choose that instance (QISKIT_IBM_INSTANCE, or `qgen backends login "
                "--instance`), or cancel them there"
            )

    def _restore(self) -> None:
        """Enters the jobs from this folder that IBM knows and the journal does not: it was emptied, or is new."""
        known = {entry.tag for entry in self.journal.entries()}
        lost = 0
        for job_id, tags in self.client.tagged(self.journal.folder_tag).items():
            mine = [tag for tag in tags if tag.startswith("qgen-") and tag != self.journal.folder_tag]
            if len(mine) != 1 or mine[0] in known:
                continue
            known.add(mine[0])
            self.doubtful.add(mine[0])
            seconds = bill_of(self.client.look(job_id))
            self.journal.restore(mine[0], job_id, self.client.name, self.client.instance, seconds)
            lost += 1
        self.journal.mend()
        if lost:
            _log.warning(
                "IBM has %d jobs from this folder that its journal %s had lost: they are in it again, and what they "
                "brought is not paid for a second time",
                lost,
                self.journal.path,
            )
