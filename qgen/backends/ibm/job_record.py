"""JobRecord: one row of the journal, an attempt to run a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, get_args

State = Literal["planned", "submitted", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class JobRecord:
    """One attempt to run a request. Its fields are the columns of the journal, and the keys of `qgen jobs --json`.

    Attributes:
        key: of the request: equal for equal circuits, angles, shots and seed on one backend.
        attempt: from 0; a new one is made only where the last one is known to have failed, or to be cancelled.
        tag: the tag by which the job is found at IBM if its id was lost.
        backend: the device.
        state: `planned`: may or may not have reached IBM.
        job_id: IBM's id of the job.
        purpose: a description of the work that it is part of.
        circuits, shots, executions: its size.
        estimate: planned QPU seconds.
        seconds: billed QPU seconds; None: not known yet.
        reason: why it failed, or why its result was rejected.
        created, changed: in ISO format, UTC.
        most: QPU seconds after which IBM ends it; None: not known.
        expected: the shape of its result as JSON, see `ExpectedResult`; None: not known.
        instance: hash of the account's instance that it went to; None: not known.
    """

    key: str
    attempt: int
    tag: str
    backend: str
    state: State
    job_id: str | None
    purpose: str
    circuits: int
    shots: int
    executions: int
    estimate: float
    seconds: float | None
    reason: str | None
    created: str
    changed: str
    most: float | None
    expected: str | None
    instance: str | None

    @property
    def cost(self) -> float:
        """QPU seconds, as billed, else as planned."""
        return self.estimate if self.seconds is None else self.seconds

    @property
    def max_cost(self) -> float:
        """QPU seconds, as billed, else the longest that IBM lets it run."""
        return max(self.estimate, self.most or 0.0) if self.seconds is None else self.seconds

    @property
    def is_open(self) -> bool:
        """Whether it may still run."""
        return self.state in ("planned", "submitted")

    @property
    def age(self) -> float:
        """Seconds since it was last changed; 0 where the clock was set back."""
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(self.changed)).total_seconds())

    @property
    def timed_out(self) -> bool:
        """Whether IBM ended it at its time limit."""
        return self.state == "failed" and is_timeout(self.reason)

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> JobRecord:
        """Read a row of the journal.

        Args:
            row: values in the order of `COLUMNS`.

        Raises:
            ValueError: a value is not valid.
        """
        values = dict(zip(COLUMNS.split(", "), row, strict=True))
        valid = all(isinstance(values[name], kind) for name, kind in _REQUIRED.items())
        valid &= all(values[name] is None or isinstance(values[name], kind) for name, kind in _OPTIONAL.items())
        valid &= values["state"] in get_args(State) and all(_is_time(values[name]) for name in ("created", "changed"))
        # What counts against a limit never makes room in it.
        valid = valid and all((values[name] or 0.0) >= 0.0 for name in ("estimate", "seconds", "most"))
        if not valid:
            raise ValueError("a job of it holds what no job has")
        return cls(**values)


def is_timeout(reason: str | None) -> bool:
    """Return whether IBM gives this reason for a job that it ended at its time limit."""
    text = (reason or "").lower()
    return "1305" in text or "maximum execution time" in text


COLUMNS = ", ".join(field.name for field in fields(JobRecord))
_REQUIRED: dict[str, type] = dict.fromkeys(("key", "tag", "backend", "purpose"), str) | {"estimate": float}
_REQUIRED |= dict.fromkeys(("attempt", "circuits", "shots", "executions"), int)
_OPTIONAL: dict[str, type] = dict.fromkeys(("job_id", "reason", "expected", "instance"), str)
_OPTIONAL |= {"seconds": float, "most": float}


def _is_time(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except (TypeError, ValueError):
        return False
