"""Source records become papers: idempotent, one transaction a day and source, and a stored reason for every run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from digest.db.engine import reading
from digest.db.tables import RunOutcome
from digest.papers import record
from digest.settings import Settings
from digest.sources.base import Catalogue, Fetch, Source, SourceError
from digest.sources.http import Http
from digest.sources.pacing import Pace
from digest.sources.registry import open_source

HARVEST_FROM_DAYS = 10  # more missed days than this are harvested in one go
_FAILURES_AT_MOST = 3  # in a row; then the source is left alone until its next turn
_LOOKED_UP_AT_ONCE = 200
_BUSY_AT_MOST_SECONDS = 600.0  # a process that died no longer keeps the others away after that
_LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DayReport:
    """What asking for one day came to. fetched = new + revised + known + skipped, always."""

    day: date
    outcome: RunOutcome
    reason: str
    fetched: int = 0
    new: int = 0
    revised: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def known(self) -> int:
        return self.fetched - self.new - self.revised - sum(self.skipped.values())

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        counts = (
            f", {self.fetched} fetched, {self.new} new, {self.revised} revised, {self.known} known"
            if self.fetched
            else ""
        )
        left_out = "".join(f", {count} skipped ({reason})" for reason, count in sorted(self.skipped.items()))
        return f"{self.day} {self.outcome}{why}{counts}{left_out}"


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one run of one source came to. `reason` says why nothing was asked; `completed` papers got arXiv's own text.

    `is_paused`: it failed a while ago and is left alone for now.
    """

    source: str
    days: tuple[DayReport, ...] = ()
    reason: str = ""
    completed: int = 0
    is_paused: bool = False

    @property
    def new(self) -> int:
        return sum(day.new for day in self.days)

    @property
    def ok(self) -> bool:
        return not self.is_paused and not any(day.outcome is RunOutcome.FAILED for day in self.days)

    def to_json(self) -> dict[str, Any]:
        keys = ("fetched", "new", "revised", "known", "skipped")
        days = [
            {"day": day.day.isoformat(), "outcome": str(day.outcome), "reason": day.reason}
            | {key: getattr(day, key) for key in keys}
            for day in self.days
        ]
        return {
            "source": self.source,
            "ok": self.ok,
            "reason": self.reason,
            "new": self.new,
            "completed": self.completed,
            "days": days,
        }

    def __str__(self) -> str:
        lines = [f"{self.source}: {day}" for day in self.days]
        if self.completed:
            lines.append(f"{self.source}: {self.completed} completed with arXiv's own text")
        if not lines:
            lines = [f"{self.source}: {self.reason or 'nothing is due'}"]
        return "\n".join(lines)


Tell = Callable[[int, int | None], None]


def ingest(
    engine: Engine,
    settings: Settings,
    source_name: str,
    days: Sequence[date] | None,
    now: datetime,
    *,
    unless_busy: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    tell: Tell | None = None,
    clock: Callable[[], datetime] | None = None,
) -> IngestReport:
    """Ask a source for `days`, or for what is due by its own schedule, and store what it says.

    `tell(days done, of how many)` hears of progress. Safe to run again, and in two places at once; with `unless_busy` it
    leaves the work to a process that is at it already. A failed day is stored as such, with nothing half done, and is
    due again. Papers are first seen when they are stored, by `clock` (default: `now`).
    """
    with Http(engine, settings.public_url, sleep=sleep) as http:
        source = open_source(source_name, engine, settings, http)
        if not unless_busy:
            return ingest_from(engine, source, days, now, tell, clock)
        with Pace(engine, f"ingest:{source_name}", 0.0, _BUSY_AT_MOST_SECONDS).turn_if_free() as is_free:
            if not is_free:
                return IngestReport(source_name, reason="another process is reading it")
            return ingest_from(engine, source, days, now, tell, clock)


def ingest_from(
    engine: Engine,
    source: Source,
    days: Sequence[date] | None,
    now: datetime,
    tell: Tell | None = None,
    clock: Callable[[], datetime] | None = None,
) -> IngestReport:
    """The same with a source that is already open."""
    clock = clock or (lambda: now)
    if days is None:
        with reading(engine).begin() as connection:
            if waits := record.pause(connection, source.name, now):
                return IngestReport(source.name, reason=waits, is_paused=True)
            read = record.days_read(connection, source.name, now)
        try:
            days = source.due_days(read, now)
        except SourceError as error:
            return IngestReport(source.name, (_failed(engine, source, now.astimezone(UTC).date(), now, error),))
    reports = tuple(_reports(engine, source, sorted(set(days)), now, tell, clock))
    completed = 0
    if isinstance(source, Catalogue) and not any(one.outcome is RunOutcome.FAILED for one in reports):
        try:
            completed = _complete(engine, source, now)
        except SourceError as error:
            reports = (*reports, _failed(engine, source, now.astimezone(UTC).date(), now, error))
    with engine.begin() as connection:
        record.advance_watermark(connection, source, now)
    return IngestReport(source.name, reports, completed=completed)


