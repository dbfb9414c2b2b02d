"""A source that fails in every way for three days: no half list, no mail without papers, and all of it once it is back."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine, func, select

from digest import pipeline
from digest.db.tables import deliveries, editions, listings
from digest.install import Install
from tests.builders import add_subscriber
from tests.faults.conftest import Saw, url_of
from tests.integration.sources.feed_server import FeedServer, Reply
from tests.simulated import STEP, Ticking, at, settings, sink

pytestmark = pytest.mark.faults
FIRST, BROKEN_FROM, WHOLE_FROM, LAST = at("2026-06-09T00:00"), at("2026-06-10T00:00"), at("2026-06-13T00:00"), at("2026-06-13T12:00")  # fmt: skip
LISTED, PAGE, READERS = 60, 50, 10
BROKEN = (
    Reply(b"", 500),
    Reply(b"Rate exceeded.", 429, "text/plain", {"Retry-After": "7200"}),
    Reply(b'[{"paper": {"id": "2606.1', promised_bytes=4000),
    Reply(b'[{"paper": {"id": "2606.1'),
    Reply(b"<!DOCTYPE html><title>Just a moment</title>", 200, "text/html"),
    Reply(gzip.compress(b" " * 30_000_000), headers={"Content-Encoding": "gzip"}),
    Reply(b"", 302, headers={"Location": "http://127.0.0.2:9/api/daily_papers"}),
    Reply(b'{"error": "try later"}'),
)


def test_it_takes_no_half_list_from_a_source_that_fails(
    pg: Engine, tmp_path: Path, saw: Saw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.ingestion, "ingest", partial(pipeline.ingestion.ingest, sleep=lambda _seconds: None))
    with pg.begin() as connection:
        for n in range(READERS):
            due = {"due_at": FIRST + timedelta(hours=7), "planned_to_on": date(2026, 6, 8), "size": 30}
            add_subscriber(connection, f"reader{n}@example.org", hour=7, **due)
    clock, asked, halves = Ticking(FIRST), Counter[datetime](), []
    with FeedServer(lambda path, _number: _answer(path, clock.at)) as source, sink() as server:
        wanted = settings(url_of(pg), tmp_path, source.url, server.port, sources=("huggingface",))
        install = Install(wanted, clock=clock)
        while clock.at <= LAST:
            before = len(source.asked)
            pipeline.run(install)
            asked[clock.at] = len(source.asked) - before
            halves += [day for day, count in _listed(pg).items() if count != LISTED]
            clock.at += STEP
        install.close()
    with pg.connect() as connection:
        sizes = sorted({(str(row.dated_on), len(row.picks)) for row in connection.execute(select(editions))})
        found = connection.execute(select(deliveries.c.dated_on, deliveries.c.reason, func.count()).where(
            deliveries.c.status == "skipped").group_by(deliveries.c.dated_on, deliveries.c.reason))  # fmt: skip
        silent = {(str(day), count, (reason or "").split(":")[0]) for day, reason, count in found}
    broken_hours = [count for hour, count in asked.items() if BROKEN_FROM <= hour < WHOLE_FROM]
    saw("F25", f"{len(BROKEN)} ways to fail on the second page, for 72 hours", half_lists=len(halves),
        papers_a_mail=sizes, silent_days=sorted(silent), most_requests_an_hour=max(broken_hours),
        requests=sum(broken_hours))  # fmt: skip
    assert halves == []
    assert sizes == [("2026-06-09", 30), ("2026-06-13", 30)]
    assert silent == {(f"2026-06-{day}", READERS, "source_down") for day in (10, 11, 12)}
    assert server.taken.total() == 2 * READERS
    assert 0 < max(broken_hours) <= 20
    assert _listed(pg).keys() >= {date(2026, 6, day) for day in range(9, 14)}


def _answer(path: str, now: datetime) -> Reply:
    asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    day, page = date.fromisoformat(asked["date"]), int(asked["p"])
    if page and BROKEN_FROM <= now < WHOLE_FROM:
        return BROKEN[int((now - BROKEN_FROM) / STEP) % len(BROKEN)]
    numbers = range(LISTED)[page * PAGE : (page + 1) * PAGE] if day >= FIRST.date() else ()
    return Reply(json.dumps([_entry(day, number) for number in numbers]).encode())


def _entry(day: date, number: int) -> dict[str, object]:
    paper = {"id": f"2606.{day:%d}{number:03}", "title": f"Paper {number} of {day:%d %B}", "summary": "We test it. " * 20,
             "upvotes": number, "authors": []}  # fmt: skip
    return {"paper": paper, "numComments": 0}


def _listed(engine: Engine) -> dict[date, int]:
    """Day -> papers on its list."""
    with engine.connect() as connection:
        rows = connection.execute(select(listings.c.listed_on, func.count()).group_by(listings.c.listed_on))
        return {row[0]: row[1] for row in rows}
