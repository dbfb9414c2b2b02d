"""A web server on loopback that gives scripted answers, in order, and remembers what it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType


@dataclass(frozen=True)
class Reply:
    body: bytes = b"[]"
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    drip_seconds: float = 0.0  # a byte, then a pause of this length, and so on
    promised_bytes: int | None = None  # a Content-Length that is not kept


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    at: float


class FeedServer:
    """`replies(path, number)` gives the answer to the number-th request."""

    def __init__(self, replies: Callable[[str, int], Reply]) -> None:
        self.asked: list[Asked] = []
        self._lock = Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                with outer._lock:
                    number = len(outer.asked)
                    outer.asked.append(Asked(self.path, dict(self.headers), time.monotonic()))
                try:
                    outer._answer(self, replies(self.path, number))
                except OSError:
                    self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        handler.send_response(reply.status)
        handler.send_header("Content-Type", reply.content_type)
        if reply.status != 304:
            handler.send_header("Content-Length", str(reply.promised_bytes or len(reply.body)))
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if reply.drip_seconds:
            for at in range(len(reply.body)):
                handler.wfile.write(reply.body[at : at + 1])
                handler.wfile.flush()
                time.sleep(reply.drip_seconds)
        elif reply.status != 304:
            handler.wfile.write(reply.body)
        handler.close_connection = reply.promised_bytes is not None

    def __enter__(self) -> FeedServer:
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
