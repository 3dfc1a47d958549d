"""One connection: requests are read, faults strike, the service answers."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Event, Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from qgen.devserver.api import answer, token
from qgen.devserver.control import PREFIX, control
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
        if fault is None or not (fault.drop or fault.status):
            self._send(self._answer(request))
            return
        if fault.after:
            self._answer(request)
        if fault.status:
            self._send(_refusal(fault.status, fault.code or 9999, fault.reason, fault.retry_after))
        else:
            self.close_connection = True
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
        return Request(self.command, path, parse_qs(parts.query), body, self.headers.get("Authorization") or "")

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
            return _refusal(error.status, error.code, error.message)
        except Exception as error:  # a mistake of ours must not look like a lost connection
            return _refusal(500, 9999, f"{type(error).__name__}: {error}")

    def _send(self, found: Answer) -> None:
        self.send_response(found.status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        if found.status != 204:
            self.send_header("Content-Type", found.kind)
            self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        self.wfile.write(found.body)


def _refusal(status: int, code: int, message: str, retry_after: float | None = None) -> Answer:
    about = {"code": code, "message": message, "solution": "", "more_info": "https://quantum.cloud.ibm.com/docs/errors"}
    body = {"errors": [about], "trace": f"devserver-{time.monotonic_ns():x}"}
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return Answer(status, json.dumps(body).encode(), headers=headers)
