"""One question at a time, over processes that share a database."""

from __future__ import annotations

import time
from itertools import pairwise
from threading import Thread

import pytest
from sqlalchemy import Engine, select, update

import digest.sources.pacing
from digest.db.engine import make_engine
from digest.db.tables import pacing
from digest.sources.base import SourceError
from digest.sources.pacing import Pace


def test_it_lets_one_ask_at_a_time_with_a_pause_after_each(engine: Engine, database_url: str) -> None:
    spans: list[tuple[float, float]] = []

    def ask(times: int) -> None:
        own = make_engine(database_url)
        for _ in range(times):
            with Pace(own, "arxiv", 0.3).turn():
                began = time.monotonic()
                time.sleep(0.02)
                spans.append((began, time.monotonic()))
        own.dispose()

    workers = [Thread(target=ask, args=(2,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    spans.sort()
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    assert len(spans) == 4
    assert min(gaps) >= 0.3 - 0.01  # SQLite's clock counts whole milliseconds


def test_it_takes_over_from_a_process_that_died(engine: Engine) -> None:
    pace = Pace(engine, "arxiv", 0.0, sleep=lambda _seconds: expire(engine))
    with pace.turn(), Pace(engine, "arxiv", 0.0, sleep=lambda _seconds: expire(engine)).turn():
        pass
    with engine.begin() as connection:
        assert connection.scalar(select(pacing.c.held_until)) == 0.0


def test_it_does_not_wait_for_ever(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest.sources.pacing, "LONGEST_WAIT_SECONDS", 1.0)
    with (
        Pace(engine, "arxiv", 0.0).turn(),
        pytest.raises(SourceError, match="busy"),
        Pace(engine, "arxiv", 0.0, sleep=lambda _seconds: None).turn(),
    ):
        pass


def expire(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(pacing).values(held_until=1.0, free_at=0.0))
