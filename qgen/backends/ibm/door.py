"""The one door to IBM: every request of its client goes through here, whichever of its parts sends it.

What fails for a reason that may pass is sent again, with patience and within bounds. No redirect is followed: a request
holds the user's key, a token or the user's circuits, and goes nowhere but where it was sent. The key itself is sent to
the identity service alone; where IBM's client would fall back on sending it to any other, a token is sent in its place.

IBM's client offers no place for such rules: it makes sessions of its own, repeats requests for as long as an answer
asks for, follows redirects, and takes an account that does not answer for an empty one. So they stand where all of its
requests pass, in `requests.Session.send`, and hold for what is called within `Door.open`, and for nobody else.
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

from qgen.backends.ibm.trouble import Patience, RefusedError, Trouble, creates_job, judge, label, no_answer, path_of
from qgen.backends.ibm.wording import MOST, clean
from qgen.errors import HardwareError, QgenError

_TOKEN = "/identity/token"
_EXPIRED = 401
#: Of the identity service, for a key that it does not know.
_REFUSED = (400, 401, 403)
_BAD_KEY = (
    "IBM does not accept this API key (wrong, expired or deleted): make one on quantum.cloud.ibm.com, then "
    "`qgen backends login --overwrite`"
)
_LOGGERS = ("qiskit_ibm_runtime", "ibm-cloud-sdk-core", "urllib3")
#: Requests in one call of the client; a list of jobs that never ends has more.
_MOST_REQUESTS = 300
#: Of a token's life, after which another is fetched before it is needed.
_FRESH = 0.8

_current: ContextVar[Door | None] = ContextVar("qgen_ibm_door", default=None)
#: Sessions that were used within a door never leave it: a device asks for its calibration when it likes.
_owners: WeakKeyDictionary[requests.Session, Door] = WeakKeyDictionary()


@dataclass(frozen=True)
class _Token:
    """An access token, in the answer that brought it."""

    answer: requests.Response
    text: str
    due: float


@dataclass(eq=False)
class Door:
    """See the module.

    Attributes:
        patience: how long it tries.
        fault: what makes the call that is under way worthless, whatever the client makes of it; None: nothing.
        refusal: what the last answer refuses, of which the client may know; None: it does not.
        posted: whether this call has sent a job, with or without success.
    """

    patience: Patience = field(default_factory=Patience)
    fault: Trouble | None = field(default=None, init=False)
    refusal: Trouble | None = field(default=None, init=False)
    posted: bool = field(default=False, init=False)
    _manager: Any = field(default=None, init=False, repr=False)
    _token: _Token | None = field(default=None, init=False, repr=False)
    _fetching: bool = field(default=False, init=False)
    _secrets: set[str] = field(default_factory=set, init=False, repr=False)
    _reached: bool = field(default=False, init=False)
    _requests: int = field(default=0, init=False)
    _last: str = field(default="the request", init=False)

    def admit(self, key: str, manager: Any) -> None:
        """Fetches an access token.

        Args:
            key: the API key.
            manager: of the SDK, that asks the identity service for a token.

        Raises:
            HardwareError: the key is not accepted, or the service does not answer.
        """
        self._secrets |= {key, quote(key, safe=""), quote_plus(key)}
        self._manager, self._token = manager, None
        with self.open():
            pass

    @contextmanager
    def open(self) -> Iterator[None]:
        """Within this block requests of this thread go through the door, and the client keeps its advice to itself.

        Raises:
            HardwareError: there is no valid access token, and none can be fetched.
        """
        if _current.get() is self:  # it is part of another call
            yield
            return
        _install()
        self.fault, self.refusal, self.posted, self._requests = None, None, False, 0
        mark = _current.set(self)
        try:
            with _silence:
                if self._manager is not None and (self._token is None or time.monotonic() > self._token.due):
                    self._fetch()
                yield
        finally:
            _current.reset(mark)

    def check(self) -> None:
        """Ends a call that met with a fault, also where the client made nothing of it.

        Raises:
            TransientError: it may pass, but did not while it was tried.
            HardwareError: it will not pass.
        """
        if self.fault is not None:
            raise self.fault.kind(self.fault.words) from None  # the client's own words hold what the service sent

    def explain(self, error: BaseException) -> NoReturn:
        """What an exception of the client means.

        Raises:
            TransientError: it may pass, but did not while it was tried.
            RefusedError: the service's last answer was that it will not do it.
            HardwareError: it will not pass.
        """
        self.check()
        if isinstance(error, QgenError):
            raise error from None
        if self.refusal is not None:
            raise RefusedError(self.refusal.words) from None
        words = self.safe(getattr(error, "message", None) or error)
        if type(error).__module__.partition(".")[0] in ("qiskit_ibm_runtime", "qiskit", "ibm_cloud_sdk_core"):
            raise HardwareError(f"IBM's service: {words}") from None
        raise HardwareError(
            f"IBM's service answers {self._last} with what its client cannot read ({type(error).__name__}: {words}): "
            "try again later, or with another version of qiskit-ibm-runtime"
        ) from None

    def safe(self, text: object, most: int = MOST) -> str:
        """Text of the service, fit to be shown, without secrets."""
        plain = str(text)
        for secret in sorted(self._secrets, key=len, reverse=True):
            plain = plain.replace(secret, "***")
        return clean(plain, most)

    def send(self, session: requests.Session, request: requests.PreparedRequest, options: dict[str, Any]) -> Any:
        """Sends a request of the client, again where that is harmless and may help.

        Raises:
            requests.RequestException: there is no answer that the client could use.
        """
        identity = path_of(request).endswith(_TOKEN)
        if identity and not self._fetching and self._token is not None:
            return self._token.answer
        _owners[session] = self
        _no_retries(session)
        self._last, self._requests = label(request), self._requests + 1
        if self._requests > _MOST_REQUESTS:
            self.fault = Trouble(f"IBM's service has {self._last} asked for again and again, without end")
        if self.fault is not None or (self._manager is not None and self._token is None and not self._fetching):
            raise requests.RequestException("the call has failed before")
        attempt, renewed, began = 0, False, time.monotonic()
        while True:
            answer, trouble = self._try(session, request, options)
            if trouble is None:
                self._reached, self.refusal = True, None
                return answer
            if trouble.status == _EXPIRED and not identity and not renewed and self._manager is not None:
                renewed = True
                self._fetch()
                continue
            if not self._again(request, trouble, attempt, began):
                return self._give_up(answer, trouble, attempt + 1)
            time.sleep(self.patience.wait(attempt, trouble.after))
            attempt += 1

    def _try(
        self, session: requests.Session, request: requests.PreparedRequest, options: dict[str, Any]
    ) -> tuple[requests.Response | None, Trouble | None]:
        if "Authorization" in request.headers and self._token is not None:  # never the key, nor a token that expired
            request.headers["Authorization"] = f"Bearer {self._token.text}"
        self.posted = self.posted or creates_job(request)
        connect, answer = self._timeouts(options.get("timeout"))
        try:
            found = _plain_send()(
                session, request, **options | {"allow_redirects": False, "timeout": (connect, answer)}
            )
        except (requests.RequestException, ValueError) as error:
            return None, no_answer(request, error, self._reached)
        if found.status_code < 300 and path_of(request).endswith(_TOKEN):
            return found, self._take_token(found)
        return found, judge(request, found, self.safe)

    def _timeouts(self, given: Any) -> tuple[float, float]:
        """The client's own where it has some: it allows a job's circuits 15 minutes."""
        connect, answer = given if isinstance(given, tuple) else (None, given)
        return connect or self.patience.connect, answer or self.patience.answer

    def _take_token(self, answer: requests.Response) -> Trouble | None:
        """Keeps the token, with which the identity service answers."""
        import jwt

        try:
            text = answer.json()["access_token"]
            claims = jwt.decode(text, options={"verify_signature": False, "verify_aud": False})
            life = float(claims["exp"]) - float(claims["iat"])
        except Exception:  # whatever is wrong with it, it is none
            return Trouble(f"IBM's identity service answers {self._last} without an access token", 200, passing=True)
        self._secrets.add(text)
        self._token = _Token(answer, text, time.monotonic() + _FRESH * life)
        return None

    def _fetch(self) -> None:
        """A new access token, by the SDK's own request for one.

        Raises:
            HardwareError: the identity service has none.
        """
        self._fetching, self._token = True, None
        try:
            self._manager.request_token()
        except Exception as error:
            trouble = self.fault or self.refusal or Trouble(f"IBM's identity service: {self.safe(error)}")
            self.fault = Trouble(_BAD_KEY) if trouble.status in _REFUSED else trouble
            self.explain(error)
        finally:
            self._fetching = False

    def _again(self, request: requests.PreparedRequest, trouble: Trouble, attempt: int, began: float) -> bool:
        """Whether to send the request once more."""
        if not trouble.passing or creates_job(request):
            return False
        tries = self.patience.tries if self._reached else self.patience.first_tries
        wait = self.patience.wait(attempt, trouble.after)
        return attempt + 1 < tries and time.monotonic() + wait - began <= self.patience.total

    def _give_up(self, answer: requests.Response | None, trouble: Trouble, tries: int) -> requests.Response:
        """The answer, where the client may know it: there is no such job, or this instance is not for the user."""
        if answer is not None and not trouble.passing and answer.status_code >= 400 and trouble.status != _EXPIRED:
            self.refusal = trouble
            return answer
        often = f", after {tries} tries" if tries > 1 else ""
        hint = "" if self._reached else ": is there a network? `fake_...` backends need none"
        self.fault = replace(trouble, words=f"{trouble.words}{often}{hint}")
        raise requests.RequestException(trouble.words)


@cache
def _plain_send() -> Any:
    return requests.Session.send


def _install() -> None:
    """Puts the door where requests pass; whoever is not called within `Door.open` goes past it."""
    plain = _plain_send()
    if requests.Session.send is not plain:
        return

    def send(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> Any:
        door = _current.get() or _owners.get(self)
        if door is None:
            return plain(self, request, **options)
        with door.open():
            return door.send(self, request, options)

    requests.Session.send = send  # type: ignore[method-assign]


def _no_retries(session: requests.Session) -> None:
    """The client repeats requests by itself, for as long as an answer asks for, and POST too: a job would run twice."""
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter) and adapter.max_retries.total:
            adapter.max_retries = Retry(0, read=False)


class _Silence:
    """The client's warnings are kept back while any thread is within: they repeat the service's words as they came."""

    def __init__(self) -> None:
        self._lock, self._within, self._undo = Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._within += 1
            if self._within > 1:
                return
            self._undo.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            for logger in map(logging.getLogger, _LOGGERS):
                self._undo.callback(logger.setLevel, logger.level)
                logger.setLevel(logging.CRITICAL + 1)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                self._undo.close()


_silence = _Silence()
