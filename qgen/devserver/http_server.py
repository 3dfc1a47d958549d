"""HTTP on the loopback: requests and responses, and connections on which faults strike."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Event, Lock
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

from qgen.devserver.faults import Fault, Faults

#: Paths of the service: the one in the environment, and the one that the client makes of other addresses.
ROOTS = ("/experimental", "/api/v1")
#: Prefix of the addresses that IBM does not have, at which no fault strikes.
ADMIN = "/devserver"


class ApiError(Exception):
    """A refused request.

    Args:
        status: HTTP status.
        code: number that IBM's service has for the reason.
        message: text of the refusal.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Request:
    """A request of a client.

    Attributes:
        method: HTTP method.
        path: path below the service's address.
        query: values by name, as lists.
        body: the body.
        authorization: the header of that name.
        instance: CRN of the account's instance that the client speaks for.
    """

    method: str
    path: str
    query: Mapping[str, list[str]]
    body: bytes
    authorization: str = ""
    instance: str = ""

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty one where there is none.

        Raises:
            ApiError: it is something else.
        """
        try:
            content = json.loads(self.body or b"{}")
        except ValueError as error:
            raise ApiError(400, 1002, f"The body is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise ApiError(400, 1002, "The body is not a JSON object.")
        return content

    def param(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        return self.query.get(name, [default])[0]


@dataclass(frozen=True)
class Response:
    """A response of the service."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Response:
        """Return a response with a value as JSON."""
        return cls(status, json.dumps(value).encode())

    @classmethod
    def text(cls, value: str) -> Response:
        """Return a response with plain text."""
        return cls(200, value.encode(), "text/plain; charset=utf-8")


#: Answers a request, or raises ApiError.
Respond: TypeAlias = Callable[[Request], Response]


class LoopbackServer(ThreadingHTTPServer):
    """HTTP server on 127.0.0.1. Its threads end when it is closed, whatever clients do.

    Args:
        port: 0: any that is free.
        respond: answers requests.
        faults: the faults that strike.
    """

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, port: int, respond: Respond, faults: Faults) -> None:
        self.respond, self.faults, self.closing = respond, faults, Event()
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """See `socketserver.TCPServer`; that of HTTPServer asks for the host's name, perhaps of a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """See `socketserver.BaseServer`."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """See `socketserver.BaseServer`."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of a connection: its client went away."""

    def stop(self) -> None:
        """Answer nothing more, and end all connections and threads."""
        self.closing.set()
        self.shutdown()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackServer
    protocol_version = "HTTP/1.1"
    server_version = "qgen-devserver"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # so that a response leaves in one piece

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: requests hold tokens."""

    def handle(self) -> None:
        """See `BaseHTTPRequestHandler`; clients may vanish at any time."""
        with suppress(ConnectionError):
            super().handle()

    def _serve(self) -> None:
        request = self._read()
        is_admin = request.path.startswith(f"{ADMIN}/")
        fault = None if is_admin else self.server.faults.for_request(request.method, request.path)
        if fault is not None:
            self.server.closing.wait(fault.delay)
        if fault is None:
            self._send(self._respond(request))
        else:
            self._send_faulty(fault, request)

    def _send_faulty(self, fault: Fault, request: Request) -> None:
        """Send what the fault makes of the response."""
        lost = fault.drop or fault.status is not None or fault.body is not None
        response = self._respond(request) if fault.after or not lost else None
        if fault.status is not None:
            self._send(_fault_response(fault, request))
        elif fault.body is not None:
            self._send(Response(200, _fill_in(fault.body, request).encode()))
        elif fault.drop or response is None:
            self._hang_up()
        else:
            if response.status == HTTPStatus.OK:
                response = replace(response, body=fault.falsify(response.body))
            self._send(response, fault.truncate)
            if fault.truncate is not None:
                self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  # the base class looks for these

    def _read(self) -> Request:
        parts = urlsplit(self.path)  # a proxy is sent whole addresses
        path = parts.path
        for root in ROOTS:
            if path.startswith(f"{root}/"):
                path = path.removeprefix(root)
                break
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the client went away in the middle of a request")
        headers = self.headers.get("Authorization") or "", self.headers.get("Service-CRN") or ""
        return Request(self.command, path, parse_qs(parts.query), body, *headers)

    def _respond(self, request: Request) -> Response:
        try:
            return self.server.respond(request)
        except ApiError as error:
            return _error_response(error.status, error.code, error.message)
        except Exception as error:  # a mistake of ours must not look like a lost connection
            return _error_response(500, 9999, f"{type(error).__name__}: {error}")

    def _send(self, response: Response, max_bytes: int | None = None) -> None:
        """Send a response, or only the first bytes of its body."""
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body[:max_bytes])


def _fault_response(fault: Fault, request: Request) -> Response:
    """Return the response of a fault with a status."""
    response = _error_response(int(fault.status or 500), fault.code or 9999, _fill_in(fault.reason, request))
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    headers |= {} if fault.location is None else {"Location": fault.location}
    return replace(response, headers=headers)


def _error_response(status: int, code: int, message: str) -> Response:
    error = {"code": code, "message": message, "solution": "", "more_info": "https://quantum.cloud.ibm.com/docs/errors"}
    return Response.json({"errors": [error], "trace": f"devserver-{time.monotonic_ns():x}"}, status)


def _fill_in(text: str, request: Request) -> str:
    """Replace the placeholders in a text by what the client sent."""
    body = request.body.decode("utf-8", "replace")
    return text.replace("{authorization}", request.authorization).replace("{body}", body)
