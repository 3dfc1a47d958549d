"""A server to which nothing should ever be sent: it records all requests, for tests of where secrets go."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

from qgen.devserver.identity import Identity


class RequestRecorder:
    """Accepts everything on 127.0.0.1, gives a token to whoever asks, and records what it was sent.

    Attributes:
        requests: every request as it came: its first line, headers and body.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.requests))
        self._http.daemon_threads = True
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, name="recorder")

    def url(self, host: str = "127.0.0.1") -> str:
        """Its address, by this name of the machine."""
        return f"http://{host}:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _handler(requests: list[bytes]) -> type[BaseHTTPRequestHandler]:
    token = json.dumps(Identity("key").issue("key")).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _record(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            requests.append(f"{self.requestline}\n".encode() + self.headers.as_bytes() + body)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(token)))
            self.end_headers()
            self.wfile.write(token)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _record  # noqa: N815  # the base class looks for these

    return Handler
