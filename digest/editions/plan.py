"""Who is due, in their own time zone: one row of the ledger for each subscriber and local date, never two.

Planning looks at dates, not at papers. A day that was missed, paused or is over by the time we can send gets a row that
says so; the unique key of the ledger makes a second planner harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, and_, bindparam, case, delete, select, tuple_, update

from digest.db.engine import as_table, inserting, is_postgresql
from digest.db.tables import IS_READER, DeliveryStatus, Mail, deliveries, editions, subscribers
from digest.editions.edition import Kind
from digest.subscribers.lifecycle import PAUSED
from digest.subscribers.schedule import is_due_on, local_date, next_due, slot_at, zone_of
from digest.subscribers.subscriber import Cadence, Preferences, Status

log = structlog.get_logger(__name__)

PAGE = 1000
POSTPONED_FOR = timedelta(hours=1)
LATEST = time(22)  # no digest starts later in the reader's day, unless their own hour is as late
GRACE = timedelta(hours=2)  # for readers whose own hour is near LATEST or after it
LOOK_BACK_DAYS = 31  # an outage longer than this is not told day by day
MISSED = "missed: no mail could go out that day; its papers are in the next digest"
GIVEN_UP = "given up"
TOO_LATE = "too late: it was night at the reader's by the time mail could go out; the papers are in the next digest"


@dataclass(frozen=True, slots=True)
class Due:
    """A subscriber whose time has come. `planned_to_on` is None before the first edition."""

    id: int
    status: Status
    preferences: Preferences
    planned_to_on: date | None
    was_away: bool = False  # the last row before now is a missed or paused day


@dataclass(frozen=True, slots=True)
class Row:
    """One local date: an edition to make, or the reason why there is none."""

    dated_on: date
    kind: Kind
    skip_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    rows: tuple[Row, ...]
    planned_to_on: date | None
    next_on: date
    due_at: datetime


@dataclass(frozen=True, slots=True)
class PlanReport:
    """`planned` counts all rows, also the `skipped`; `failed` are readers for whom none could be written."""

    planned: int
    skipped: int
    failed: int = 0


def decide(due: Due, now: datetime) -> Decision:
    """Every local date from the last planned one to today, each with a kind or a reason. Pure."""
    today = local_date(now, due.preferences.timezone)
    rows = (Row(today, Kind.FIRST),) if due.planned_to_on is None else tuple(_rows(due, due.planned_to_on, today, now))
    planned_to_on = max((row.dated_on for row in rows), default=due.planned_to_on)
    next_on, due_at = next_due(due.preferences, now, planned_to_on)
    return Decision(rows, planned_to_on, next_on, due_at)


def _rows(due: Due, planned_to_on: date, today: date, now: datetime) -> list[Row]:
    first = max(planned_to_on + timedelta(days=1), today - timedelta(days=LOOK_BACK_DAYS))
    days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    rows: list[Row] = []
    for day in days:
        slot = slot_at(day, due.preferences.hour, due.preferences.timezone)
        if is_due_on(due.preferences.cadence, day) and slot <= now:
            was_away = rows[-1].skip_reason is not None if rows else due.was_away
            rows.append(_row(due, day, today, slot, now, was_away))
    return rows


def _row(due: Due, day: date, today: date, slot: datetime, now: datetime, was_away: bool) -> Row:
    kind = Kind.WEEKLY if due.preferences.cadence is Cadence.WEEKLY else Kind.DAILY
    if _is_paused(due, day):
        return Row(day, kind, PAUSED)
    if day < today:
        return Row(day, kind, MISSED)
    if now > _latest(slot, due.preferences.timezone):
        return Row(day, kind, TOO_LATE)
    return Row(day, Kind.CATCH_UP if was_away else kind)


def _is_paused(due: Due, day: date) -> bool:
    until = due.preferences.paused_until  # a pause that is over is kept until its last days are told of
    return day < until if until else due.status is Status.PAUSED


def _latest(slot: datetime, timezone: str) -> datetime:
    zone = zone_of(timezone)
    evening = datetime.combine(slot.astimezone(zone).date(), LATEST, zone)
    return max(evening.astimezone(slot.tzinfo), slot + GRACE)


def plan(engine: Engine, now: datetime) -> PlanReport:
    """Write a row for everyone who is due at `now`, page by page; each page is one transaction."""
    planned = skipped = failed = 0
    last: tuple[datetime, int] | None = None
    while True:
        with engine.begin() as connection:
            page = _due_page(connection, now, last)
            decisions = list(_decisions(page, now))
            _plan_again(connection, decisions, now)
            _insert_rows(connection, decisions, now)
            _advance(connection, decisions)
            failed += _postpone(connection, {row.id for row in page} - {due.id for due, _ in decisions}, now)
        rows = [row for _, decision in decisions for row in decision.rows]
        skipped += sum(row.skip_reason is not None for row in rows)
        planned += len(rows)
        if len(page) < PAGE:
            return PlanReport(planned, skipped, failed)
        last = page[-1].due_at, page[-1].id


def _decisions(page: Sequence[Any], now: datetime) -> Iterator[tuple[Due, Decision]]:
    for row in page:
        try:
            due = _due(row)
            yield due, decide(due, now)
        except Exception:  # say, a time zone that this system does not know: that reader waits, the others go on
            log.exception("plan.failed", subscriber=row.id)


def _postpone(connection: Connection, ids: Collection[int], now: datetime) -> int:
    if ids:
        late = update(subscribers).where(subscribers.c.id.in_(ids))
        connection.execute(late.values(due_at=now + POSTPONED_FOR))
    return len(ids)


def _due_page(connection: Connection, now: datetime, last: tuple[datetime, int] | None) -> Sequence[Any]:
    """The next who are due behind `last`, the one that the page before ended with.

    From the start of the index on, each page would pass the remains of all pages before it.
    """
    c = subscribers.c
    before = deliveries.alias()
    statement = (
        select(
            c.id, c.status, c.cadence, c.hour, c.timezone, c.paused_until, c.planned_to_on, c.due_at, before.c.reason
        )
        .outerjoin(before, and_(before.c.subscriber_id == c.id, before.c.dated_on == c.planned_to_on))
        .where(IS_READER, c.due_at <= now)
        .order_by(c.due_at, c.id)
        .limit(PAGE)
    )
    if last is not None:
        statement = statement.where(tuple_(c.due_at, c.id) > last)
    if is_postgresql(connection):
        statement = statement.with_for_update(skip_locked=True, of=subscribers)
    return connection.execute(statement).all()


def _due(row: Any) -> Due:
    preferences = Preferences(
        cadence=Cadence(row.cadence), hour=row.hour, timezone=row.timezone, paused_until=row.paused_until
    )
    was_away = row.reason in (MISSED, PAUSED, TOO_LATE) or (row.reason or "").startswith(GIVEN_UP)
    return Due(row.id, Status(row.status), preferences, row.planned_to_on, was_away)


def _plan_again(connection: Connection, decisions: Sequence[tuple[Due, Decision]], now: datetime) -> None:
    """Who left and came back on one day, with nothing sent in between, gets that day's digest after all."""
    first = {due.id: decision for due, decision in decisions if due.planned_to_on is None}
    if not first:
        return
    skipped = connection.execute(
        select(deliveries.c.id, deliveries.c.subscriber_id, deliveries.c.dated_on).where(
            deliveries.c.subscriber_id.in_(first),
            deliveries.c.dated_on.in_({row.dated_on for decision in first.values() for row in decision.rows}),
            deliveries.c.status == DeliveryStatus.SKIPPED,
        )
    )
    ids = [row.id for row in skipped if row.dated_on in {one.dated_on for one in first[row.subscriber_id].rows}]
    if not ids:
        return
    connection.execute(delete(editions).where(editions.c.delivery_id.in_(ids)))
    fresh = {"status": DeliveryStatus.PLANNED, "edition_kind": Kind.FIRST, "reason": None, "finished_at": None}
    times = {"planned_at": now, "next_try_at": now, "mailed_at": None, "crashes": 0}
    connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(fresh | times))


