"""What a job costs, what the account may spend, and the book of what was billed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: Billed for every job, in seconds: https://quantum.cloud.ibm.com/docs/guides/estimate-job-run-time
OVERHEAD = 2.0
MAX_EXECUTIONS = 10_000_000  # of a job: https://quantum.cloud.ibm.com/docs/guides/job-limits


@dataclass(frozen=True)
class Tariff:
    """How the quantum seconds of a job follow from its executions: 2 + (rep_delay + circuit) * executions.

    With IBM's usual values, 250 us between two shots and 100 us for a circuit, 1,000 executions take 0.35 seconds.

    Attributes:
        circuit_seconds: what a circuit counts for.
    """

    circuit_seconds: float = 1e-4

    def seconds(self, executions: int, rep_delay: float) -> float:
        """Quantum seconds of a job; `rep_delay` in seconds."""
        return OVERHEAD + (rep_delay + self.circuit_seconds) * executions

    def executions_within(self, seconds: float, rep_delay: float) -> int:
        """How many executions a job gets done in so many quantum seconds."""
        return max(0, round((seconds - OVERHEAD) / (rep_delay + self.circuit_seconds)))


@dataclass(frozen=True)
class Plan:
    """What the account may do.

    Attributes:
        seconds: quantum seconds in all; once they are used up, jobs wait. IBM's Open Plan has 600 in 28 days.
        sessions: whether dedicated sessions may be opened; the Open Plan has none.
        executions: that a job may have.
    """

    seconds: float = 600.0
    sessions: bool = False
    executions: int = MAX_EXECUTIONS


@dataclass(frozen=True)
class Entry:
    """What one job was billed.

    Attributes:
        id, tags, backend, state: of the job.
        circuits: bound circuits that it asked for; shots: of each.
        executions: circuits times shots that ran: 0 where nothing did.
        seconds: quantum seconds billed.
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
    """All jobs since the server started, deleted ones included, in the order in which they came."""

    jobs: tuple[Entry, ...]

    @property
    def executions(self) -> int:
        """Billed in all."""
        return sum(entry.executions for entry in self.jobs)

    @property
    def seconds(self) -> float:
        """Billed in all."""
        return sum(entry.seconds for entry in self.jobs)

    @property
    def billed(self) -> tuple[Entry, ...]:
        """The jobs that cost something."""
        return tuple(entry for entry in self.jobs if entry.seconds)

    def tagged(self, tag: str) -> tuple[Entry, ...]:
        """The jobs with this tag."""
        return tuple(entry for entry in self.jobs if tag in entry.tags)

    def plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        total = {"jobs": len(self.jobs), "executions": self.executions, "seconds": self.seconds}
        return {"jobs": [asdict(entry) for entry in self.jobs], "total": total}
