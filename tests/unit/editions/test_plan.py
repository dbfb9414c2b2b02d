from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from digest.editions.edition import Kind
from digest.editions.plan import MISSED, PAUSED, TOO_LATE, Due, Row, decide
from digest.subscribers.subscriber import Cadence, Preferences, Status

TUESDAY = date(2026, 6, 9)
SEVEN_IN_BERLIN = datetime(2026, 6, 9, 5, tzinfo=UTC)


def due(planned_to_on: date | None, status: Status = Status.ACTIVE, **preferences: object) -> Due:
    wanted = {"hour": 7, "timezone": "Europe/Berlin", "cadence": Cadence.DAILY} | preferences
    return Due(1, status, Preferences(**wanted), planned_to_on)  # type: ignore[arg-type]


def test_it_plans_the_first_edition_at_once() -> None:
    midnight = datetime(2026, 6, 9, 22, 30, tzinfo=UTC)
    assert decide(due(None), midnight).rows == (Row(date(2026, 6, 10), Kind.FIRST),)


def test_it_plans_today_at_the_readers_hour() -> None:
    decision = decide(due(date(2026, 6, 8)), SEVEN_IN_BERLIN)
    assert decision.rows == (Row(TUESDAY, Kind.DAILY),)
    assert decision.due_at == SEVEN_IN_BERLIN + timedelta(days=1)


def test_it_plans_nothing_before_the_hour() -> None:
    decision = decide(due(date(2026, 6, 8)), SEVEN_IN_BERLIN - timedelta(seconds=1))
    assert decision.rows == ()
    assert decision.due_at == SEVEN_IN_BERLIN


def test_it_plans_nothing_twice() -> None:
    assert decide(due(TUESDAY), SEVEN_IN_BERLIN).rows == ()


def test_it_makes_one_catch_up_after_an_outage_and_says_what_was_missed() -> None:
    rows = decide(due(date(2026, 6, 6)), SEVEN_IN_BERLIN).rows
    assert rows == (
        Row(date(2026, 6, 7), Kind.DAILY, MISSED),
        Row(date(2026, 6, 8), Kind.DAILY, MISSED),
        Row(TUESDAY, Kind.CATCH_UP),
    )


def test_it_keeps_the_night_quiet_after_an_outage() -> None:
    at_three = datetime(2026, 6, 9, 1, tzinfo=UTC)
    decision = decide(due(date(2026, 6, 7)), at_three)
    assert [row.skip_reason for row in decision.rows] == [MISSED]
    assert decision.due_at == SEVEN_IN_BERLIN


@pytest.mark.parametrize(("hour", "at_hour_utc", "reason"), [(7, 19, None), (7, 21, TOO_LATE), (23, 21, None)])
def test_it_starts_no_digest_late_in_the_evening(hour: int, at_hour_utc: int, reason: str | None) -> None:
    now = datetime(2026, 6, 9, at_hour_utc, 30, tzinfo=UTC)
    assert decide(due(date(2026, 6, 8), hour=hour), now).rows[-1].skip_reason == reason


def test_it_tells_a_paused_day_and_catches_up_when_the_pause_ends() -> None:
    paused = due(date(2026, 6, 8), Status.PAUSED, paused_until=date(2026, 6, 10))
    assert decide(paused, SEVEN_IN_BERLIN).rows == (Row(TUESDAY, Kind.DAILY, PAUSED),)
    back = Due(1, Status.PAUSED, paused.preferences, TUESDAY, was_away=True)
    assert decide(back, SEVEN_IN_BERLIN + timedelta(days=1)).rows == (Row(date(2026, 6, 10), Kind.CATCH_UP),)


def test_it_gives_a_weekly_reader_one_row_a_week() -> None:
    now, planned = datetime(2026, 6, 1, 5, tzinfo=UTC), date(2026, 5, 25)
    rows: list[Row] = []
    for hour in range(24 * 28):
        decision = decide(due(planned, cadence=Cadence.WEEKLY), now + timedelta(hours=hour))
        planned = decision.planned_to_on or planned
        rows += decision.rows
    assert [row.dated_on.weekday() for row in rows] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "zone",
    ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Africa/Cairo"],
)
@pytest.mark.parametrize("hour", [0, 2, 7, 23])
def test_it_makes_one_row_a_local_date_over_a_year_of_clock_changes(zone: str, hour: int) -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    planned = decide(due(None, timezone=zone, hour=hour), now).planned_to_on
    assert planned is not None
    dates: list[date] = []
    due_at = now
    while len(dates) < 365:
        decision = decide(due(planned, timezone=zone, hour=hour), due_at)
        planned, due_at = decision.planned_to_on, decision.due_at
        assert all(row.skip_reason is None for row in decision.rows)
        dates += [row.dated_on for row in decision.rows]
    assert dates == [dates[0] + timedelta(days=n) for n in range(len(dates))]
