"""Billing: what a job costs, what the account may spend, and the ledger of what was billed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: Billed for every job, in seconds: https://quantum.cloud.ibm.com/docs/guides/estimate-job-run-time
OVERHEAD = 2.0
MAX_EXECUTIONS = 10_000_000  # of a job: https://quantum.cloud.ibm.com/docs/guides/job-limits


@dataclass(frozen=True)
class Tariff:
    """Quantum seconds of a job by its number of executions: 2 + (rep_delay + circuit) * executions.

    With IBM's usual values, 250 us between two shots and 100 us for a circuit, 1,000 executions take 0.35 seconds.

    Attributes:
        circuit_seconds: seconds that a circuit counts for.
    """

    circuit_seconds: float = 1e-4

    def seconds(self, executions: int, rep_delay: float) -> float:
        """Return the quantum seconds of a job; `rep_delay` in seconds."""
        return OVERHEAD + (rep_delay + self.circuit_seconds) * executions

    def executions_within(self, seconds: float, rep_delay: float) -> int:
        """Return how many executions a job finishes in a number of quantum seconds."""
        return max(0, round((seconds - OVERHEAD) / (rep_delay + self.circuit_seconds)))


@dataclass(frozen=True)
class Plan:
    """Plan of the account.

    Attributes:
        seconds: quantum seconds in all; once they are used up, jobs wait. IBM's Open Plan has 600 in 28 days.
        sessions: whether dedicated sessions may be opened; the Open Plan has none.
        executions: maximum number of executions of a job.
    """

    seconds: float = 600.0
    sessions: bool = False
    executions: int = MAX_EXECUTIONS


@dataclass(frozen=True)
class LedgerEntry:
    """The bill of one job.

    Attributes:
        id, tags, backend, state: of the job.
        circuits: number of bound circuits that it asked for; shots: shots of each.
        executions: circuits times shots that ran; 0 where nothing did.
        seconds: billed quantum seconds.
    """

    id: str
    tags: tuple[str, ...]
    backend: str
    state: str
    circuits: int
    shots: int
    executions: int
    seconds: float


@dataclass(frozen=True)
class Ledger:
    """All jobs since the server started, deleted ones included, in the order of submission."""

    jobs: tuple[LedgerEntry, ...]

    @property
    def executions(self) -> int:
        """Billed executions in all."""
        return sum(entry.executions for entry in self.jobs)

    @property
    def seconds(self) -> float:
        """Billed quantum seconds in all."""
        return sum(entry.seconds for entry in self.jobs)

    @property
    def billed(self) -> tuple[LedgerEntry, ...]:
        """Jobs that cost something."""
        return tuple(entry for entry in self.jobs if entry.seconds)

    def tagged(self, tag: str) -> tuple[LedgerEntry, ...]:
        """Return the jobs with this tag."""
        return tuple(entry for entry in self.jobs if tag in entry.tags)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        total = {"jobs": len(self.jobs), "executions": self.executions, "seconds": self.seconds}
        return {"jobs": [asdict(entry) for entry in self.jobs], "total": total}