def _reports(
    engine: Engine, source: Source, days: list[date], now: datetime, tell: Tell | None, clock: Callable[[], datetime]
) -> Iterator[DayReport]:
    past = [day for day in days if day < now.astimezone(UTC).date() - timedelta(days=1)]
    if isinstance(source, Catalogue) and len(past) > HARVEST_FROM_DAYS:
        yield _harvested(engine, source, past, now, clock)
        days = [day for day in days if day not in past]
    failures = 0
    for done, day in enumerate(days, start=1):
        report = _asked(engine, source, day, now, clock)
        yield report
        if tell:
            tell(done, len(days))
        failures = failures + 1 if report.outcome is RunOutcome.FAILED else 0
        if failures == _FAILURES_AT_MOST:
            return


def _asked(engine: Engine, source: Source, day: date, now: datetime, clock: Callable[[], datetime]) -> DayReport:
    try:
        fetch = source.fetch(day, now)
    except SourceError as error:
        return _failed(engine, source, day, now, error)
    with engine.begin() as connection:
        record.take_turn(connection)
        counts = record.store(connection, source.name, fetch.papers, day, clock())
        report = _summed(day, fetch, counts)
        record.add_run(connection, source.name, report, now, is_final=fetch.is_final)
    return report


def _summed(day: date, fetch: Fetch, counts: record.Counts) -> DayReport:
    skipped = Counter(fetch.skipped) + Counter(counts.skipped)
    fetched = len(fetch.papers) + sum(fetch.skipped.values())
    return DayReport(day, fetch.outcome, fetch.reason, fetched, counts.new, counts.revised, dict(skipped))


def _harvested(
    engine: Engine, source: Catalogue, past: list[date], now: datetime, clock: Callable[[], datetime]
) -> DayReport:
    """Page by page; a page that is stored stays, since storing it again changes nothing."""
    total = record.Counts()
    fetched = 0
    try:
        for fetch in source.harvest(past[0], past[-1]):
            with engine.begin() as connection:
                record.take_turn(connection)
                counts = record.store(connection, source.name, fetch.papers, past[-1], clock())
            total = record.Counts(
                total.new + counts.new,
                total.revised + counts.revised,
                total.skipped + counts.skipped + Counter(fetch.skipped),
            )
            fetched += len(fetch.papers) + sum(fetch.skipped.values())
    except SourceError as error:
        return _failed(engine, source, past[-1], now, error)
    report = DayReport(
        past[-1], RunOutcome.OK, f"harvested from {past[0]}", fetched, total.new, total.revised, dict(total.skipped)
    )
    with engine.begin() as connection:
        for day in past[:-1]:
            record.add_run(
                connection,
                source.name,
                DayReport(day, RunOutcome.OK, f"harvested up to {past[-1]}"),
                now,
                is_final=True,
            )
        record.add_run(connection, source.name, report, now, is_final=True)
    return report


def _complete(engine: Engine, source: Catalogue, now: datetime) -> int:
    """Ask for the own records of papers that another source brought, once each."""
    with reading(engine).begin() as connection:
        keys = record.incomplete_keys(connection, source.name, now, _LOOKED_UP_AT_ONCE)
    if not keys:
        return 0
    fetch = source.look_up(keys)
    with engine.begin() as connection:
        return record.complete(connection, source.name, fetch.papers, keys, now)


def _failed(engine: Engine, source: Source, day: date, now: datetime, error: SourceError) -> DayReport:
    report = DayReport(day, RunOutcome.FAILED, str(error))
    with engine.begin() as connection:
        failures = record.failures_in_a_row(connection, source.name)
        pause = min(_LONGEST_PAUSE, timedelta(minutes=2**failures))
        asked = timedelta(seconds=min(error.retry_after_seconds or 0.0, 86_400.0))
        record.add_run(connection, source.name, report, now, is_final=False, retry_at=now + max(pause, asked))
    return report
