"""Sessions and batches: what jobs are submitted together in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qgen.devserver.jobs import Job, now, stamp


@dataclass
class Session:
    """A session (mode `dedicated`) or a batch.

    Attributes:
        seconds: that it may stay open.
    """

    id: str
    mode: str
    backend: str
    seconds: int
    created: datetime
    accepting: bool = True
    closed: datetime | None = None

    def plain(self, jobs: list[Job]) -> dict[str, Any]:
        """What `GET /sessions/ID` answers, `jobs` being its own."""
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
            "started_at": stamp(min(started, default=None)),
            "activated_at": stamp(min(started, default=None)),
            "last_job_started": stamp(max(started, default=None)),
            "last_job_completed": stamp(max(ended, default=None)),
            "closed_at": stamp(self.closed),
            "elapsed_time": elapsed,
            "timestamps": [{"status": "open", "timestamp": stamp(self.created)}],
        }
