"""Why a day is quiet: what the sources said, or what the calendar says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from digest.db.tables import RunOutcome, source_runs

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """How the last question to a source about one day ended."""

    source: str
    asked_on: date
    outcome: RunOutcome
    reason: str


def why_quiet(day: date, asked: Sequence[Asked], is_anything_new: bool) -> str:
    """A word, with a detail after a colon where there is one: no_match, source_down, weekend, holiday, nothing_new.

    `is_anything_new`: there were papers, and none was left for this reader.
    """
    if is_anything_new:
        return "no_match"
    failed = [one for one in asked if one.outcome is RunOutcome.FAILED]
    if failed:
        return f"source_down: {failed[-1].source}: {failed[-1].reason}"
    if day.weekday() >= SATURDAY:
        return "weekend"
    holidays = [one.reason for one in asked if one.asked_on == day and "holiday" in one.reason]
    return f"holiday: {holidays[-1]}" if holidays else "nothing_new"


def last_asked(connection: Connection, now: datetime, days: int = 2) -> list[Asked]:
    """The newest run of each source and day of the last `days`, oldest first."""
    rows = connection.execute(
        select(source_runs.c.source, source_runs.c.asked_on, source_runs.c.outcome, source_runs.c.reason)
        .where(source_runs.c.started_at > now - timedelta(days=days))
        .order_by(source_runs.c.started_at, source_runs.c.id)
    )
    newest = {
        (row.source, row.asked_on): Asked(row.source, row.asked_on, RunOutcome(row.outcome), row.reason) for row in rows
    }
    return sorted(newest.values(), key=lambda one: one.asked_on)
