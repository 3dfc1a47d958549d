"""What goes wrong between IBM's client and the service: how long it is borne, and what is said of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from qgen.backends.ibm.wording import MOST, MOST_OF_NAME, clean
from qgen.errors import HardwareError

TOO_MANY = 429
#: Beside 500 to 599: the request took too long, came too early, or is one too many.
_PASSING = (408, 425, TOO_MANY)
_ROOTS = ("/experimental", "/api/v1")
_JOBS = "/jobs"


class TransientError(HardwareError):
    """Something that may pass: the service is busy or failing, or the network is."""


class BusyError(TransientError):
    """Too many requests: this one was turned away."""


class RefusedError(HardwareError):
    """The service will not do what it was asked for, and has done nothing."""


@dataclass(frozen=True)
class Patience:
    """How long a request is tried again that failed for a reason that may pass.

    Attributes:
        tries: at most.
        first_tries: the same as long as nothing was ever answered as it should be: there may be no network at all.
        pace: seconds before the second try; twice as long before each further one.
        most_wait: the longest wait between two tries, also where the service asks for a longer one.
        total: seconds after which no further try is begun.
        connect, answer: seconds to wait for a connection, and for the next part of an answer.
    """

    tries: int = 7
    first_tries: int = 4
    pace: float = 1.0
    most_wait: float = 60.0
    total: float = 180.0
    connect: float = 10.0
    answer: float = 60.0

    def wait(self, attempt: int, asked: float | None = None) -> float:
        """Seconds to wait after an attempt, counted from 0; `asked`: what the service asks for."""
        usual = self.pace * 2.0 ** min(attempt, 30)
        return min(max(usual, asked or 0.0), self.most_wait)


@dataclass(frozen=True)
class Trouble:
    """An answer that is none, or not the one that was asked for.

    Attributes:
        words: what went wrong, with the request; safe to print.
        status: of HTTP; None where no answer came.
        passing: whether it may be otherwise next time.
        after: seconds after which the service asks to try again.
    """

    words: str
    status: int | None = None
    passing: bool = False
    after: float | None = None

    @property
    def kind(self) -> type[HardwareError]:
        """What it means for a request."""
        if self.passing:
            return BusyError if self.status == TOO_MANY else TransientError
        return HardwareError if self.status is None else RefusedError


def no_answer(request: requests.PreparedRequest, error: Exception, reached: bool) -> Trouble:
    """What an exception in place of an answer means; `reached`: the service has answered before."""
    kind = type(error).__name__
    if isinstance(error, requests.exceptions.SSLError):
        return Trouble(
            f"the certificate of IBM's service is not accepted ({label(request)}): is there a proxy in between?"
        )
    if isinstance(error, ValueError):  # an address that is none, of the account or in an answer
        return Trouble(f"IBM's service cannot be asked for {label(request)}: {kind}")
    what = "does not answer" if reached else "cannot be reached"
    return Trouble(f"IBM's service {what} ({label(request)}: {kind})", passing=True)


def judge(
    request: requests.PreparedRequest, answer: requests.Response, safe: Callable[[object, int], str]
) -> Trouble | None:
    """What is wrong with an answer; `safe` makes text of the service fit to be shown."""
    status, asked = answer.status_code, label(request)
    if 300 <= status < 400:
        where = safe(_host(answer.headers.get("Location", "")), MOST_OF_NAME) or "nowhere"
        return Trouble(
            f"IBM's service sends {asked} on to {where} ({status}): nothing was sent there. Is there a proxy or a "
            "sign-in page in between?",
            status,
        )
    if status >= 400:
        passing = status in _PASSING or status >= 500
        after = retry_after(answer.headers.get("Retry-After")) if passing else None
        said = safe(_message(answer), MOST)
        words = f"IBM's service answers {asked} with {status}{f' ({said})' if said else ''}"
        return Trouble(words, status, passing, after)
    if "json" in str(request.headers.get("Accept", "")) and not _is_object(answer):
        return Trouble(f"IBM's service answers {asked} with what is no JSON object", status, passing=True)
    return None


def path_of(request: requests.PreparedRequest) -> str:
    """Below the service's address."""
    path = urlsplit(str(request.url)).path
    for root in _ROOTS:
        path = path.removeprefix(root)
    return path


def label(request: requests.PreparedRequest) -> str:
    """A request in words."""
    return f"{request.method} {clean(path_of(request), MOST_OF_NAME)}"


def creates_job(request: requests.PreparedRequest) -> bool:
    """Whether it submits a job, so that to send it again might submit another one."""
    return request.method == "POST" and path_of(request).endswith(_JOBS)


def _is_object(answer: requests.Response) -> bool:
    with suppress(ValueError, RecursionError):
        return answer.status_code == requests.codes.no_content or isinstance(answer.json(), dict | None)
    return False


def _host(location: str) -> str:
    with suppress(ValueError):
        return urlsplit(location).netloc
    return ""


def _message(answer: requests.Response) -> str:
    """What the body of a refusal says."""
    try:
        found = json.loads(answer.text)
        first = found["errors"][0] if "errors" in found else found.get("error", found)
        return str(first.get("message") or first["errorMessage"]) if isinstance(first, dict) else str(first)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return "" if "<html" in answer.text[:1000].lower() else answer.text


def retry_after(text: str | None) -> float | None:
    """Seconds to wait, of a header that has them, or a date; None: it has neither."""
    if text is None:
        return None
    with suppress(ValueError):
        seconds = float(text)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    return None
