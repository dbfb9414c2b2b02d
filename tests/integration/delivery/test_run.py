"""Whole runs in which something is wrong with all mail, with time, or with another worker."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from digest import outgoing, pipeline
from digest.db.tables import deliveries
from digest.delivery import ledger, recorder, send
from digest.install import Install
from tests.builders import NOW, add_edition, add_paper, add_subscriber
from tests.integration.delivery.fake_server import CLOSE, fake_server
from tests.simulated import settings


@contextmanager
def ready(engine: Engine, folder: Path, port: int, count: int, **values: Any) -> Iterator[Install]:
    """An edition that waits for each of so many readers."""
    url = engine.url.render_as_string(hide_password=False)
    wanted = settings(url, folder / "var", "http://127.0.0.1:9", port, **{"sources": ()} | values)
    install = Install(wanted, clock=lambda: NOW)
    with engine.begin() as connection:
        paper = add_paper(connection)
        for number in range(count):
            add_edition(connection, add_subscriber(connection, f"r{number}@example.org"), [paper])
        waiting = {"status": "waiting", "mailed_at": NOW, "next_try_at": NOW, "finished_at": None}
        connection.execute(deliveries.update().values(waiting | {"attempts": 0}))
    yield install
    install.close()


def statuses(engine: Engine) -> Counter[str]:
    with engine.connect() as connection:
        return Counter(connection.execute(select(deliveries.c.status)).scalars())


def test_it_stops_when_the_server_never_says_whether_it_took_a_mail(engine: Engine, tmp_path: Path) -> None:
    with fake_server(dot=CLOSE) as fake, ready(engine, tmp_path, fake.port, 60, smtp_connections=2) as install:
        report = pipeline.deliver(install)
        assert "in a row" in report.reason
        assert len(fake.mails) <= send.MOST_FAULTS + 2
        assert "paused" in pipeline.deliver(install).reason
    assert statuses(engine)["deferred"] == len(fake.mails)
    assert statuses(engine)["waiting"] == 60 - len(fake.mails)


@pytest.mark.parametrize("first_to_wake", ["sender", "writer"])
def test_it_sends_nothing_that_another_worker_may_have_got_while_this_machine_slept(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_to_wake: str
) -> None:
    slept, made, uptime, prepare = [0.0], [0], recorder.uptime, outgoing.prepare

    def sleepy(install: Install, claims: Any) -> Any:
        make = prepare(install, claims)

        def make_then_sleep(claim: Any) -> Any:
            made[0] += 1
            if made[0] == 3:  # the lid is closed, and another machine takes what this one holds
                slept[0] = ledger.LEASE_SECONDS
                taken = {"worker": "another", "lease_until": 4e9}
                with install.engine.begin() as connection:
                    connection.execute(deliveries.update().where(deliveries.c.id > claim.id).values(taken))
                if first_to_wake == "writer":  # which renews what is left of the claims
                    time.sleep(0.5)
            return make(claim)

        return make_then_sleep

    monkeypatch.setattr(outgoing, "prepare", sleepy)
    monkeypatch.setattr(recorder, "uptime", lambda: uptime() + slept[0])
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.05 if first_to_wake == "writer" else 60.0)
    with fake_server() as fake, ready(engine, tmp_path, fake.port, 10, smtp_connections=1) as install:
        pipeline.deliver(install)
    assert len(fake.mails) == 3
    assert statuses(engine) == {"submitted": 3, "claimed": 7}


def test_it_sends_nothing_twice_when_the_ledger_cannot_be_written_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, prepare, failed = ledger.record, outgoing.prepare, []

    def slow_until_it_failed(install: Install, claims: Any) -> Any:
        make = prepare(install, claims)

        def made(claim: Any) -> Any:
            for _ in range(5_000):
                if claim.id > 20 and not failed:
                    time.sleep(0.001)
            return make(claim)

        return made

    def fickle(engine: Engine, worker: str, submitted: Any, *rest: Any) -> None:
        if submitted and not failed:
            failed.append(submitted)
            raise ValueError("not what a database says")
        record(engine, worker, submitted, *rest)

    monkeypatch.setattr(outgoing, "prepare", slow_until_it_failed)
    monkeypatch.setattr(ledger, "record", fickle)
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.01)
    with fake_server() as fake, ready(engine, tmp_path, fake.port, 40, smtp_connections=1) as install:
        pipeline.deliver(install)
    assert failed
    assert len(fake.mails) == 40
    assert statuses(engine) == {"submitted": 40}


def test_it_keeps_to_the_days_number_when_two_workers_claim_at_once(engine: Engine, tmp_path: Path) -> None:
    cap = ledger.Cap(3, NOW - timedelta(hours=6))
    claimed: list[list[ledger.Claim]] = []
    second = Thread(target=lambda: claimed.append(ledger.claim(engine, "second", NOW, 10, cap=cap)))

    def claim_meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "count(" in statement and not second.ident:
            second.start()
            second.join(0.3)  # it has to wait; without the lock it would be done by now

    with ready(engine, tmp_path, 25, 10):
        event.listen(engine, "after_cursor_execute", claim_meanwhile)
        try:
            claimed.append(ledger.claim(engine, "first", NOW, 10, cap=cap))
        finally:
            event.remove(engine, "after_cursor_execute", claim_meanwhile)
        second.join(30)
    assert sum(map(len, claimed)) == 3


policy_of = os.sched_getscheduler  # some tests take it away


@dataclass
class Seen:
    """Scheduling policies: of the sending thread and of the ledger's while a mail was made, of the sending one after the run."""

    sender: int = -1
    ledger: int = -1
    after: int = -1


