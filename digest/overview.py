"""What the operator looks at: stages, growth, returned mail, votes, and one reader's whole history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from digest.db.engine import is_postgresql
from digest.db.tables import (
    IS_DIGEST,
    IS_FINISHED_LETTER,
    IS_LETTER,
    IS_TRIABLE,
    Mail,
    bounces,
    consents,
    deliveries,
    editions,
    papers,
    stage_runs,
    subscribers,
    votes,
)

STAGE_RUNS = 60
ROWS = 100


@dataclass(frozen=True, slots=True)
class History:
    """One reader as the operator may see them; `mails` and `consents` newest first."""

    reader: Row[Any]
    mails: Sequence[Row[Any]]
    consents: Sequence[Row[Any]]
    bounces: Sequence[Row[Any]]


def stages(connection: Connection, since: datetime) -> Sequence[Row[Any]]:
    """What each stage of the pipeline did, the newest first."""
    query = select(stage_runs).where(stage_runs.c.started_at >= since).order_by(stage_runs.c.id.desc())
    return connection.execute(query.limit(STAGE_RUNS)).all()


def readers_by_status(connection: Connection) -> dict[str, int]:
    return _counts(connection, select(subscribers.c.status, func.count()).group_by(subscribers.c.status))


def mails_by_status(connection: Connection, on: date) -> list[tuple[str, str, int]]:
    """(mail, status, how many): digests dated `on`, answers finished since the start of that day, and all open ones."""
    c, midnight = deliveries.c, datetime.combine(on, time(), UTC)
    parts = (IS_DIGEST & (c.dated_on == on), IS_FINISHED_LETTER & (c.finished_at >= midnight), IS_LETTER & IS_TRIABLE)
    queries = [select(c.mail, c.status, func.count()).where(part).group_by(c.mail, c.status) for part in parts]
    return [(mail, status, count) for query in queries for mail, status, count in connection.execute(query)]


def bounces_by_kind(connection: Connection, since: datetime) -> dict[str, int]:
    recent = select(bounces.c.kind, func.count()).where(bounces.c.at >= since)
    return _counts(connection, recent.group_by(bounces.c.kind))


def last_runs(connection: Connection, since: datetime) -> dict[str, list[Row[Any]]]:
    """Stage -> its runs since then, the oldest first."""
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    query = select(stage_runs).where(stage_runs.c.started_at >= since)
    for row in connection.execute(query.order_by(stage_runs.c.started_at)):
        found[row.stage].append(row)
    return found


def votes_by_direction(connection: Connection, since: datetime) -> dict[str, int]:
    recent = select(votes.c.direction, func.count()).where(votes.c.at >= since)
    found = _counts(connection, recent.group_by(votes.c.direction))
    return {"more": found.get("1", 0), "less": found.get("-1", 0)}


def count_papers(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(papers)).scalar_one())


def _counts(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in connection.execute(query)}


def joined_and_left(connection: Connection, until: date, days: int) -> list[tuple[date, int, int]]:
    """(day, confirmed, left) for each of the last days, the oldest first."""
    joined = _per_day(connection, consents.c.at, until, days, consents.c.event.in_(("confirmed", "undone")))
    left = _per_day(
        connection, consents.c.at, until, days, consents.c.event.in_(("unsubscribed", "stopped", "suppressed"))
    )
    return [(on, joined.get(on, 0), left.get(on, 0)) for on in _days(until, days)]


def sent_per_day(connection: Connection, until: date, days: int) -> list[tuple[date, int]]:
    """(date of the digest, how many our mail server took), the oldest first."""
    first = until - timedelta(days=days - 1)
    query = (
        select(deliveries.c.dated_on, func.count())
        .where(deliveries.c.dated_on.between(first, until), deliveries.c.status == "submitted")
        .group_by(deliveries.c.dated_on)
    )
    found = {on: count for on, count in connection.execute(query)}  # noqa: C416  (rows are not pairs to the type checker)
    return [(on, found.get(on, 0)) for on in _days(until, days)]


def bounced_per_day(connection: Connection, until: date, days: int) -> list[tuple[date, int]]:
    found = _per_day(connection, bounces.c.at, until, days)
    return [(on, found.get(on, 0)) for on in _days(until, days)]


def voted_per_day(connection: Connection, until: date, days: int) -> list[tuple[date, int]]:
    found = _per_day(connection, votes.c.at, until, days)
    return [(on, found.get(on, 0)) for on in _days(until, days)]


def _days(until: date, days: int) -> list[date]:
    return [until - timedelta(days=back) for back in range(days - 1, -1, -1)]


def _per_day(connection: Connection, at: Any, until: date, days: int, *where: ColumnElement[bool]) -> dict[date, int]:
    """Rows per UTC day."""
    first = datetime.combine(until - timedelta(days=days - 1), time(), UTC)
    day: Any = func.date(func.timezone("UTC", at)) if is_postgresql(connection) else func.date(at)
    query = select(day, func.count()).where(and_(at >= first, *where)).group_by(day)
    return {on if isinstance(on, date) else date.fromisoformat(on): count for on, count in connection.execute(query)}


def recent_bounces(connection: Connection) -> Sequence[Row[Any]]:
    """The last returned mails with the reader they were about."""
    query = select(bounces, subscribers.c.email).outerjoin(subscribers, subscribers.c.id == bounces.c.subscriber_id)
    return connection.execute(query.order_by(bounces.c.id.desc()).limit(ROWS)).all()


def most_voted(connection: Connection, since: datetime) -> Sequence[Row[Any]]:
    """Papers with most votes of our readers: key, title, more, less."""
    more, less = (func.count().filter(votes.c.direction == sign) for sign in (1, -1))
    query = (
        select(papers.c.key, papers.c.id, papers.c.title, more.label("more"), less.label("less"))
        .join(papers, papers.c.id == votes.c.paper_id)
        .where(votes.c.at >= since)
        .group_by(papers.c.id, papers.c.key, papers.c.title)
        .order_by(func.count().desc(), papers.c.id.desc())
    )
    return connection.execute(query.limit(20)).all()


def ledger_rows(connection: Connection, dated_on: date | None, status: str, before: int = 0) -> Sequence[Row[Any]]:
    """Rows of the ledger with their readers, the newest first: ROWS and one more, where `before` is not 0 of lower ids."""
    query = select(deliveries, subscribers.c.email).outerjoin(
        subscribers, subscribers.c.id == deliveries.c.subscriber_id
    )
    if dated_on is not None:
        query = query.where(deliveries.c.dated_on == dated_on)
    if status:
        query = query.where(deliveries.c.status == status)
    if before:
        query = query.where(deliveries.c.id < before)
    return connection.execute(query.order_by(deliveries.c.id.desc()).limit(ROWS + 1)).all()


def history(connection: Connection, subscriber_id: int) -> History | None:
    """Why this reader got what they got, or nothing; None for nobody."""
    reader = connection.execute(select(subscribers).where(subscribers.c.id == subscriber_id)).first()
    if reader is None:
        return None
    mails = (
        select(deliveries, editions.c.kind, editions.c.picks, editions.c.weighed, editions.c.quiet_reason)
        .outerjoin(editions, editions.c.delivery_id == deliveries.c.id)
        .where(deliveries.c.subscriber_id == subscriber_id)
        .order_by(deliveries.c.id.desc())
        .limit(ROWS)
    )
    return History(
        reader,
        connection.execute(mails).all(),
        connection.execute(_of(consents, subscriber_id)).all(),
        connection.execute(_of(bounces, subscriber_id)).all(),
    )


def _of(table: Any, subscriber_id: int) -> Select[Any]:
    return select(table).where(table.c.subscriber_id == subscriber_id).order_by(table.c.id.desc()).limit(ROWS)


def kind_of_row(row: Row[Any]) -> str:
    """`digest`, or which answer to something a person did."""
    return str(row.mail) if row.mail != Mail.DIGEST else f"digest ({row.kind or row.edition_kind or 'planned'})"
