"""Whole runs held back: what may not go now waits in the ledger untried, and what may go is not held up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select

from digest import pipeline
from digest.db.schema import migrate
from digest.db.tables import DeliveryStatus, deliveries
from digest.delivery import ledger
from digest.delivery.board import OwnBoard, RedisBoard
from digest.delivery.outcomes import Phase, Reply, judge
from digest.delivery.pace import Timeline
from digest.delivery.throttle import PATIENCE_SECONDS, Throttle
from digest.install import Install
from digest.settings import Settings
from tests.builders import NOW, TODAY, add_digest, add_edition, add_paper, add_subscriber
from tests.integration.delivery.fake_server import fake_server

SLOW = judge(Phase.RCPT, Reply(421, "4.7.28", "rate limit"))


@contextmanager
def ready(folder: Path, port: int, **settings: Any) -> Iterator[Install]:
    """Six readers of two domains, an edition waiting for each."""
    own = {"database_url": f"sqlite:///{folder}/digest.db", "data_dir": folder, "secret_key": SecretStr("s" * 40)}
    install = Install(Settings(**(own | {"smtp_port": port} | settings)), clock=lambda: NOW)
    migrate(install.engine)
    with install.engine.begin() as connection:
        paper = add_paper(connection)
        for number in range(6):
            reader = add_subscriber(connection, f"r{number}@{'slow' if number % 2 else 'fast'}.example")
            add_edition(connection, reader, [paper])
        waiting = {"status": DeliveryStatus.WAITING, "mailed_at": NOW, "finished_at": None}
        connection.execute(deliveries.update().values(waiting))
    try:
        yield install
    finally:
        install.close()


def rows(install: Install) -> list[tuple[Any, ...]]:
    columns = (deliveries.c.status, deliveries.c.attempts, deliveries.c.next_try_at)
    with install.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(deliveries.c.id))]


def test_it_sends_back_untried_what_a_domain_takes_no_more_of(tmp_path: Path) -> None:
    with fake_server() as fake, ready(tmp_path, fake.port) as install:
        now = [1000.0]
        throttle = Throttle(0, 0, OwnBoard(), lambda: now[0])
        install.__dict__["throttle"] = throttle
        while (wait := throttle.admit("slow.example")) <= PATIENCE_SECONDS:
            now[0] += wait
            if not wait:
                throttle.done("slow.example", SLOW)
        report = pipeline.deliver(install)
        found = rows(install)
    assert (report.counts["submitted"], report.counts["waiting"]) == (3, 3)
    assert [status for status, _, _ in found[::2]] == [DeliveryStatus.SUBMITTED] * 3
    back = [(status, attempts) for status, attempts, _ in found[1::2]]
    assert back == [(DeliveryStatus.WAITING, 0)] * 3
    times = [at for _, _, at in found[1::2]]
    assert NOW + timedelta(seconds=PATIENCE_SECONDS) < times[0] < times[1] < times[2]


def test_it_keeps_a_new_sender_to_its_days_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "warm_up_cap", lambda first_on, today: 2)
    with fake_server() as fake, ready(tmp_path, fake.port, warm_up_from=str(NOW.date())) as install:
        first, second = pipeline.deliver(install), pipeline.deliver(install)
        found = rows(install)
    assert (first.counts["submitted"], second.counts["submitted"]) == (2, 0)
    assert "warming up" in second.reason
    assert [status for status, _, _ in found].count(DeliveryStatus.WAITING) == 4


def test_it_ends_a_run_when_its_time_is_over_however_slow_the_rate(tmp_path: Path) -> None:
    with fake_server() as fake, ready(tmp_path, fake.port, send_rate=0.5) as install:
        report = pipeline.deliver(install, seconds=0.3)
        found = rows(install)
    assert report.counts["submitted"] < 6
    assert not report.is_finished
    assert {status for status, _, _ in found} <= {DeliveryStatus.WAITING, DeliveryStatus.SUBMITTED}


@pytest.mark.services
def test_it_shares_places_and_seats_through_redis(redis_url: str) -> None:
    one, two = RedisBoard(redis_url), RedisBoard(redis_url)
    moments = [Timeline(40.0, board.take).next(5_000_000.0 + n) for n, board in enumerate((one, two, one, two))]
    assert len(set(moments)) == 4
    row = time.time_ns()  # Redis remembers rows and seats for a while, also those of the last test run
    domain = f"a{row}.example"
    assert (one.take(row, 5), two.take(row, 5), one.take(row, 1)) == (0, 5, 10)
    seats = [one.sit(domain, 2), two.sit(domain, 2), one.sit(domain, 2)]
    assert seats[2] is None
    assert seats[0] is not None
    assert one.keep(seats[0])
    assert not two.keep(seats[0])
    one.leave(seats[0])
    assert two.sit(domain, 2) == seats[0]
    one.tell(domain, 12.5)
    assert two.news()[domain] == 12.5


def test_it_counts_whatever_left_since_midnight_or_is_about_to(engine: Engine) -> None:
    midnight = NOW.replace(hour=0)
    with engine.begin() as connection:
        ann, bob = add_subscriber(connection, "ann@example.org"), add_subscriber(connection, "bob@example.org")
        add_digest(connection, ann)
        add_digest(connection, ann, TODAY - timedelta(days=6))  # a weekly one that was late
        add_digest(connection, ann, TODAY - timedelta(days=1), finished_at=midnight - timedelta(seconds=1))
        add_digest(connection, bob, status="claimed", finished_at=None)
        add_digest(connection, bob, TODAY - timedelta(days=1), status="refused")
        letter = {"mail": "confirm", "dated_on": None}
        connection.execute(deliveries.update().where(deliveries.c.id == add_digest(connection, bob, TODAY - timedelta(days=2))).values(letter))  # fmt: skip
    assert ledger.count_left(engine, ledger.Cap(10, midnight)) == 10 - 4
    assert ledger.count_left(engine, ledger.Cap(3, midnight)) == 0
