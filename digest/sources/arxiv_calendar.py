"""When arXiv announces papers, and which submissions stand on which day's list.

By https://info.arxiv.org/help/availability.html: announced Sunday to Thursday at 20:00 US Eastern; the feeds carry the
date of the next day, rebuilt at midnight. Submissions close at 14:00 on working days.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")
_CLOSES_AT = time(14)
_FIXED = {(1, 1), (6, 19), (7, 4), (12, 25), (12, 29), (12, 31)}


def today(now: datetime) -> date:
    return now.astimezone(EASTERN).date()


def quiet_reason(day: date) -> str | None:
    """Why the list of `day` is expected to be empty, or None."""
    if day.weekday() >= 5:
        return "weekend: arXiv announces nothing on Friday and Saturday evenings"
    evening = day - timedelta(days=1)
    if is_holiday(evening) or is_holiday(day):
        return "arXiv holiday"
    return None


def is_holiday(day: date) -> bool:
    """US holidays on which arXiv's staff is away; Independence Day moves to Friday or Monday next to a weekend."""
    if day.month == 7 and day.day in (3, 5) and day.weekday() == (4 if day.day == 3 else 0):
        return True
    nth = (day.day - 1) // 7 + 1
    moving = {(1, 0, 3), (9, 0, 1), (11, 3, 4)}  # Martin Luther King Day, Labor Day, Thanksgiving
    return (day.month, day.day) in _FIXED or (day.month, day.weekday(), nth) in moving


def submissions(day: date) -> tuple[datetime, datetime]:
    """First and last instant (aware UTC) of the submissions that the list of `day`, a weekday, announces."""
    closes = _working_day_before(day)
    opens = _working_day_before(closes)
    if day.weekday() == 0:  # Monday's list: Thursday 14:00 to Friday 14:00
        closes, opens = day - timedelta(days=3), day - timedelta(days=4)
    return _closing(opens), _closing(closes)


def listed_on(submitted_on: date) -> date:
    """The list on which a paper submitted that day most likely stands: the next weekday's."""
    day = submitted_on + timedelta(days=1)
    return day + timedelta(days=7 - day.weekday()) if day.weekday() >= 5 else day


def _working_day_before(day: date) -> date:
    before = day - timedelta(days=1)
    return before - timedelta(days=max(0, before.weekday() - 4))


def _closing(day: date) -> datetime:
    return datetime.combine(day, _CLOSES_AT, EASTERN).astimezone(UTC)
