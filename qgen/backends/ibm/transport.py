"""HTTP transport of IBM's client: retries, access tokens, no redirects.

Transient failures are retried within bounds. No redirect is followed: a request holds the user's key, a token or the
user's circuits, and goes nowhere but where it was sent. The key itself is sent to the identity service alone; where
IBM's client would fall back on sending it to any other, a token is sent in its place.

IBM's client offers no hook for such rules: it makes sessions of its own, repeats requests for as long as an answer
asks for, follows redirects, and takes an account that does not answer for an empty one. So they stand where all of its
requests pass, in `requests.Session.send`, and hold for what is called within `Transport.active`, and for nobody else.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from threading import Lock
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus
from weakref import WeakKeyDictionary

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from qgen.backends.ibm.errors import (
    Failure,
    RefusedError,
    RetryPolicy,
    connection_failure,
    creates_job,
    describe_request,
    request_path,
    response_failure,
)
from qgen.backends.ibm.responses import MAX_TEXT, sanitize
from qgen.errors import HardwareError, QgenError

_TOKEN_PATH = "/identity/token"
_TOKEN_EXPIRED = 401
#: Statuses of the identity service for a key that it does not accept.
_KEY_REFUSED = (400, 401, 403)
_BAD_KEY = (
    "IBM does not accept this API key (wrong, expired or deleted): make one on quantum.cloud.ibm.com, then "
    "`qgen backends login --overwrite`"
)
_LOGGERS = ("qiskit_ibm_runtime", "ibm-cloud-sdk-core", "urllib3")
#: Maximum number of requests in one call of the client; a list of jobs that never ends has more.
_MAX_REQUESTS = 300
#: Fraction of a token's lifetime after which a new one is fetched.
_RENEW_AFTER = 0.8

_current: ContextVar[Transport | None] = ContextVar("qgen_ibm_transport", default=None)
#: Transport of each session that was used within one: a device asks for its calibration outside of `active` too.
_transports: WeakKeyDictionary[requests.Session, Transport] = WeakKeyDictionary()


@dataclass(frozen=True)
class _Token:
    """An access token, with the response that brought it, and the monotonic time at which to renew it."""

    response: requests.Response
    text: str
    renew_at: float


@dataclass(eq=False)
class Transport:
    """Sends the requests of IBM's client for one account.

    Attributes:
        retry: how requests are retried.
        failure: the failure that ends the current call, whatever the client makes of it; None: there is none.
        refusal: a refusal in the last response, which the client is shown; None: there is none.
        job_posted: whether the current call has sent a job, with or without success.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    failure: Failure | None = field(default=None, init=False)
    refusal: Failure | None = field(default=None, init=False)
    job_posted: bool = field(default=False, init=False)
    _token_manager: Any = field(default=None, init=False, repr=False)
    _token: _Token | None = field(default=None, init=False, repr=False)
    _fetching_token: bool = field(default=False, init=False)
    _secrets: set[str] = field(default_factory=set, init=False, repr=False)
    _reached: bool = field(default=False, init=False)
    _num_requests: int = field(default=0, init=False)
    _last_request: str = field(default="the request", init=False)

    def authenticate(self, key: str, manager: Any) -> None:
        """Fetch an access token.

        Args:
            key: the API key.
            manager: the SDK's token manager, which asks the identity service for a token.

        Raises:
            HardwareError: the key is not accepted, or the service does not answer.
        """
        self._secrets |= {key, quote(key, safe=""), quote_plus(key)}
        self._token_manager, self._token = manager, None
        with self.active():
            pass

    @contextmanager
    def active(self) -> Iterator[None]:
        """Send this thread's requests through this transport, and silence the client's warnings and logs.

        Raises:
            HardwareError: there is no valid access token, and none can be fetched.
        """
        if _current.get() is self:  # nested in another call
            yield
            return
        _patch_session()
        self.failure, self.refusal, self.job_posted, self._num_requests = None, None, False, 0
        mark = _current.set(self)
        try:
            with _silence:
                if self._token_manager is not None and (self._token is None or time.monotonic() > self._token.renew_at):
                    self._fetch_token()
                yield
        finally:
            _current.reset(mark)

    def raise_for_failure(self) -> None:
        """Raise the failure that the current call met with, also where the client ignored it.

        Raises:
            TransientError: a transient failure that outlasted the retries.
            HardwareError: a permanent failure.
        """
        if self.failure is not None:
            raise self.failure.error(self.failure.message) from None  # the client's own text holds the service's

    def translate(self, error: BaseException) -> NoReturn:
        """Raise one of our exceptions for one of the client's.

        Raises:
            TransientError: a transient failure that outlasted the retries.
            RefusedError: the service's last answer was a refusal.
            HardwareError: a permanent failure.
        """
        self.raise_for_failure()
        if isinstance(error, QgenError):
            raise error from None
        if self.refusal is not None:
            raise RefusedError(self.refusal.message) from None
        message = self.redact(getattr(error, "message", None) or error)
        if type(error).__module__.partition(".")[0] in ("qiskit_ibm_runtime", "qiskit", "ibm_cloud_sdk_core"):
            raise HardwareError(f"IBM's service: {message}") from None
        raise HardwareError(
            f"IBM's service answers {self._last_request} with what its client cannot read ({type(error).__name__}: "
            f"{message}): try again later, or with another version of qiskit-ibm-runtime"
        ) from None

    def redact(self, text: object, max_length: int = MAX_TEXT) -> str:
        """Return a text of the service without secrets, safe to print."""
        plain = str(text)
        for secret in sorted(self._secrets, key=len, reverse=True):
            plain = plain.replace(secret, "***")
        return sanitize(plain, max_length)

    def send(self, session: requests.Session, request: requests.PreparedRequest, options: dict[str, Any]) -> Any:
        """Send a request of the client, and retry it where that is harmless and may help.

        Raises:
            requests.RequestException: there is no answer that the client could use.
        """
        for_token = request_path(request).endswith(_TOKEN_PATH)
        if for_token and not self._fetching_token and self._token is not None:
            return self._token.response
        _transports[session] = self
        _disable_retries(session)
        self._last_request, self._num_requests = describe_request(request), self._num_requests + 1
        if self._num_requests > _MAX_REQUESTS:
            self.failure = Failure(f"IBM's service has {self._last_request} asked for again and again, without end")
        no_token = self._token_manager is not None and self._token is None and not self._fetching_token
        if self.failure is not None or no_token:
            raise requests.RequestException("the call has failed before")
        attempt, renewed, began = 0, False, time.monotonic()
        while True:
            response, failure = self._send_once(session, request, options)
            if failure is None:
                self._reached, self.refusal = True, None
                return response
            expired = failure.status == _TOKEN_EXPIRED and not for_token
            if expired and not renewed and self._token_manager is not None:
                renewed = True
                self._fetch_token()
                continue
            if not self._should_retry(request, failure, attempt, began):
                return self._give_up(response, failure, attempt + 1)
            time.sleep(self.retry.wait(attempt, failure.retry_after))
            attempt += 1

    def _send_once(
        self, session: requests.Session, request: requests.PreparedRequest, options: dict[str, Any]
    ) -> tuple[requests.Response | None, Failure | None]:
        if "Authorization" in request.headers and self._token is not None:  # never the key, nor a token that expired
            request.headers["Authorization"] = f"Bearer {self._token.text}"
        self.job_posted = self.job_posted or creates_job(request)
        options = options | {"allow_redirects": False, "timeout": self._timeouts(options.get("timeout"))}
        try:
            response = _original_send()(session, request, **options)
        except (requests.RequestException, ValueError) as error:
            return None, connection_failure(request, error, self._reached)
        if response.status_code < 300 and request_path(request).endswith(_TOKEN_PATH):
            return response, self._store_token(response)
        return response, response_failure(request, response, self.redact)

    def _timeouts(self, client_timeout: Any) -> tuple[float, float]:
        """Return the timeouts of the client where it has some: it allows a job's circuits 15 minutes."""
        connect, answer = client_timeout if isinstance(client_timeout, tuple) else (None, client_timeout)
        return connect or self.retry.connect, answer or self.retry.answer

    def _store_token(self, response: requests.Response) -> Failure | None:
        """Keep the token in an answer of the identity service."""
        import jwt

        try:
            text = response.json()["access_token"]
            claims = jwt.decode(text, options={"verify_signature": False, "verify_aud": False})
            lifetime = float(claims["exp"]) - float(claims["iat"])
        except Exception:  # however it is malformed, it is no token
            message = f"IBM's identity service answers {self._last_request} without an access token"
            return Failure(message, 200, transient=True)
        self._secrets.add(text)
        self._token = _Token(response, text, time.monotonic() + _RENEW_AFTER * lifetime)
        return None

    def _fetch_token(self) -> None:
        """Fetch a new access token by the SDK's own request for one.

        Raises:
            HardwareError: the identity service gives none.
        """
        self._fetching_token, self._token = True, None
        try:
            self._token_manager.request_token()
        except Exception as error:
            failure = self.failure or self.refusal or Failure(f"IBM's identity service: {self.redact(error)}")
            self.failure = Failure(_BAD_KEY) if failure.status in _KEY_REFUSED else failure
            self.translate(error)
        finally:
            self._fetching_token = False

    def _should_retry(self, request: requests.PreparedRequest, failure: Failure, attempt: int, began: float) -> bool:
        """Return whether to send the request once more."""
        if not failure.transient or creates_job(request):
            return False
        tries = self.retry.tries if self._reached else self.retry.first_tries
        wait = self.retry.wait(attempt, failure.retry_after)
        return attempt + 1 < tries and time.monotonic() + wait - began <= self.retry.total

    def _give_up(self, response: requests.Response | None, failure: Failure, tries: int) -> requests.Response:
        """Return a refusal that the client may handle (no such job, an instance of somebody else); else raise."""
        final = not failure.transient and failure.status != _TOKEN_EXPIRED
        if response is not None and final and response.status_code >= 400:
            self.refusal = failure
            return response
        after = f", after {tries} tries" if tries > 1 else ""
        hint = "" if self._reached else ": is there a network? `fake_...` backends need none"
        self.failure = replace(failure, message=f"{failure.message}{after}{hint}")
        raise requests.RequestException(failure.message)


@cache
def _original_send() -> Any:
    return requests.Session.send


def _patch_session() -> None:
    """Send requests through the active transport; those outside of `Transport.active` are sent as before."""
    original = _original_send()
    if requests.Session.send is not original:
        return

    def send(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> Any:
        transport = _current.get() or _transports.get(self)
        if transport is None:
            return original(self, request, **options)
        with transport.active():
            return transport.send(self, request, options)

    requests.Session.send = send  # type: ignore[method-assign]


def _disable_retries(session: requests.Session) -> None:
    """Disable the client's own retries: they wait as long as an answer asks for, and repeat POST, which runs a job."""
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter) and adapter.max_retries.total:
            adapter.max_retries = Retry(0, read=False)


class _Silence:
    """Silences the client's warnings and logs while any thread is within: they repeat the service's texts verbatim."""

    def __init__(self) -> None:
        self._lock, self._depth, self._undo = Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth > 1:
                return
            self._undo.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            for logger in map(logging.getLogger, _LOGGERS):
                self._undo.callback(logger.setLevel, logger.level)
                logger.setLevel(logging.CRITICAL + 1)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._depth -= 1
            if not self._depth:
                self._undo.close()


_silence = _Silence()
