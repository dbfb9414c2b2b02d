from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.subscribers.schedule import is_due_on, next_due, rescheduled, slot_at
from digest.subscribers.subscriber import Cadence, Preferences

BERLIN = Preferences(hour=7, timezone="Europe/Berlin", cadence=Cadence.DAILY)
ZONES = sorted(available_timezones() - {"localtime"})


def test_it_moves_the_slot_with_summer_time() -> None:
    assert slot_at(date(2026, 3, 28), 7, "Europe/Berlin") == datetime(2026, 3, 28, 6, tzinfo=UTC)
    assert slot_at(date(2026, 3, 29), 7, "Europe/Berlin") == datetime(2026, 3, 29, 5, tzinfo=UTC)


def test_it_sends_after_the_gap_when_the_hour_does_not_exist() -> None:
    assert slot_at(date(2026, 3, 29), 2, "Europe/Berlin") == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_it_takes_the_first_of_an_hour_that_comes_twice() -> None:
    assert slot_at(date(2026, 10, 25), 2, "Europe/Berlin") == datetime(2026, 10, 25, 0, tzinfo=UTC)


def test_it_is_due_today_while_the_hour_lies_ahead() -> None:
    assert next_due(BERLIN, datetime(2026, 6, 9, 4, tzinfo=UTC), None)[0] == date(2026, 6, 9)
    assert next_due(BERLIN, datetime(2026, 6, 9, 5, tzinfo=UTC), None)[0] == date(2026, 6, 10)


def test_it_leaves_out_a_date_that_was_planned_before() -> None:
    assert next_due(BERLIN, datetime(2026, 6, 9, 4, tzinfo=UTC), date(2026, 6, 9))[0] == date(2026, 6, 10)


@pytest.mark.parametrize(("cadence", "days"), [(Cadence.DAILY, 7), (Cadence.WEEKDAYS, 5), (Cadence.WEEKLY, 1)])
def test_it_counts_the_days_of_a_week(cadence: Cadence, days: int) -> None:
    assert sum(is_due_on(cadence, date(2026, 6, 8) + timedelta(days=n)) for n in range(7)) == days


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.integers(0, 23),
    st.sampled_from(list(Cadence)),
    st.integers(0, 4 * 366 * 24 * 60),
)
def test_it_always_finds_a_later_slot_within_nine_days(zone: str, hour: int, cadence: Cadence, minutes: int) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    _, slot = next_due(Preferences(hour=hour, timezone=zone, cadence=cadence), at, None)
    assert at < slot <= at + timedelta(days=9)


NOON = datetime(2026, 6, 9, 10, tzinfo=UTC)  # Tuesday, 12:00 in Berlin
MONDAY, TUESDAY = date(2026, 6, 8), date(2026, 6, 9)


def at_hour(hour: int, day: date = TUESDAY) -> datetime:
    return slot_at(day, hour, "Europe/Berlin")


def test_it_sends_at_once_what_a_new_hour_has_passed() -> None:
    later = replace(BERLIN, hour=18)
    assert rescheduled(later, BERLIN, at_hour(18), NOON, MONDAY) == (MONDAY, NOON)


def test_it_keeps_todays_edition_for_a_later_hour() -> None:
    assert rescheduled(replace(BERLIN, hour=14), replace(BERLIN, hour=20), at_hour(14), NOON, MONDAY) == (
        MONDAY,
        at_hour(20),
    )


def test_it_makes_no_second_edition_of_today() -> None:
    moved = rescheduled(BERLIN, replace(BERLIN, hour=20), at_hour(7, date(2026, 6, 10)), NOON, TUESDAY)
    assert moved == (TUESDAY, at_hour(20, date(2026, 6, 10)))


def test_it_does_not_make_up_for_days_that_only_the_new_cadence_has() -> None:
    sunday_noon, friday = datetime(2026, 6, 14, 10, tzinfo=UTC), date(2026, 6, 12)
    weekdays = replace(BERLIN, cadence=Cadence.WEEKDAYS)
    monday = at_hour(7, date(2026, 6, 15))
    assert rescheduled(weekdays, BERLIN, monday, sunday_noon, friday) == (date(2026, 6, 14), monday)


def test_it_leaves_missed_days_to_planning_when_it_is_late() -> None:
    planned_to_on, due_at = rescheduled(
        BERLIN, replace(BERLIN, hour=20), at_hour(7, date(2026, 6, 5)), NOON, date(2026, 6, 4)
    )
    assert (planned_to_on, due_at) == (date(2026, 6, 4), at_hour(20))


def test_it_lets_the_first_edition_wait_for_no_hour() -> None:
    assert rescheduled(BERLIN, replace(BERLIN, hour=20), NOON, NOON, None) == (None, NOON)
