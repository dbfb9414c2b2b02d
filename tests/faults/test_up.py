"""`digest up` on one machine without Redis: a reader comes, the machine dies twice, and the next morning is like any other."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from email import message_from_bytes, policy
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from digest.db.engine import make_engine
from digest.db.tables import deliveries
from digest.delivery import tally
from digest.settings import Settings
from tests.conftest import free_port
from tests.faults.conftest import Saw
from tests.faults.stand import started, told_in, wait_until
from tests.faults.test_real_workers import is_healthy_within
from tests.faults.test_workers import post
from tests.simulated import Sink, at, settings, sink, write_papers

pytestmark = pytest.mark.faults
CLOCK = "2026-06-09T00:00:00Z@1800"  # a day in 48 seconds
READER = "reader1@example.org"


class Machine:
    """One `digest up`, and everything that it started."""

    def __init__(self, wanted: Settings, port: int, log: Path) -> None:
        self._wanted, self._port, self._log = wanted, port, log
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as output:
            self._process = started(["up", "--port", str(self._port)], self._wanted, output)
        assert is_healthy_within(120, f"http://127.0.0.1:{self._port}/healthz")

    def family(self) -> list[psutil.Process]:
        return [found := psutil.Process(self._process.pid), *found.children(recursive=True)]

    def lose_power(self) -> None:
        """kill -9 of everything at once, and up again."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        wait_until(self._is_port_free, 30)
        self._start()

    def lose_parent(self) -> float:
        """kill -9 of `digest up` alone; how many seconds its children went on. Then up again."""
        family, began = self.family(), time.monotonic()
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        psutil.wait_procs(family, timeout=60)
        seconds = time.monotonic() - began
        assert [process for process in family if process.is_running() and process.status() != "zombie"] == []
        self._start()
        return seconds

    def stop(self) -> int:
        self._process.terminate()
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return -9

    def _is_port_free(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) != 0


def test_it_serves_a_reader_on_one_machine_that_dies_twice(tmp_path: Path, saw: Saw) -> None:
    port, days = free_port(), [at("2026-06-08T00:00").date().replace(day=day) for day in range(8, 20)]
    write_papers(tmp_path / "papers.jsonl", days)
    url, web = f"sqlite:///{tmp_path}/digest.db", f"http://127.0.0.1:{port}"
    with sink() as server:
        wanted = settings(url, tmp_path / "var", "http://127.0.0.1:9", server.port, clock=CLOCK, sources=("file",),
                          papers_file=tmp_path / "papers.jsonl", public_url=web, tick_seconds=2)  # fmt: skip
        machine = Machine(wanted, port, tmp_path / "log")
        try:
            assert post(f"{web}/subscribe", email=READER, topics="robots", timezone="UTC", hour="7") == 200
            wait_until(lambda: mails(server, "/c/"), 60)
            began = time.monotonic()
            assert post(link(server, "/c/")) == 200
            machine.lose_power()
            wait_until(lambda: digests(server) == 1, 90)
            first_after = time.monotonic() - began
            orphaned = machine.lose_parent()
            wait_until(lambda: digests(server) == 2, 150)
        finally:
            code = machine.stop()
    engine = make_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(select(deliveries).where(deliveries.c.mail == "digest")).all()
    dates = [row.dated_on for row in rows if row.status == "submitted"]
    totals = tally.totals(engine)
    engine.dispose()
    saw("F11", "no Redis at all: `digest up` killed twice", mails=server.taken.total(), digests=digests(server),
        confirmations=len(mails(server, "/c/")), seconds_to_the_first_after_a_kill=round(first_after),
        children_went_on_for_seconds=round(orphaned, 1), exit_code=code)  # fmt: skip
    assert (len(dates), len(set(dates)), totals.closes, code) == (digests(server), digests(server), True, 0)
    assert set(server.taken.values()) == {1}
    assert len(mails(server, "/c/")) == 1
    assert told_in(tmp_path / "log") == []


def mails(server: Sink, path: str) -> list[str]:
    """The texts of mails with a link to such a page."""
    texts = [_text(raw) for raw in list(server.raw.values())]
    return [text for text in texts if path in text]


def _text(raw: bytes) -> str:
    part = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
    assert part
    return str(part.get_content())


def link(server: Sink, path: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+" + path + r"[\w-]+", mails(server, path)[0])
    assert found
    return found[0]


def digests(server: Sink) -> int:
    return len(mails(server, "/v/"))
