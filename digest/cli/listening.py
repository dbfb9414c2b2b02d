"""What the web server is told beyond its flags: how long a client may leave a request half sent."""

from __future__ import annotations

import socket
import struct
from typing import Any

PATIENCE_SECONDS = 10


def post_worker_init(worker: Any) -> None:
    """Called by gunicorn. A client that stalls would hold a thread for ever; on Linux accepted sockets take this over."""
    for listener in worker.sockets:
        patience = struct.pack("ll", PATIENCE_SECONDS, 0)
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
