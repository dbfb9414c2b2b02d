"""Mail servers that put off, refuse, cut, hang and go away: what the ledger and the server's own count say afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from digest import pipeline
from digest.db import states
from digest.db.tables import bounces, deliveries, subscribers
from digest.install import Install
from tests.faults.conftest import Saw, url_of
from tests.faults.stand import (
    Senders,
    Sink,
    due_now,
    evil,
    fill,
    open_mails,
    settings,
    statuses,
    wait_until,
)

pytestmark = pytest.mark.faults
MAILS = 300


@contextmanager
def install_for(pg: Engine, folder: Path, sink: Sink, **values: Any) -> Iterator[Install]:
    install = Install.open(settings(url_of(pg), folder, sink, **{"smtp_connections": 4} | values))
    try:
        yield install
    finally:
        install.close()


def send_until_settled(install: Install, rounds: int = 40) -> int:
    """Sweep and deliver, each time as if all waits were over; returns how many rounds it took."""
    for number in range(1, rounds + 1):
        pipeline.sweep(install)
        pipeline.deliver(install)
        if not open_mails(install.engine):
            return number
        due_now(install.engine)
    return rounds


def blamed(engine: Engine) -> int:
    """Readers who lost their standing, or have a bounce counted against them."""
    with engine.connect() as connection:
        gone = connection.execute(select(func.count()).select_from(subscribers).where(subscribers.c.status != "active"))
        scored = connection.execute(select(func.count()).select_from(subscribers).where(subscribers.c.soft_bounces > 0))
        noted = connection.execute(select(func.count()).select_from(bounces))
        return gone.scalar_one() + scored.scalar_one() + noted.scalar_one()


def pause_of(engine: Engine) -> str:
    with engine.connect() as connection:
        found = states.get(connection, pipeline.PAUSE)
    return found[0]["reason"] if found else ""


@pytest.mark.parametrize(
    ("fault", "arguments"),
    [
        ("F3", ["--mode", "tempfail", "--p", ".5"]),
        ("F3", ["--mode", "greylist"]),
        ("F3", ["--mode", "eod451", "--p", ".5"]),
        ("F6", ["--mode", "middrop", "--p", ".1"]),
        ("F6", ["--mode", "vanish", "--p", ".1"]),
        ("F7", ["--mode", "ambiguous", "--p", ".05"]),
        ("F8", ["--mode", "hang", "--hang-at", "connect", "--p", ".2", "--hang", "1.5"]),
        ("F8", ["--mode", "hang", "--hang-at", "data", "--p", ".02", "--hang", "1.5"]),
        ("F8", ["--mode", "hang", "--hang-at", "eod", "--p", ".02", "--hang", "1.5"]),
        ("F8", ["--mode", "slow", "--delay", ".02"]),
        ("F10", ["--mode", "421", "--per-conn", "1"]),
        ("F10", ["--mode", "busy", "--p", ".5"]),
        ("F10", ["--mode", "rate", "--rate", "100"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value[1:]).replace("--", ""),
)
def test_it_mails_all_whatever_the_server_does(
    pg: Engine, tmp_path: Path, saw: Saw, fault: str, arguments: list[str]
) -> None:
    expected = fill(pg, MAILS)
    with (
        evil(tmp_path, *arguments) as sink,
        install_for(pg, tmp_path, sink, smtp_timeout=1, smtp_data_timeout=1) as install,
    ):
        rounds = send_until_settled(install)
        if "hang" in arguments:
            time.sleep(2)  # the server may still take what it hung over
        found = sink.report(expected)
    saw(fault, " ".join(arguments[1:]), lost=found["lost"], forbidden=found["dup_forbidden"], cut_replies=found["not_acked"],
        copies=found["excused"], same_bytes=found["dup_excused_same_bytes"], rounds=rounds, blamed=blamed(pg))  # fmt: skip
    assert statuses(pg) == {"submitted": MAILS}
    assert (found["lost"], found["dup_forbidden"], blamed(pg)) == (0, 0, 0)
    assert found["excused"] == found["dup_excused_same_bytes"] == found["not_acked"]
    assert fault in ("F7", "F8") or found["excused"] == 0


def test_it_waits_before_it_tries_again(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    fill(pg, 50)
    with evil(tmp_path, "--mode", "tempfail", "--p", "1") as sink, install_for(pg, tmp_path, sink) as install:
        waits = []
        for _ in range(4):
            pipeline.deliver(install)
            with pg.connect() as connection:
                again_at = connection.execute(select(func.min(deliveries.c.next_try_at))).scalar_one()
            waits.append(round((again_at - datetime.now(UTC)) / timedelta(minutes=1)))
            due_now(pg)
    saw("F3", "pauses in minutes after each try", minutes=waits)
    assert waits == [1, 2, 5, 10]


def test_it_tries_once_who_does_not_exist(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    expected = fill(pg, 200)
    dead = [f"reader{n}@example.org" for n in range(10, 20)]
    with evil(tmp_path, "--mode", "reject", "--reject", "reader1?") as sink, install_for(pg, tmp_path, sink) as install:
        send_until_settled(install)
        tries = [event["rcpt"] for event in sink.events("reject")]
        found = sink.report([one for one in expected if one not in dead])
    with pg.connect() as connection:
        rows = connection.execute(select(subscribers.c.email).where(subscribers.c.status == "suppressed"))
        suppressed = sorted(rows.scalars())
    saw("F4", tries=len(tries), suppressed=len(suppressed), others_without_mail=found["lost"], copies=found["excused"])
    assert sorted(tries) == suppressed == dead
    assert (found["lost"], found["unexpected"], found["dup_forbidden"], found["excused"]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "is_about_site"),
    [
        (["--mode", "eod554", "--p", "1"], True),
        (["--mode", "size", "--max-size", "500"], False),
        (["--mode", "size", "--max-size", "500", "--no-size"], False),
    ],
    ids=["554-5.7.1", "552-announced", "552"],
)
def test_it_pauses_when_all_is_refused(
    pg: Engine, tmp_path: Path, saw: Saw, arguments: list[str], is_about_site: bool
) -> None:
    expected = fill(pg, MAILS)
    with evil(tmp_path, *arguments) as sink, install_for(pg, tmp_path, sink) as install:
        stopped = pipeline.deliver(install)
        again = pipeline.deliver(install)
        tried, reason = statuses(pg), pause_of(pg)
        sink.start("--mode", "ok")
        due_now(pg)
        send_until_settled(install)
        found = sink.report(expected)
    refused = tried.get("refused", 0)
    saw(
        "F5",
        " ".join(arguments[1:]),
        tried=tried,
        then=statuses(pg),
        alarm=reason[:60],
        forbidden=found["dup_forbidden"],
        blamed=blamed(pg),
    )
    assert (stopped.ok, "paused" in again.reason) == (False, True)
    assert 20 <= MAILS - tried["waiting"] <= 20 + 4
    assert refused == (0 if is_about_site else MAILS - tried["waiting"])
    assert (found["lost"], found["dup_forbidden"], found["excused"], blamed(pg)) == (refused, 0, 0, 0)


def test_it_mails_all_once_a_server_is_back(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    expected = fill(pg, 1_000)
    with evil(tmp_path, "--mode", "slow", "--delay", ".005", "--max-conn", "8") as sink:
        with Senders(settings(url_of(pg), tmp_path, sink, smtp_connections=4), 2) as senders:
            wait_until(lambda: len(sink.events()) > 200, 60)
            sink.stop()
            time.sleep(8)
            before = statuses(pg)
            sink.start("--mode", "ok", "--max-conn", "8")
            back_at = time.monotonic()
            end = back_at + 90
            while open_mails(pg) and time.monotonic() < end:
                time.sleep(0.5)
                with (
                    pg.begin() as connection
                ):  # what was cut in the middle waits a minute; the others must need no help
                    connection.execute(
                        deliveries.update()
                        .where(deliveries.c.status == "deferred", deliveries.c.attempts + deliveries.c.doubts > 0)
                        .values(next_try_at=datetime(2020, 1, 1, tzinfo=UTC))
                    )
            seconds = time.monotonic() - back_at
            assert senders.kills == 0
        found = sink.report(expected)
    saw("F9", "away for 8 s", while_away=before, lost=found["lost"], forbidden=found["dup_forbidden"], copies=found["excused"],
        seconds_until_all=round(seconds))  # fmt: skip
    assert statuses(pg) == {"submitted": 1_000}
    assert (found["lost"], found["dup_forbidden"]) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (["--mode", "tls-broken"], {"smtp_security": "starttls"}),
        (["--mode", "tls-454"], {"smtp_security": "starttls"}),
        (["--mode", "tls"], {"smtp_security": "starttls"}),  # its certificate is nobody's we trust
        (["--mode", "ok"], {"smtp_security": "starttls"}),
        (["--mode", "auth-fail"], {"smtp_user": "user", "smtp_password": "pass"}),
    ],
    ids=["broken", "454", "wrong-certificate", "not-offered", "login-refused"],
)
def test_it_sends_nothing_in_clear(
    pg: Engine, tmp_path: Path, saw: Saw, arguments: list[str], values: dict[str, Any]
) -> None:
    expected = fill(pg, 60)
    with evil(tmp_path, *arguments) as sink:
        with install_for(pg, tmp_path, sink, **values) as install:
            stopped, again = pipeline.deliver(install), pipeline.deliver(install)
            sent, reason = len(sink.events()), pause_of(pg)
        sink.start("--mode", "ok")
        due_now(pg)
        with install_for(pg, tmp_path, sink) as install:
            send_until_settled(install)
        found = sink.report(expected)
    saw(
        "F24",
        " ".join(arguments[1:]),
        in_clear=sent,
        alarm=reason[:70],
        lost_once_mended=found["lost"],
        copies=found["excused"],
    )
    assert (sent, stopped.ok, "paused" in again.reason) == (0, False, True)
    assert (found["lost"], found["dup_forbidden"], found["excused"]) == (0, 0, 0)


def test_it_heeds_a_stop_while_a_server_hangs(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    """One reader's slow server never holds up the end of the run for longer than the time-outs."""
    fill(pg, 50)
    hanging = ["--mode", "hang", "--hang-at", "eod", "--p", "1", "--hang", "60"]
    short = {"smtp_timeout": 2, "smtp_data_timeout": 2}
    with evil(tmp_path, *hanging) as sink, install_for(pg, tmp_path, sink, **short) as install:
        threading.Timer(1.0, install.stop.set).start()  # type: ignore[attr-defined]
        began = time.monotonic()
        pipeline.deliver(install)
        seconds = time.monotonic() - began
    saw("F8", "every reply to the dot takes 60 s, SIGTERM after 1 s", seconds=round(seconds, 1), ledger=statuses(pg))
    assert seconds < 30