def _insert_rows(connection: Connection, decisions: Sequence[tuple[Due, Decision]], now: datetime) -> None:
    values = [_values(due, decision, row, now) for due, decision in decisions for row in decision.rows]
    if values:
        statement, parameters = inserting(connection, deliveries, values)
        connection.execute(statement.on_conflict_do_nothing(), parameters)


def _values(due: Due, decision: Decision, row: Row, now: datetime) -> dict[str, Any]:
    is_skipped = row.skip_reason is not None
    return {
        "subscriber_id": due.id,
        "mail": Mail.DIGEST,
        "dated_on": row.dated_on,
        "edition_kind": row.kind,
        "status": DeliveryStatus.SKIPPED if is_skipped else DeliveryStatus.PLANNED,
        "reason": row.skip_reason,
        "planned_at": now,
        "next_try_at": now,
        "expires_at": decision.due_at,
        "finished_at": now if is_skipped else None,
    }


def _advance(connection: Connection, decisions: Sequence[tuple[Due, Decision]]) -> None:
    c = subscribers.c
    rows = [{"of": due.id, "to_on": decision.planned_to_on, "next_at": decision.due_at} for due, decision in decisions]
    woken = {"paused_until": case((c.status == Status.PAUSED, c.paused_until))}
    if rows and is_postgresql(connection):
        new = as_table({"of": c.id.type, "to_on": c.planned_to_on.type, "next_at": c.due_at.type}, rows).c
        values = {"planned_to_on": new.to_on, "due_at": new.next_at}
        connection.execute(update(subscribers).where(c.id == new.of).values(values | woken))
    elif rows:
        values = {"planned_to_on": bindparam("to_on"), "due_at": bindparam("next_at")}
        connection.execute(update(subscribers).where(c.id == bindparam("of")).values(values | woken), rows)
