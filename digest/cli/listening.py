"""What the web server is told beyond its flags: how long a client may leave a request half sent, and how it logs."""

from __future__ import annotations

import socket
import struct
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger

from digest.logs import configure
from digest.settings import load

PATIENCE_SECONDS = 10


class _OurLog(Logger):  # type: ignore[misc]
    """Gunicorn's lines like all others: in one format, and without the token of a link that it names."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        configure(load())
        self.error_log.handlers.clear()
        self.error_log.propagate = True


logger_class = _OurLog


def post_worker_init(worker: Any) -> None:
    """Called by gunicorn. A client that stalls would hold a thread for ever; on Linux accepted sockets take this over."""
    for listener in worker.sockets:
        patience = struct.pack("ll", PATIENCE_SECONDS, 0)
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
