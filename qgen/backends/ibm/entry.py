"""One line of the journal: an attempt to have a request run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, get_args

State = Literal["planned", "submitted", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Entry:
    """One attempt to have a request run.

    Attributes:
        key: of the request: equal for equal circuits, angles, shots and seed on one backend.
        attempt: from 0; a new one is made only where the last one is known to have failed, or to be cancelled.
        tag: the mark by which the job is found at IBM, should its number be lost.
        backend: the device.
        state: `planned`: may or may not have reached IBM.
        job_id: IBM's number of it.
        purpose: in words.
        circuits, shots, executions: how much it is.
        estimate: QPU seconds, as planned.
        seconds: QPU seconds, as billed; None: not known yet.
        reason: why it failed, or why its result was not taken.
        created, changed: in ISO format, UTC.
        most: QPU seconds after which IBM is to end it; None: not known.
        expected: what its result has to be like, see `Expected`; None: not known.
        instance: a mark of the account's instance that it went to; None: not known.
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
        """QPU seconds that it cost, or is planned to."""
        return self.estimate if self.seconds is None else self.seconds

    @property
    def worst(self) -> float:
        """QPU seconds that it cost, or may cost at most: as long as nothing is known, all that IBM lets it run."""
        return max(self.estimate, self.most or 0.0) if self.seconds is None else self.seconds

    @property
    def open(self) -> bool:
        """Whether it may still run."""
        return self.state in ("planned", "submitted")

    @property
    def age(self) -> float:
        """Seconds since it was last changed; 0 where the clock was set back."""
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(self.changed)).total_seconds())

    @property
    def cut_off(self) -> bool:
        """Whether IBM ended it because it took longer than it was allowed to."""
        return self.state == "failed" and is_cut_off(self.reason)

    @classmethod
    def read(cls, row: Sequence[Any]) -> Entry:
        """From a row of the journal, its values in the order of `COLUMNS`.

        Raises:
            ValueError: it holds what no entry has.
        """
        found = dict(zip(COLUMNS.split(", "), row, strict=True))
        right = all(isinstance(found[name], kind) for name, kind in _KINDS.items())
        right &= all(found[name] is None or isinstance(found[name], kind) for name, kind in _MAYBE.items())
        right &= found["state"] in get_args(State) and all(_is_time(found[name]) for name in ("created", "changed"))
        # What counts against a limit never makes room in it.
        right = right and all((found[name] or 0.0) >= 0.0 for name in ("estimate", "seconds", "most"))
        if not right:
            raise ValueError("a job of it holds what no job has")
        return cls(**found)


def is_cut_off(reason: str | None) -> bool:
    """Whether that is what IBM says of a job that took longer than it was allowed to."""
    words = (reason or "").lower()
    return "1305" in words or "maximum execution time" in words


COLUMNS = ", ".join(field.name for field in fields(Entry))
_KINDS: dict[str, type] = dict.fromkeys(("key", "tag", "backend", "purpose"), str) | {"estimate": float}
_KINDS |= dict.fromkeys(("attempt", "circuits", "shots", "executions"), int)
_MAYBE: dict[str, type] = dict.fromkeys(("job_id", "reason", "expected", "instance"), str)
_MAYBE |= {"seconds": float, "most": float}


def _is_time(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except (TypeError, ValueError):
        return False
