"""What may be spent, and how long each job may take within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import Protocol

from qgen.backends.ibm.journal import Journal
from qgen.backends.ibm.views import LONGEST
from qgen.errors import BudgetError, HardwareError

_NOTED = "max_qpu_seconds"
#: How much longer than estimated a job may take, where the limit has room: so many times, and so many seconds more.
MARGIN, MORE = 2, 10
#: How many times as long as before a job is given that was cut off: at least, and where there is room.
_LEAST_GROWTH, _GROWTH = 1.5, 3
_LAST_BIT = 1e-9


def learned(estimate: float, overrun: float) -> int:
    """Whole QPU seconds that a job takes, where jobs take so many times as long as estimated."""
    return ceil(overrun * estimate - _LAST_BIT)


class Priced(Protocol):
    """What is to run in one job."""

    @property
    def key(self) -> str:
        """By which the journal knows it."""
        ...

    @property
    def estimate(self) -> int:
        """Whole QPU seconds that it takes, by the numbers of the device."""
        ...


@dataclass
class Budget:
    """See the module.

    Attributes:
        journal: of what was spent.
        limit: QPU seconds that may be spent, over all that the journal holds; None: nothing may.
    """

    journal: Journal
    limit: float | None = None

    def allow(self, seconds: float | None) -> None:
        """Sets the limit, and notes it in the journal; None: the one noted there.

        Raises:
            HardwareError: a limit that is not a number of seconds.
        """
        if seconds is None:
            self.limit = self._noted()
            return
        if isinstance(seconds, bool) or not 0 < seconds < float("inf"):
            raise HardwareError(f"max_qpu_seconds = {seconds}: give a number of seconds above 0")
        self.journal.note(_NOTED, repr(float(seconds)))
        self.limit = float(seconds)

    def shares(self, requests: Sequence[Priced], device: str) -> list[int]:
        """After how many QPU seconds IBM is to end each job, so that all of them stay within the limit.

        Each has a margin beyond what it should take, and more after it was cut off, as far as the limit has room.

        Raises:
            BudgetError: the limit has no room for what they should take.
        """
        overrun = self.journal.overrun()
        needs = [self._need(request, overrun) for request in requests]
        least = sum(need for need, _ in needs)
        spare = self._left(least, device, requests) - least
        shares = []
        for place, (need, wanted) in enumerate(needs):
            more = min(max(0, wanted - need), floor(spare / (len(needs) - place)))
            shares.append(need + more)
            spare -= more
        return shares

    def _left(self, least: int, device: str, requests: Sequence[Priced]) -> float:
        """QPU seconds that may still be spent, where they are enough."""
        if self.limit is None:
            raise BudgetError(
                f"this would take about {least:,.1f} QPU seconds on {device}, and nobody said how "
                "many may be spent: give max_qpu_seconds (--max-qpu-seconds)"
            )
        spent = self.journal.reserved()
        if spent + least > self.limit:
            cut = [entry for one in requests if (entry := self.journal.last(one.key)) is not None and entry.cut_off]
            why = f": IBM ended job {cut[0].job_id} after {cut[0].worst:,.0f} s, before it was done" if cut else ""
            raise BudgetError(
                f"this would take about {least:,.1f} QPU seconds{why}, and {spent:,.1f} of the {self.limit:,.1f} "
                "allowed are spent or set aside for jobs on their way: nothing was submitted. What was done is kept; a "
                "larger --max-qpu-seconds goes on from there"
            )
        return self.limit - spent

    def _need(self, request: Priced, overrun: float) -> tuple[int, int]:
        """Whole QPU seconds that a job has to be given, and that it should be given where there is room."""
        need = max(1, learned(request.estimate, overrun))
        wanted = MARGIN * need + MORE
        before = self.journal.last(request.key)
        if before is not None and before.cut_off:
            had = before.most or before.worst
            need, wanted = max(need, ceil(_LEAST_GROWTH * had)), max(wanted, ceil(_GROWTH * had))
        return min(LONGEST, need), min(LONGEST, wanted)

    def _noted(self) -> float | None:
        noted = self.journal.fact(_NOTED)
        if noted is None:
            return None
        try:
            limit = float(noted)
        except ValueError:
            limit = 0.0
        if not (isfinite(limit) and limit > 0):
            raise HardwareError(
                f"the limit in the journal {self.journal.path} is no number of seconds: give --max-qpu-seconds"
            )
        return limit
