"""What goes wrong between IBM's client and the service: which failures are retried, and how they are reported."""

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

from qgen.backends.ibm.responses import MAX_NAME, MAX_TEXT, sanitize
from qgen.errors import HardwareError

TOO_MANY_REQUESTS = 429
#: Transient beside 500 to 599: request timeout, too early, too many requests.
_TRANSIENT = (408, 425, TOO_MANY_REQUESTS)
_ROOTS = ("/experimental", "/api/v1")
_JOBS = "/jobs"


class TransientError(HardwareError):
    """A failure that may pass: the service is busy or failing, or the network is."""


class BusyError(TransientError):
    """Too many requests: this one was turned away."""


class RefusedError(HardwareError):
    """The service refuses the request, and has done nothing."""


@dataclass(frozen=True)
class RetryPolicy:
    """How requests that failed transiently are retried.

    Attributes:
        tries: maximum number of tries.
        first_tries: the same until a first request has succeeded: there may be no network at all.
        pace: seconds before the second try; doubled before each further one.
        max_wait: the longest wait between two tries in seconds, also where the service asks for a longer one.
        total: seconds after which no further try is begun.
        connect, answer: timeouts in seconds for a connection, and for the next part of an answer.
    """

    tries: int = 7
    first_tries: int = 4
    pace: float = 1.0
    max_wait: float = 60.0
    total: float = 180.0
    connect: float = 10.0
    answer: float = 60.0

    def wait(self, attempt: int, asked: float | None = None) -> float:
        """Return the seconds to wait after an attempt.

        Args:
            attempt: counted from 0.
            asked: seconds that the service asks for.
        """
        backoff = self.pace * 2.0 ** min(attempt, 30)
        return min(max(backoff, asked or 0.0), self.max_wait)


@dataclass(frozen=True)
class Failure:
    """A failed request.

    Attributes:
        message: what went wrong, with the request; safe to print.
        status: the HTTP status; None where no answer came.
        transient: whether a retry may succeed.
        retry_after: seconds after which the service asks to retry.
    """

    message: str
    status: int | None = None
    transient: bool = False
    retry_after: float | None = None

    @property
    def error(self) -> type[HardwareError]:
        """The exception class that it is reported as."""
        if self.transient:
            return BusyError if self.status == TOO_MANY_REQUESTS else TransientError
        return HardwareError if self.status is None else RefusedError


def connection_failure(request: requests.PreparedRequest, error: Exception, reached: bool) -> Failure:
    """Return the failure of a request that got no answer.

    Args:
        request: what was sent.
        error: the exception raised in place of an answer.
        reached: whether the service has answered before.
    """
    kind = type(error).__name__
    if isinstance(error, requests.exceptions.SSLError):
        return Failure(
            f"the certificate of IBM's service is not accepted ({describe_request(request)}): "
            "is there a proxy in between?"
        )
    if isinstance(error, ValueError):  # an invalid address, of the account or in an answer
        return Failure(f"IBM's service cannot be asked for {describe_request(request)}: {kind}")
    problem = "does not answer" if reached else "cannot be reached"
    return Failure(f"IBM's service {problem} ({describe_request(request)}: {kind})", transient=True)


def response_failure(
    request: requests.PreparedRequest, response: requests.Response, redact: Callable[[object, int], str]
) -> Failure | None:
    """Return what is wrong with an answer; None: nothing.

    Args:
        request: what was sent.
        response: the answer.
        redact: makes text of the service safe to print.
    """
    status, name = response.status_code, describe_request(request)
    if 300 <= status < 400:
        target = redact(_host(response.headers.get("Location", "")), MAX_NAME) or "nowhere"
        return Failure(
            f"IBM's service sends {name} on to {target} ({status}): nothing was sent there. Is there a proxy or a "
            "sign-in page in between?",
            status,
        )
    if status >= 400:
        transient = status in _TRANSIENT or status >= 500
        after = parse_retry_after(response.headers.get("Retry-After")) if transient else None
        detail = redact(_error_message(response), MAX_TEXT)
        message = f"IBM's service answers {name} with {status}{f' ({detail})' if detail else ''}"
        return Failure(message, status, transient, after)
    if "json" in str(request.headers.get("Accept", "")) and not _is_object(response):
        return Failure(f"IBM's service answers {name} with what is no JSON object", status, transient=True)
    return None


def request_path(request: requests.PreparedRequest) -> str:
    """Return the path of a request below the service's address."""
    path = urlsplit(str(request.url)).path
    for root in _ROOTS:
        path = path.removeprefix(root)
    return path


def describe_request(request: requests.PreparedRequest) -> str:
    """Return method and path of a request, safe to print."""
    return f"{request.method} {sanitize(request_path(request), MAX_NAME)}"


def creates_job(request: requests.PreparedRequest) -> bool:
    """Return whether a request submits a job, so that sending it again might submit a second one."""
    return request.method == "POST" and request_path(request).endswith(_JOBS)


def parse_retry_after(text: str | None) -> float | None:
    """Return the seconds to wait by a `Retry-After` header, a number or a date; None where it is neither."""
    if text is None:
        return None
    with suppress(ValueError):
        seconds = float(text)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    return None


def _is_object(response: requests.Response) -> bool:
    with suppress(ValueError, RecursionError):
        return response.status_code == requests.codes.no_content or isinstance(response.json(), dict | None)
    return False


def _host(location: str) -> str:
    with suppress(ValueError):
        return urlsplit(location).netloc
    return ""


def _error_message(response: requests.Response) -> str:
    """Return the message in the body of a refusal."""
    try:
        body = json.loads(response.text)
        first = body["errors"][0] if "errors" in body else body.get("error", body)
        return str(first.get("message") or first["errorMessage"]) if isinstance(first, dict) else str(first)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return "" if "<html" in response.text[:1000].lower() else response.text
