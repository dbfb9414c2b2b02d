"""Three days through real beat, two workers, web, Redis and PostgreSQL, while the clock runs 600 times as fast."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from digest.db.tables import deliveries
from digest.delivery import ledger, tally
from digest.install import Install
from digest.settings import Settings
from tests.conftest import free_port, scratch_database, wait_for
from tests.faults.conftest import Saw
from tests.simulated import Reader, add_readers, faults, figures, move, replay, settings, sink

pytestmark = pytest.mark.faults
RATE, DAYS = 600, int(os.environ.get("DIGEST_SIMULATED_DAYS", "3"))
CLOCK = f"2026-06-09T00:00:00Z@{RATE}"


@contextmanager
def processes(
    wanted: dict[str, list[str]], environment: dict[str, str], folder: Path
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """`python -m digest ...` under each name, its output in a file of that name; asked to stop at the end."""
    running = {}
    try:
        for name, arguments in wanted.items():
            with (folder / f"{name}.log").open("wb") as log:
                command = [sys.executable, "-m", "digest", *arguments]
                running[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        yield running
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(60)


def environment(wanted: Settings, redis_url: str) -> dict[str, str]:
    values = {
        name: getattr(wanted, name)
        for name in ("database_url", "data_dir", "hf_url", "smtp_port", "smtp_connections", "public_url", "mail_from")
    }
    named = {f"DIGEST_{name.upper()}": str(value) for name, value in values.items()}
    secret = wanted.secret_key.get_secret_value()
    return (
        dict(os.environ) | named | {"DIGEST_SECRET_KEY": secret, "DIGEST_BROKER_URL": redis_url, "DIGEST_CLOCK": CLOCK}
    )


def test_it_keeps_every_date_through_real_processes(
    request: pytest.FixtureRequest, redis_url: str, tmp_path: Path, saw: Saw
) -> None:
    with scratch_database(request, "postgresql", tmp_path) as url, sink() as server, replay() as hf_url:
        wanted = settings(url, tmp_path / "var", hf_url, server.port, clock=CLOCK)
        port = free_port()
        commands = {"beat": ["beat"], "one": ["worker"], "two": ["worker"], "web": ["web", "--port", str(port)]}
        with closing(Install.open(wanted)) as install:
            move(hf_url, install.now().date())
            with processes(commands, environment(wanted, redis_url), tmp_path) as running:
                wait_for(port, 60)
                assert is_healthy_within(60, f"http://127.0.0.1:{port}/healthz")
                readers = add_readers(install.engine, 60, install.now())
                end = install.now() + timedelta(days=DAYS)
                while install.now() < end:
                    watch(install, running, hf_url)
                    time.sleep(1)
                running["beat"].terminate()
                running["beat"].wait(30)
                drain(install.engine)
            readers = [first_planned(install.engine, reader) for reader in readers]
            wrong = faults(install.engine, readers, end - timedelta(hours=2), server.taken, install.now())
            saw("F17", f"{DAYS} days through beat, two workers and web, {RATE} times as fast", wrong=len(wrong),
                of=figures(install.engine, server.taken))  # fmt: skip
            assert wrong == []


def watch(install: Install, running: dict[str, subprocess.Popen[bytes]], hf_url: str) -> None:
    """The sources go with the clock, the ledger closes while it is written, and every process lives."""
    now = install.now()
    move(hf_url, (now + timedelta(minutes=30)).date())
    for day in (None, now.date()):
        assert tally.totals(install.engine, day).closes
    assert [name for name, process in running.items() if process.poll() is not None] == []


def first_planned(engine: Engine, reader: Reader) -> Reader:
    """The reader, confirmed when their first digest was planned: at this speed midnight may lie between the two."""
    with engine.connect() as connection:
        mine = (deliveries.c.subscriber_id == reader.id) & (deliveries.c.mail == "digest")
        at = connection.execute(select(func.min(deliveries.c.planned_at)).where(mine)).scalar_one()
    assert timedelta(0) <= at - reader.confirmed_at < timedelta(hours=3)
    return replace(reader, confirmed_at=at)


def drain(engine: Engine, seconds: float = 120) -> None:
    """Wait until the workers have nothing in hand."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with engine.connect() as connection:
            open_ = connection.execute(
                select(deliveries.c.id).where(deliveries.c.status.in_(ledger.OPEN)).limit(1)
            ).first()
        if open_ is None:
            return
        time.sleep(1)


def is_healthy_within(seconds: float, url: str) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            return bool(urllib.request.urlopen(url, timeout=10).status == 200)
        except OSError:
            time.sleep(1)  # it is still starting
    return False
