"""Half an hour without a mail server, by a clock that is moved: how hard it is knocked at, and how soon all mail is out."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest import pipeline
from digest.install import Install
from tests.faults.conftest import Saw, url_of
from tests.faults.stand import evil, fill, open_mails, settings, statuses, wait_until
from tests.simulated import Ticking

pytestmark = pytest.mark.faults
MAILS, WORKERS, CONNECTIONS, AWAY, TICK = 1_500, 2, 4, timedelta(minutes=30), timedelta(minutes=1)


class Door:
    """Passes connections on to a server behind it and counts them; shut, it hangs up on all of them at once."""

    def __init__(self, behind: int) -> None:
        self.knocks = self.most_open = 0
        self._behind, self._is_shut, self._open = behind, False, set[socket.socket]()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._threads = ThreadPoolExecutor(64, thread_name_prefix="door")
        self._threads.submit(self._answer)

    def shut(self) -> None:
        """As a crash of the server's host does."""
        with self._lock:
            self._is_shut = True
            for inside in self._open:
                with contextlib.suppress(OSError):
                    inside.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        self._is_shut = False

    def close(self) -> None:
        self.shut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads.shutdown()

    def _answer(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                outside, _ = self._listener.accept()
                self.knocks += 1
                if self._is_shut:
                    outside.close()
                else:
                    self._threads.submit(self._pass_on, outside)

    def _pass_on(self, outside: socket.socket) -> None:
        with outside, socket.create_connection(("127.0.0.1", self._behind)) as inside:
            pair = {outside, inside}
            with self._lock:
                self._open |= pair
                self.most_open = max(self.most_open, len(self._open) // 2)
            back = self._threads.submit(_copy, inside, outside)
            _copy(outside, inside)
            back.result()
            with self._lock:
                self._open -= pair


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def door_to(port: int) -> Iterator[Door]:
    door = Door(port)
    try:
        yield door
    finally:
        door.close()


def test_it_mails_all_within_ten_minutes_after_half_an_hour_away(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    expected, clock = fill(pg, MAILS), Ticking(datetime.now(UTC))
    with evil(tmp_path, "--mode", "slow", "--delay", ".002") as sink, door_to(sink.port) as door:
        wanted = settings(url_of(pg), tmp_path, sink, smtp_port=door.port, smtp_connections=CONNECTIONS)
        installs = [Install(wanted, clock=clock) for _ in range(WORKERS)]
        for install in installs:
            install.pool._pauses_s = (0.01,) * 3  # three more tries in the same tick, without their seconds
        with ThreadPoolExecutor(WORKERS) as workers:
            first = [workers.submit(pipeline.deliver, install) for install in installs]
            wait_until(lambda: len(sink.events()) > 200, 60)
            door.shut()
            _ = [one.result() for one in first]
            before = statuses(pg)
            knocks = [_tick(installs, workers, clock, door) for _ in range(AWAY // TICK)]
            while_away = statuses(pg)
            door.open()
            minutes = 0
            while open_mails(pg) and minutes < 30:
                _tick(installs, workers, clock, door)
                minutes += 1
        for install in installs:
            install.close()
        found = sink.report(expected)
    saw("F9", "away for 30 minutes, a look a minute", before=before, when_it_was_back=while_away, most_knocks_a_minute=max(knocks),
        most_connections=door.most_open, minutes_until_all=minutes, lost=found["lost"], forbidden=found["dup_forbidden"],
        copies=found["excused"], same_bytes=found["dup_excused_same_bytes"])  # fmt: skip
    assert minutes <= 10
    assert door.most_open <= WORKERS * CONNECTIONS
    assert max(knocks) <= WORKERS * CONNECTIONS * 4
    assert statuses(pg) == {"submitted": MAILS}
    assert (found["lost"], found["dup_forbidden"]) == (0, 0)
    assert found["dup_excused_same_bytes"] == found["excused"] <= WORKERS * CONNECTIONS


def _tick(installs: list[Install], workers: ThreadPoolExecutor, clock: Ticking, door: Door) -> int:
    """A minute later: every worker looks; how many connections that made."""
    clock.at += TICK
    before = door.knocks
    for install in installs:
        pipeline.sweep(install)
    for _ in workers.map(pipeline.deliver, installs):
        pass
    return door.knocks - before
