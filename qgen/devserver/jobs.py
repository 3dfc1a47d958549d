"""A job as the service keeps it, and what clients are told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qgen.devserver.billing import Entry
from qgen.devserver.program import Program

QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = "Queued", "Running", "Completed", "Failed", "Cancelled"
FINAL = (COMPLETED, FAILED, CANCELLED)
TOO_LONG = 1305  # the code of a job that ran longer than it was allowed to


def now() -> datetime:
    """In UTC, as the service's times are."""
    return datetime.now(UTC)


def stamp(moment: datetime | None) -> str | None:
    """As in the service's answers: ISO 8601 with a Z."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z") if moment else None


@dataclass
class Job:
    """One submission. Fields below `program` change as it is worked on, under the service's lock.

    Attributes:
        request: the JSON that it was created with; its params, which may be large, are kept until it is done.
        estimate: quantum seconds that it will be billed, if it runs to its end.
        limit: quantum seconds that it may take; None: as many as it needs.
        program: what it asks for; None once it is done.
        circuits, shots, rep_delay: of the program.
        seconds, executions: what it was billed.
        instance: of the account, that it belongs to.
    """

    id: str
    backend: str
    request: dict[str, Any]
    tags: list[str]
    session: str | None
    limit: float | None
    created: datetime
    program: Program | None = None
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
        """Whether it is in a state that it will not leave."""
        return self.state in FINAL

    @property
    def asked(self) -> int:
        """Executions that it asked for."""
        return self.circuits * self.shots

    def end(self, state: str, reason: str | None = None, code: int | None = None) -> None:
        """Put it into a final state."""
        self.state, self.reason, self.code, self.ended = state, reason, code, now()
        self.program = None
        self.request.pop("params", None)

    def entry(self) -> Entry:
        """Its line in the ledger."""
        what = self.id, tuple(self.tags), self.backend, self.state, self.circuits, self.shots
        return Entry(*what, self.executions, self.seconds)

    def plain(self, position: int | None, with_params: bool) -> dict[str, Any]:
        """What `GET /jobs/ID` answers."""
        state = {"status": self.state, "reason": self.reason, "reason_code": self.code}
        answer = {
            "id": self.id,
            "backend": self.backend,
            "program": {"id": self.request.get("program_id")},
            "state": {key: value for key, value in state.items() if value is not None},
            "status": self.state,
            "created": stamp(self.created),
            "ended": stamp(self.ended),
            "tags": self.tags,
            "session_id": self.session,
            "cost": self.limit,
            "private": bool(self.request.get("private")),
            "estimated_running_time_seconds": self.estimate,
            "position_in_queue": position,
            "usage": {"seconds": self.seconds, "quantum_seconds": self.seconds},
            "params": self.request.get("params") if with_params else None,
        }
        return {key: value for key, value in answer.items() if value is not None}

    def metrics(self, position: int | None) -> dict[str, Any]:
        """What `GET /jobs/ID/metrics` answers."""
        times = {"created": stamp(self.created), "running": stamp(self.started), "finished": stamp(self.ended)}
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
