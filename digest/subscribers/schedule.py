"""When a reader's next digest is due, in their own time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from digest.subscribers.subscriber import Cadence, Preferences

MONDAY = 0
SATURDAY = 5
DAYS_AHEAD = 9  # a weekly reader's next day is at most eight days away


def is_due_on(cadence: Cadence, day: date) -> bool:
    """Daily is every local day, weekdays Monday to Friday, weekly Monday: a whole week's papers, their votes settled."""
    if cadence is Cadence.DAILY:
        return True
    return day.weekday() < SATURDAY if cadence is Cadence.WEEKDAYS else day.weekday() == MONDAY


@cache
def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name. ZoneInfo itself keeps eight and reads any other from its file again."""
    return ZoneInfo(name)


def local_date(at: datetime, timezone: str) -> date:
    """The reader's date at an instant."""
    return at.astimezone(zone_of(timezone)).date()


@lru_cache(maxsize=65_536)
def slot_at(day: date, hour: int, timezone: str) -> datetime:
    """The instant of `hour` on a local date, in UTC.

    An hour that a clock change skips becomes the same time after the change; of one that comes twice, the first counts
    (PEP 495, fold=0).
    """
    return datetime.combine(day, time(hour), zone_of(timezone)).astimezone(UTC)


def next_due(preferences: Preferences, after: datetime, planned_to_on: date | None) -> tuple[date, datetime]:
    """The first local date later than `planned_to_on` whose hour lies after `after`, and that instant."""
    today = local_date(after, preferences.timezone)
    first = today if planned_to_on is None else max(today, planned_to_on + timedelta(days=1))
    for day in (first + timedelta(days=n) for n in range(DAYS_AHEAD)):
        slot = slot_at(day, preferences.hour, preferences.timezone)
        if slot > after and is_due_on(preferences.cadence, day):
            return day, slot
    raise AssertionError(f"no due day within {DAYS_AHEAD} days for {preferences.cadence}")


def rescheduled(
    old: Preferences, new: Preferences, due_at: datetime | None, now: datetime, planned_to_on: date | None
) -> tuple[date | None, datetime]:
    """(planned to, due at) after a change of preferences.

    An edition that today still owed stays owed today, also where its new hour has passed: then it is due now. Days that
    only the new cadence would have had are not made up for.
    """
    if planned_to_on is None:  # the first edition waits for no hour
        return None, due_at or now
    is_late = due_at is not None and due_at <= now
    today = local_date(now, new.timezone)
    if is_due_on(new.cadence, today) and _is_owed(old, due_at, today):
        return _passed_over(new, planned_to_on, today, is_late), max(now, slot_at(today, new.hour, new.timezone))
    next_on, next_at = next_due(new, now, planned_to_on)
    return _passed_over(new, planned_to_on, next_on, is_late), next_at


def _is_owed(old: Preferences, due_at: datetime | None, today: date) -> bool:
    return due_at is not None and local_date(due_at, old.timezone) <= today


def _passed_over(new: Preferences, planned_to_on: date, next_on: date, is_late: bool) -> date:
    """The day before `next_on` where planning would otherwise call days missed that were never promised."""
    between = (planned_to_on + timedelta(days=n) for n in range(1, (next_on - planned_to_on).days))
    if not is_late and any(is_due_on(new.cadence, day) for day in between):
        return next_on - timedelta(days=1)
    return planned_to_on
