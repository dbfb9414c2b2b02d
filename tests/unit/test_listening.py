"""A client that stalls is left, and the web server logs like the rest."""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

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


@pytest.fixture
def _same_logs_after() -> Iterator[None]:
    root, server = logging.getLogger(), logging.getLogger("gunicorn.error")
    before = root.handlers[:], root.level, server.handlers[:], server.level, server.propagate
    yield
    root.handlers[:], root.level, server.handlers[:], server.level, server.propagate = before


@pytest.mark.usefixtures("_same_logs_after")
def test_it_logs_in_our_format_and_no_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIGEST_LOG_FORMAT", "json")
    listening.logger_class(Config()).info("GET /u/%s", "A" * 32)
    assert json.loads(capsys.readouterr().err)["event"] == "GET /u/***"
