"""A job as IBM sees it: its state, and its bill."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: States of a job in which it goes on, and those in which it has ended. The service may come to know others.
ON_ITS_WAY = ("INITIALIZING", "QUEUED", "RUNNING")
ENDED = ("DONE", "ERROR", "CANCELLED")
#: The state, by our own name, of a job that the service does not know.
GONE = "GONE"
#: IBM's own longest time for a job, in QPU seconds.
LONGEST = 3 * 3600


@dataclass(frozen=True)
class JobView:
    """A job as IBM sees it.

    Attributes:
        job_id: its number.
        status: as Qiskit calls it, see `ON_ITS_WAY` and `ENDED`; `GONE`; or a word that nobody knows yet.
        reason: why it failed; None otherwise.
        position: how many wait before it and itself, if IBM says so.
        seconds: QPU seconds that are billed; None as long as that is not final, or is no number of seconds.
    """

    job_id: str
    status: str
    reason: str | None
    position: int | None
    seconds: float | None


def billed(usage: Any) -> float | None:
    """QPU seconds by what the service says of a job's usage; None: not final, or nothing that can be a bill."""
    if not isinstance(usage, Mapping) or usage.get("status", "pending") == "pending":
        return None
    said = [usage[name] for name in ("qpu_charge_time_seconds", "quantum_seconds") if usage.get(name) is not None]
    seconds = [seconds_of(one) for one in said]
    if any(one is None or one > LONGEST for one in seconds):
        return None
    return next(filter(None, seconds), 0.0)


def seconds_of(value: Any) -> float | None:
    """A number of seconds; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)
