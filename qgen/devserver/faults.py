"""What is to go wrong on request: at which requests, or to which jobs, and how."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from threading import Lock
from typing import Literal

from pydantic import Field, model_validator

from qgen.devserver.lies import Spoilt, misbill, misstate, spoil
from qgen.settings import Settings


class Fault(Settings):
    """One thing that goes wrong.

    Requests are matched by method and path, jobs (where `job` is given) as they start to run. A fault is used up when
    it has struck `times` times.
    """

    method: str = "*"
    """GET, POST, PUT, PATCH, DELETE; *: all."""
    path: str = "**"
    """Below the service's address, as in /jobs or /jobs/*/results; * is one part of a path, ** any number of them."""
    times: int | None = Field(default=1, ge=1)
    """How often it strikes; none: always."""
    chance: float = Field(default=1.0, gt=0, le=1)
    """That it strikes where it could."""
    status: int | None = Field(default=None, ge=300, le=599)
    """Answer with this status."""
    location: str | None = None
    """With a status from 300 to 399: where the client is sent."""
    retry_after: float | None = Field(default=None, ge=0)
    """Seconds in the header Retry-After, with a status."""
    drop: bool = False
    """Close the connection without an answer."""
    body: str | None = None
    """Answer with this text, and status 200, instead of what was asked for; {authorization} and {body} in it are what
    the client sent."""
    truncate: int | None = Field(default=None, ge=0)
    """Close the connection after so many bytes of the answer's body."""
    after: bool = False
    """Do what was asked for first: only the answer is lost."""
    delay: float = Field(default=0, ge=0)
    """Seconds to wait first."""
    spoil: Spoilt | None = None
    """Answer with a result that is not the job's: `rows` or `shots`: half of them; `names`: other ones; `missing`: an
    array too few; `empty`: nothing. The service keeps the right one."""
    bill: float | str | None = None
    """Answer with this bill for a job, be it a number or none; `late`: not known yet; `nan`. The ledger is true."""
    state: str | None = None
    """Answer that a job is in this state."""
    job: Literal["fail", "too_long", "cancel", "slow"] | None = None
    """What becomes of a job: it fails, runs into its time limit, is cancelled by the service, or takes longer than it
    should."""
    factor: float = Field(default=1.5, gt=0)
    """How many times as long as it should a slow job takes."""
    billed: bool = False
    """Whether a job that fails or is cancelled is billed as if it had run; one that is too long is, up to its limit."""
    reason: str = "Internal error"
    """What is said about it."""
    code: int | None = None
    """The service's number for it; default: 9999 for requests and 1500 for jobs."""

    @model_validator(mode="after")
    def _one_effect(self) -> Fault:
        effects = {
            "status": self.status is not None,
            "drop": self.drop,
            "body": self.body is not None,
            "truncate": self.truncate is not None,
            "spoil": self.spoil is not None,
            "bill": self.bill is not None,
            "state": self.state is not None,
            "job": self.job is not None,
        }
        if sum(effects.values()) > 1:
            raise ValueError(f"give one of {', '.join(f'`{name}`' for name in effects)}")
        if not any(effects.values()) and not self.delay:
            raise ValueError(f"nothing goes wrong: give one of {', '.join(f'`{name}`' for name in effects)} or `delay`")
        if (self.location is not None) != (self.status is not None and self.status < 400):
            raise ValueError("`location` goes with a `status` from 300 to 399, and such a status with a `location`")
        return self

    def lie(self, body: bytes) -> bytes:
        """The body of an answer as this fault has it."""
        if self.spoil is not None:
            return spoil(body, self.spoil)
        if self.bill is not None:
            return misbill(body, self.bill)
        return body if self.state is None else misstate(body, self.state)

    def matches(self, method: str, path: str) -> bool:
        """Whether it may strike this request."""
        mine = self._usual_path if self.path == "**" else self.path
        pattern = "".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in _PARTS.split(mine))
        return self.job is None and self.method in ("*", method) and re.fullmatch(pattern, path) is not None

    @property
    def _usual_path(self) -> str:
        """Where an effect belongs that makes sense at one address alone."""
        lies = {"/jobs/*/results": self.spoil, "/jobs/*/metrics": self.bill, "/jobs/*": self.state}
        return next((path for path, lie in lies.items() if lie is not None), "**")


_PARTS = re.compile(r"(\*\*|\*)")


class Faults:
    """Those that are still to come; safe to use from any thread.

    Args:
        seed: of the faults that strike by chance.
    """

    def __init__(self, seed: int = 0) -> None:
        self._lock, self._random = Lock(), random.Random(seed)
        self._waiting: list[tuple[Fault, int | None]] = []
        self.struck: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """One more; of several that match, the first one added strikes."""
        with self._lock:
            self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        """Nothing more goes wrong."""
        with self._lock:
            self._waiting.clear()

    @property
    def waiting(self) -> tuple[Fault, ...]:
        """Those that are not used up."""
        with self._lock:
            return tuple(fault for fault, _ in self._waiting)

    def for_request(self, method: str, path: str) -> Fault | None:
        """What strikes this request."""
        return self._take(lambda fault: fault.matches(method, path))

    def for_job(self) -> Fault | None:
        """What strikes the job that is about to run."""
        return self._take(lambda fault: fault.job is not None)

    def _take(self, fits: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            for place, (fault, left) in enumerate(self._waiting):
                if not fits(fault) or self._random.random() >= fault.chance:
                    continue
                if left == 1:
                    del self._waiting[place]
                elif left is not None:
                    self._waiting[place] = fault, left - 1
                self.struck.append(fault)
                return fault
        return None
