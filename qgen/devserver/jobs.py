"""Jobs, and the sessions and batches that they are submitted in, as the service keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qgen.devserver.billing import LedgerEntry
from qgen.devserver.executor_program import ExecutorProgram

QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = "Queued", "Running", "Completed", "Failed", "Cancelled"
FINAL = (COMPLETED, FAILED, CANCELLED)
TIMED_OUT = 1305  # IBM's code of a job that ran longer than it was allowed to


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def format_time(moment: datetime | None) -> str | None:
    """Return a time as the service writes it: ISO 8601 with a Z."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z") if moment else None


@dataclass
class Job:
    """A job. Fields from `program` on change as it runs, under the service's lock.

    Attributes:
        request: the JSON that it was created with; its params, which may be large, are kept until it is done.
        limit: quantum seconds that it may take; None: as many as it needs.
        program: the program; None once it is done.
        circuits, shots, rep_delay: of the program.
        estimate: quantum seconds that it is billed if it runs to its end.
        seconds, executions: as billed.
        instance: CRN of the account's instance that it belongs to.
    """

    id: str
    backend: str
    request: dict[str, Any]
    tags: list[str]
    session: str | None
    limit: float | None
    created: datetime
    program: ExecutorProgram | None = None
    circuits: int = 0
    shots: int = 0
    rep_delay: float = 0.0
    estimate: float = 0.0
    state: str = QUEUED
    reason: str | None = None
    code: int | None = None
    started: datetime | None = None
    ended: datetime | None = None
    result: str = ""
    executions: int = 0
    seconds: float = 0.0
    deleted: bool = False
    instance: str = ""

    @property
    def done(self) -> bool:
        """Whether it is in a final state."""
        return self.state in FINAL

    @property
    def requested_executions(self) -> int:
        """Executions that it asks for."""
        return self.circuits * self.shots

    def end(self, state: str, reason: str | None = None, code: int | None = None) -> None:
        """Enter a final state."""
        self.state, self.reason, self.code, self.ended = state, reason, code, now()
        self.program = None
        self.request.pop("params", None)

    def ledger_entry(self) -> LedgerEntry:
        """Return its entry in the ledger."""
        request = self.id, tuple(self.tags), self.backend, self.state, self.circuits, self.shots
        return LedgerEntry(*request, self.executions, self.seconds)

    def to_json(self, position: int | None, with_params: bool) -> dict[str, Any]:
        """Return the response to `GET /jobs/ID`."""
        state = {"status": self.state, "reason": self.reason, "reason_code": self.code}
        fields = {
            "id": self.id,
            "backend": self.backend,
            "program": {"id": self.request.get("program_id")},
            "state": {key: value for key, value in state.items() if value is not None},
            "status": self.state,
            "created": format_time(self.created),
            "ended": format_time(self.ended),
            "tags": self.tags,
            "session_id": self.session,
            "cost": self.limit,
            "private": bool(self.request.get("private")),
            "estimated_running_time_seconds": self.estimate,
            "position_in_queue": position,
            "usage": {"seconds": self.seconds, "quantum_seconds": self.seconds},
            "params": self.request.get("params") if with_params else None,
        }
        return {key: value for key, value in fields.items() if value is not None}

    def metrics(self, position: int | None) -> dict[str, Any]:
        """Return the response to `GET /jobs/ID/metrics`."""
        times = {
            "created": format_time(self.created),
            "running": format_time(self.started),
            "finished": format_time(self.ended),
        }
        return {
            "timestamps": times,
            "usage": {
                "status": "completed" if self.done else "pending",
                "qpu_charge_time_seconds": self.seconds,
                "quantum_seconds": self.seconds,
                "seconds": self.seconds,
            },
            "executions": self.executions,
            "num_circuits": self.circuits,
            "position_in_queue": position,
            "estimated_running_time_seconds": self.estimate,
        }


@dataclass
class Session:
    """A session (mode `dedicated`) or a batch.

    Attributes:
        seconds: seconds that it may stay open.
    """

    id: str
    mode: str
    backend: str
    seconds: int
    created: datetime
    accepting: bool = True
    closed: datetime | None = None

    def to_json(self, jobs: list[Job]) -> dict[str, Any]:
        """Return the response to `GET /sessions/ID`; `jobs` are its own."""
        started = [job.started for job in jobs if job.started]
        ended = [job.ended for job in jobs if job.started and job.ended]
        if self.mode == "dedicated":  # billed while it is open, whether jobs run or not
            elapsed = ((self.closed or now()) - min(started)).total_seconds() if started else 0.0
        else:
            elapsed = sum(job.seconds for job in jobs)
        state = "closed" if self.closed else "active" if started else "open"
        return {
            "id": self.id,
            "backend_name": self.backend,
            "mode": self.mode,
            "state": state,
            "accepting_jobs": self.accepting,
            "max_ttl": self.seconds,
            "active_ttl": self.seconds,
            "interactive_ttl": 60 if self.mode == "dedicated" else 1,
            "started_at": format_time(min(started, default=None)),
            "activated_at": format_time(min(started, default=None)),
            "last_job_started": format_time(max(started, default=None)),
            "last_job_completed": format_time(max(ended, default=None)),
            "closed_at": format_time(self.closed),
            "elapsed_time": elapsed,
            "timestamps": [{"status": "open", "timestamp": format_time(self.created)}],
        }
