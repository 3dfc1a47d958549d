"""Faults on request: requests and jobs that fail, and responses that are false."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from threading import Lock
from typing import Any, Literal

from pydantic import Field, model_validator

from qgen.settings import Settings

Corruption = Literal["rows", "shots", "names", "missing", "empty"]


class Fault(Settings):
    """A fault.

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
    """Probability that it strikes a request or job that it matches."""
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
    spoil: Corruption | None = None
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

    def falsify(self, body: bytes) -> bytes:
        """Return the body of a response as this fault changes it."""
        if self.spoil is not None:
            return _corrupt_result(body, self.spoil)
        if self.bill is not None:
            return _replace_bill(body, self.bill)
        return body if self.state is None else _replace_status(body, self.state)

    def matches(self, method: str, path: str) -> bool:
        """Return whether it may strike this request."""
        glob = self._default_path if self.path == "**" else self.path
        pattern = "".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in _WILDCARDS.split(glob))
        return self.job is None and self.method in ("*", method) and re.fullmatch(pattern, path) is not None

    @property
    def _default_path(self) -> str:
        """The path of an effect that makes sense at one address alone."""
        effects = {"/jobs/*/results": self.spoil, "/jobs/*/metrics": self.bill, "/jobs/*": self.state}
        return next((path for path, effect in effects.items() if effect is not None), "**")


_WILDCARDS = re.compile(r"(\*\*|\*)")


class Faults:
    """The faults of a server; safe to use from any thread.

    Args:
        seed: seed of the faults that strike by chance.

    Attributes:
        triggered: the faults that struck, in order.
    """

    def __init__(self, seed: int = 0) -> None:
        self._lock, self._random = Lock(), random.Random(seed)
        self._pending: list[tuple[Fault, int | None]] = []
        self.triggered: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault; of several that match, the first one added strikes."""
        with self._lock:
            self._pending.append((fault, fault.times))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._pending.clear()

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults that are not used up."""
        with self._lock:
            return tuple(fault for fault, _ in self._pending)

    def for_request(self, method: str, path: str) -> Fault | None:
        """Return the fault that strikes this request."""
        return self._take(lambda fault: fault.matches(method, path))

    def for_job(self) -> Fault | None:
        """Return the fault that strikes the job that is about to run."""
        return self._take(lambda fault: fault.job is not None)

    def _take(self, matches: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            for index, (fault, left) in enumerate(self._pending):
                if not matches(fault) or self._random.random() >= fault.chance:
                    continue
                if left == 1:
                    del self._pending[index]
                elif left is not None:
                    self._pending[index] = fault, left - 1
                self.triggered.append(fault)
                return fault
        return None


def _corrupt_result(body: bytes, how: Corruption) -> bytes:
    """Return a job's result with half of its rows or shots, other names, an array too few, or nothing."""
    if how == "empty":
        return b""
    content: dict[str, Any] = json.loads(body)
    for item in content["data"]:
        item["results"] = _CORRUPTIONS[how](item["results"])
    return json.dumps(content).encode()


def _replace_bill(body: bytes, bill: float | str) -> bytes:
    """Return a job's metrics with another bill; `late`: it is not known yet; other text stands for the seconds."""
    content: dict[str, Any] = json.loads(body)
    if bill == "late":
        content["usage"] = {"status": "pending"}
    else:
        seconds: Any = float("nan") if bill == "nan" else bill
        content["usage"] = content["usage"] | dict.fromkeys(("qpu_charge_time_seconds", "quantum_seconds"), seconds)
    return json.dumps(content).encode()


def _replace_status(body: bytes, status: str) -> bytes:
    """Return a job with another status."""
    content: dict[str, Any] = json.loads(body)
    content["status"] = status
    content["state"] = {"status": status}
    return json.dumps(content).encode()


def _change_arrays(results: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Change every array of bits."""
    from ibm_quantum_schemas.common import CompressedTensorModel

    changed = {}
    for name, packed in results.items():
        array = CompressedTensorModel.model_validate(packed).to_numpy()
        changed[name] = (
            CompressedTensorModel.from_numpy(change(array)).model_dump(mode="json") if array.ndim > 1 else packed
        )
    return changed


def _halve_rows(results: dict[str, Any]) -> dict[str, Any]:
    def halve(array: Any) -> Any:
        rows = array.shape[:-2]
        axis = rows.index(max(rows)) if rows else 0
        return array.take(range(max(1, array.shape[axis] // 2)), axis)

    return _change_arrays(results, halve)


def _halve_shots(results: dict[str, Any]) -> dict[str, Any]:
    return _change_arrays(results, lambda array: array[..., : max(1, array.shape[-2] // 2), :])


def _rename(results: dict[str, Any]) -> dict[str, Any]:
    return {f"not_{name}": packed for name, packed in results.items()}


def _drop_first(results: dict[str, Any]) -> dict[str, Any]:
    return dict(list(results.items())[1:])


_CORRUPTIONS = {"rows": _halve_rows, "shots": _halve_shots, "names": _rename, "missing": _drop_first}
