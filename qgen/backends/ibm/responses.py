"""Values in the answers of IBM's service, read with distrust: texts, numbers of seconds, a job's status."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Statuses of a job that is not finished, and of one that is. The service may add others.
PENDING = ("INITIALIZING", "QUEUED", "RUNNING")
FINAL = ("DONE", "ERROR", "CANCELLED")
#: Our own status of a job that the service does not know.
GONE = "GONE"
#: IBM's limit for one job, in QPU seconds.
MAX_JOB_SECONDS = 3 * 3600
#: Maximum number of characters of a message, and of a name.
MAX_TEXT, MAX_NAME = 300, 80
#: Escape sequences that terminals obey: colours, the clipboard, the title.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|$)|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]", re.S
)


@dataclass(frozen=True)
class JobInfo:
    """A job as IBM reports it.

    Attributes:
        job_id: IBM's id of the job.
        status: Qiskit's name of it, see `PENDING` and `FINAL`; `GONE`; or a name that this version does not know.
        reason: why the job failed; None otherwise.
        position: its place in the queue, if IBM says so.
        seconds: billed QPU seconds; None while the bill is not final, or where it is no valid number.
    """

    job_id: str
    status: str
    reason: str | None
    position: int | None
    seconds: float | None


def parse_bill(usage: Any) -> float | None:
    """Return the billed QPU seconds in a job's usage; None where the bill is not final or not valid."""
    if not isinstance(usage, Mapping) or usage.get("status", "pending") == "pending":
        return None
    values = [usage[name] for name in ("qpu_charge_time_seconds", "quantum_seconds") if usage.get(name) is not None]
    seconds = [parse_seconds(value) for value in values]
    if any(value is None or value > MAX_JOB_SECONDS for value in seconds):
        return None
    return next(filter(None, seconds), 0.0)


def parse_seconds(value: Any) -> float | None:
    """Return a number of seconds as a float; None where the value is not a finite number >= 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)


def sanitize(text: object, max_length: int = MAX_TEXT) -> str:
    """Return a text as one line that is safe to print, log and store.

    Control characters, terminal escapes, invisible characters and those that change the direction of writing become
    spaces; longer texts are cut.
    """
    # A far longer text is cut first, so that it costs nothing.
    plain = _ESCAPES.sub(" ", str(text)[: 20 * max_length])
    printable = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in plain)
    line = " ".join(printable.split())
    return line if len(line) <= max_length else f"{line[: max_length - 4]} ..."
