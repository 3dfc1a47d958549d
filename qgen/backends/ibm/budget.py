"""Budget: the QPU seconds that may be spent, and the time limit of each job within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import Protocol

from qgen.backends.ibm.journal import Journal
from qgen.backends.ibm.responses import MAX_JOB_SECONDS
from qgen.errors import BudgetError, HardwareError

_LIMIT_NOTE = "max_qpu_seconds"
#: How much longer than estimated a job may take, where the budget has room: a factor, and further seconds.
MARGIN, MORE = 2, 10
#: Factor on the time limit of a job that was cut off: at least, and where there is room.
_MIN_GROWTH, _GROWTH = 1.5, 3
_ROUNDING = 1e-9


def expected_seconds(estimate: float, overrun: float) -> int:
    """Return the whole QPU seconds of a job.

    Args:
        estimate: seconds by the numbers of the device.
        overrun: ratio of billed to estimated seconds, see `Journal.overrun`.
    """
    return ceil(overrun * estimate - _ROUNDING)


class Estimated(Protocol):
    """A request with an estimate of its cost."""

    @property
    def key(self) -> str:
        """The request's key in the journal."""
        ...

    @property
    def estimate(self) -> int:
        """Whole QPU seconds by the numbers of the device."""
        ...


@dataclass
class Budget:
    """QPU seconds that may be spent.

    Attributes:
        journal: the journal, which knows what was spent.
        limit: QPU seconds that may be spent, over all that the journal holds; None: nothing may.
    """

    journal: Journal
    limit: float | None = None

    def allow(self, seconds: float | None) -> None:
        """Set the limit and note it in the journal; None: take the one noted there.

        Raises:
            HardwareError: the limit is no positive finite number.
        """
        if seconds is None:
            self.limit = self._noted_limit()
            return
        if isinstance(seconds, bool) or not 0 < seconds < float("inf"):
            raise HardwareError(f"max_qpu_seconds = {seconds}: give a number of seconds above 0")
        self.journal.set_note(_LIMIT_NOTE, repr(float(seconds)))
        self.limit = float(seconds)

    def time_limits(self, requests: Sequence[Estimated], device: str) -> list[int]:
        """Return after how many QPU seconds IBM is to end each job, so that all of them stay within the limit.

        Each has a margin beyond what it should take, and more after it was cut off, as far as the limit has room.

        Raises:
            BudgetError: the limit has no room for what they should take.
        """
        overrun = self.journal.overrun()
        ranges = [self._range(request, overrun) for request in requests]
        needed = sum(least for least, _ in ranges)
        spare = self._available(needed, device, requests) - needed
        limits = []
        for index, (least, wanted) in enumerate(ranges):
            more = min(max(0, wanted - least), floor(spare / (len(ranges) - index)))
            limits.append(least + more)
            spare -= more
        return limits

    def _available(self, needed: int, device: str, requests: Sequence[Estimated]) -> float:
        """Return the QPU seconds that may still be spent, where they are enough."""
        if self.limit is None:
            raise BudgetError(
                f"this would take about {needed:,.1f} QPU seconds on {device}, and nobody said how "
                "many may be spent: give max_qpu_seconds (--max-qpu-seconds)"
            )
        attempts = [self.journal.last_attempt(request.key) for request in requests]
        # A kill left an attempt that never reached IBM: the job that takes its place is in `needed`.
        replaced = [record for record in attempts if record is not None and record.state == "planned"]
        spent = self.journal.reserved() - sum(record.max_cost for record in replaced)
        if spent + needed > self.limit:
            timed_out = [record for record in attempts if record is not None and record.timed_out]
            reason = ""
            if timed_out:
                record = timed_out[0]
                reason = f": IBM ended job {record.job_id} after {record.max_cost:,.0f} s, before it was done"
            raise BudgetError(
                f"this would take about {needed:,.1f} QPU seconds{reason}, and {spent:,.1f} of the {self.limit:,.1f} "
                "allowed are spent or set aside for jobs on their way: nothing was submitted. What was done is kept; a "
                "larger --max-qpu-seconds goes on from there"
            )
        return self.limit - spent

    def _range(self, request: Estimated, overrun: float) -> tuple[int, int]:
        """Return the whole QPU seconds that a job has to be given, and those that it gets where there is room."""
        least = max(1, expected_seconds(request.estimate, overrun))
        wanted = MARGIN * least + MORE
        previous = self.journal.last_attempt(request.key)
        if previous is not None and previous.timed_out:
            limit = previous.most or previous.max_cost
            least, wanted = max(least, ceil(_MIN_GROWTH * limit)), max(wanted, ceil(_GROWTH * limit))
        return min(MAX_JOB_SECONDS, least), min(MAX_JOB_SECONDS, wanted)

    def _noted_limit(self) -> float | None:
        note = self.journal.get_note(_LIMIT_NOTE)
        if note is None:
            return None
        try:
            limit = float(note)
        except ValueError:
            limit = 0.0
        if not (isfinite(limit) and limit > 0):
            raise HardwareError(
                f"the limit in the journal {self.journal.path} is no number of seconds: give --max-qpu-seconds"
            )
        return limit
