"""Days that are not like others: clock changes, days without a beat, lists that come twice, late and changed."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from sqlalchemy import Engine, select

from digest import pipeline
from digest.db.tables import deliveries, editions, subscribers
from digest.delivery import tally
from digest.install import Install
from tests.builders import add_subscriber
from tests.faults.conftest import Saw, url_of
from tests.simulated import Ticking, at, settings, sink, write_papers

pytestmark = pytest.mark.faults
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("first", ["2026-03-27", "2026-10-23"])
def test_it_mails_once_a_date_over_clock_changes(pg: Engine, tmp_path: Path, saw: Saw, first: str) -> None:
    start = at(f"{first}T00:00")
    changing = sorted(
        zone for zone in available_timezones() if zone.startswith(("Europe/", "America/")) and _changes(zone, start)
    )
    zones = [
        *changing[:: max(1, len(changing) // 34)][:34],
        "UTC",
        "Asia/Kathmandu",
        "Pacific/Kiritimati",
        "Pacific/Apia",
        "Asia/Tokyo",
        "Africa/Lagos",
    ]
    with pg.begin() as connection:
        for n, zone in enumerate(zones):
            today = start.astimezone(ZoneInfo(zone)).date()
            due = {
                "due_at": start,
                "planned_to_on": today - timedelta(days=1),
                "confirmed_at": start - timedelta(days=9),
            }
            add_subscriber(connection, f"reader{n}@example.org", timezone=zone, hour=2 if n % 2 else 7, **due)
    clock = Ticking(start)
    install = Install(settings(url_of(pg), tmp_path, NOWHERE, 9), clock=clock)
    while clock.at < start + timedelta(days=5):
        pipeline.plan(install)
        clock.at += timedelta(minutes=30)
    install.close()
    with pg.connect() as connection:
        rows = connection.execute(
            select(
                deliveries.c.dated_on,
                deliveries.c.planned_at,
                subscribers.c.timezone,
                subscribers.c.hour,
                subscribers.c.id,
            ).join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
        ).all()
    inside = [start.date() + timedelta(days=n) for n in (1, 2, 3)]
    days = Counter((row.id, row.dated_on) for row in rows)
    wrong = [key for key in ((id, day) for id in {row.id for row in rows} for day in inside) if days[key] != 1]
    hours = Counter(
        row.planned_at.astimezone(ZoneInfo(row.timezone)).hour - row.hour for row in rows if row.dated_on in inside
    )
    saw(
        "F15",
        f"{len(set(zones))} zones around {first}",
        dates_without_or_with_two=len(wrong),
        hours_after_the_wanted_one=dict(hours),
    )
    assert (wrong, hours.keys() <= {0, 1}) == ([], True)


def _changes(zone: str, start: datetime) -> bool:
    before, after = (start + timedelta(days=n) for n in (0, 5))
    return before.astimezone(ZoneInfo(zone)).utcoffset() != after.astimezone(ZoneInfo(zone)).utcoffset()


@pytest.mark.parametrize("back_at", ["2026-06-12T03:00", "2026-06-12T09:00", "2026-06-12T23:00"])
def test_it_mails_once_after_two_days_without_beat(pg: Engine, tmp_path: Path, saw: Saw, back_at: str) -> None:
    first, file = at("2026-06-09T06:00"), tmp_path / "papers.jsonl"
    clock = Ticking(first)
    write_papers(file, [first.date() + timedelta(days=n) for n in range(5)])
    with pg.begin() as connection:
        for n in range(20):
            due = {"due_at": at("2026-06-09T07:00"), "planned_to_on": date(2026, 6, 8), "size": 30}
            add_subscriber(connection, f"reader{n}@example.org", hour=7, **due)
    with sink() as server:
        wanted = settings(url_of(pg), tmp_path / "var", NOWHERE, server.port, sources=("file",), papers_file=file)
        install = Install(wanted, clock=clock)
        while clock.at < at("2026-06-10T00:00"):
            pipeline.run(install)
            clock.at += timedelta(hours=1)
        before, clock.at, hours = server.taken.total(), at(back_at), []
        while clock.at <= at("2026-06-13T12:00"):
            had = server.taken.total()
            pipeline.run(install)
            hours += [clock.at] * (server.taken.total() > had)
            clock.at += timedelta(hours=1)
        install.close()
        mails = server.taken.total()
    with pg.connect() as connection:
        found = connection.execute(
            select(editions.c.dated_on, editions.c.kind, editions.c.picks, editions.c.subscriber_id)
        ).all()
    doubled = [
        key for key, n in Counter((row.subscriber_id, pick[0]) for row in found for pick in row.picks).items() if n > 1
    ]
    sizes = sorted({(str(row.dated_on), row.kind, len(row.picks)) for row in found})
    saw(
        "F16",
        f"back at {back_at[5:]}",
        mails_a_reader=mails / 20,
        editions=sizes,
        sent_at=[f"{hour:%d. %H:00}" for hour in hours],
        papers_twice=len(doubled),
    )
    assert before == 20
    assert doubled == []
    assert all(7 <= hour.hour < 22 for hour in hours)
    assert len({hour.date() for hour in hours}) == len(hours)  # one mail a day, and none for the days away
    assert sum(size for _, _, size in sizes) == 5 * 5  # every paper of the days away came
    assert tally.totals(pg).closes


def test_it_repeats_no_paper_of_a_list_that_comes_twice_late_and_changed(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    first, file = at("2026-06-09T06:00"), tmp_path / "papers.jsonl"
    clock = Ticking(first)
    with pg.begin() as connection:
        for n in range(20):
            due = {"due_at": at("2026-06-09T07:00"), "planned_to_on": date(2026, 6, 8), "size": 30}
            add_subscriber(connection, f"reader{n}@example.org", hour=7, **due)
    with sink() as server:
        wanted = settings(url_of(pg), tmp_path / "var", NOWHERE, server.port, sources=("file",), papers_file=file)
        install = Install(wanted, clock=clock)
        for hour in range(75):
            if hour % 6 == 0:  # the same again, with more votes, and after a day with a list that was late
                days = [first.date() + timedelta(days=n) for n in range(1 + hour // 24)]
                write_papers(file, days if hour < 30 else [*days, first.date() - timedelta(days=1)], votes=5 + hour)
            pipeline.run(install)
            clock.at += timedelta(hours=1)
        install.close()
        mails = server.taken.total()
    with pg.connect() as connection:
        found = connection.execute(select(editions.c.picks, editions.c.subscriber_id)).all()
    seen = Counter((row.subscriber_id, pick[0]) for row in found for pick in row.picks)
    second = Counter((row.subscriber_id, pick[0]) for row in found for pick in row.picks if pick[3])
    doubled = [key for key, n in seen.items() if n > 1 and not second[key]]
    saw(
        "F18",
        "13 times in three days",
        mails=mails,
        papers_twice=len(doubled),
        second_chances=second.total(),
        papers_a_reader=len(seen) / 20,
    )
    assert doubled == []
    assert server.taken.total() == len(found)
