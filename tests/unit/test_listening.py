"""A client that stalls is left."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest

from digest.cli import listening


@pytest.mark.skipif(sys.platform != "linux", reason="accepted sockets take over the listener's patience on Linux")
def test_it_leaves_a_client_that_stalls_in_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PATIENCE_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        listening.post_worker_init(SimpleNamespace(sockets=[SimpleNamespace(sock=server)]))
        with socket.create_connection(server.getsockname()) as client, server.accept()[0] as accepted:
            client.sendall(b"GET")
            assert accepted.recv(10) == b"GET"
            with pytest.raises(BlockingIOError):
                accepted.recv(10)