def deliver_apart(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch, policy: int | None = None, error: str = ""
) -> Seen:
    """Five mails from a thread of its own, with that policy, which may be one that there is no way back from."""
    seen, prepare = Seen(), outgoing.prepare

    def looking(install: Install, claims: Any) -> Any:
        make = prepare(install, claims)

        def made(claim: Any) -> Any:
            seen.sender = policy_of(0)
            seen.ledger = policy_of(next(one for one in threading.enumerate() if one.name == "ledger").native_id or 0)
            return make(claim)

        if error:
            raise RuntimeError(error)
        return made

    def send() -> None:
        if policy is not None:
            os.sched_setscheduler(0, policy, os.sched_param(0))
        with suppress(RuntimeError):
            pipeline.deliver(install)
        seen.after = policy_of(0)

    monkeypatch.setattr(outgoing, "prepare", looking)
    with fake_server() as fake, ready(engine, folder, fake.port, 5) as install:
        sender = Thread(target=send)
        sender.start()
        sender.join(60)
    assert len(fake.mails) == (0 if error else 5)
    return seen


def test_it_wakes_without_pushing_others_off_a_core(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.sched_getscheduler(0)
    assert deliver_apart(engine, tmp_path, monkeypatch) == Seen(os.SCHED_BATCH, os.SCHED_BATCH, before)
    assert os.sched_getscheduler(0) == before


def test_it_gives_the_policy_back_after_an_error(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deliver_apart(engine, tmp_path, monkeypatch, error="boom").after == os.sched_getscheduler(0)


@pytest.mark.parametrize("policy", [os.SCHED_IDLE, os.SCHED_BATCH])
def test_it_keeps_the_policy_that_somebody_chose(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: int
) -> None:
    assert deliver_apart(engine, tmp_path, monkeypatch, policy) == Seen(policy, policy, policy)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOSYS])
@pytest.mark.parametrize("call", ["sched_getscheduler", "sched_setscheduler"])
def test_it_sends_where_there_is_no_other_policy(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    before = os.sched_getscheduler(0)
    monkeypatch.setattr(os, call, refused)
    assert deliver_apart(engine, tmp_path, monkeypatch) == Seen(before, before, before)
