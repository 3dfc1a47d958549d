"""One connection: requests are read, faults strike, the service answers."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Event, Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from qgen.devserver.api import answer, token
from qgen.devserver.control import PREFIX, control
from qgen.devserver.faults import Fault
from qgen.devserver.messages import Answer, ApiError, Request
from qgen.devserver.service import Service

#: Where the service lies: what the environment says, and what the client makes of other addresses.
ROOTS = ("/experimental", "/api/v1")
TOKEN = "/identity/token"


class Loopback(ThreadingHTTPServer):
    """The HTTP server. Its threads end when it is closed, whatever clients do."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, port: int, service: Service) -> None:
        self.service, self.closing = service, Event()
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """See `socketserver.TCPServer`; that of HTTPServer asks for the host's name, perhaps of a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """See `socketserver.BaseServer`."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """See `socketserver.BaseServer`."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no concern of anybody's."""

    def stop(self) -> None:
        """Answer nothing more, and end all connections and threads."""
        self.closing.set()
        self.shutdown()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Loopback
    protocol_version = "HTTP/1.1"
    server_version = "qgen-devserver"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # so that an answer leaves in one piece

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: requests hold tokens."""

    def handle(self) -> None:
        """See `BaseHTTPRequestHandler`; clients may vanish at any time."""
        with suppress(ConnectionError):
            super().handle()

    def _serve(self) -> None:
        request = self._read()
        ours = request.path.startswith(f"{PREFIX}/")
        fault = None if ours else self.server.service.faults.for_request(request.method, request.path)
        if fault is not None:
            self.server.closing.wait(fault.delay)
        if fault is None:
            self._send(self._answer(request))
        else:
            self._spoil(fault, request)

    def _spoil(self, fault: Fault, request: Request) -> None:
        """Answers as the fault has it."""
        lost = fault.drop or fault.status is not None or fault.body is not None
        whole = self._answer(request) if fault.after or not lost else None
        if fault.status is not None:
            self._send(_refusal(fault, request))
        elif fault.body is not None:
            self._send(Answer(200, _filled(fault.body, request).encode()))
        elif fault.drop or whole is None:
            self._hang_up()
        else:
            self._send(
                replace(whole, body=fault.lie(whole.body)) if whole.status == HTTPStatus.OK else whole, fault.truncate
            )
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

    def _answer(self, request: Request) -> Answer:
        service = self.server.service
        try:
            if request.path.startswith(f"{PREFIX}/"):
                return control(service, request)
            if request.path == TOKEN:
                return token(service, request)
            if not service.identity.knows(request.authorization):
                raise ApiError(401, 1201, "Unauthorized: the token is invalid or has expired.")
            return answer(service, request)
        except ApiError as error:
            return _error(error.status, error.code, error.message)
        except Exception as error:  # a mistake of ours must not look like a lost connection
            return _error(500, 9999, f"{type(error).__name__}: {error}")

    def _send(self, found: Answer, most: int | None = None) -> None:
        """Sends an answer, or only so many bytes of its body."""
        self.send_response(found.status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        if found.status != 204:
            self.send_header("Content-Type", found.kind)
            self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        self.wfile.write(found.body[:most])


def _refusal(fault: Fault, request: Request) -> Answer:
    """The answer of a fault with a status."""
    found = _error(int(fault.status or 500), fault.code or 9999, _filled(fault.reason, request))
    wait = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    where = {} if fault.location is None else {"Location": fault.location}
    return replace(found, headers=wait | where)


def _error(status: int, code: int, message: str) -> Answer:
    about = {"code": code, "message": message, "solution": "", "more_info": "https://quantum.cloud.ibm.com/docs/errors"}
    return Answer.of({"errors": [about], "trace": f"devserver-{time.monotonic_ns():x}"}, status)


def _filled(text: str, request: Request) -> str:
    """With what the client sent, where the text asks for it."""
    sent = request.body.decode("utf-8", "replace")
    return text.replace("{authorization}", request.authorization).replace("{body}", sent)
