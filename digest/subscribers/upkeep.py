"""What time alone changes for subscribers: pauses end, requests lapse, forgotten mail is closed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError

from sqlalchemy import Connection, exists, select, update

from digest.db.engine import chunks
from digest.db.tables import IS_PAUSED, IS_PENDING, IS_UNKNOWN, DeliveryStatus, consents, deliveries, subscribers
from digest.subscribers.lifecycle import forget
from digest.subscribers.schedule import local_date
from digest.subscribers.subscriber import Status

UNCONFIRMED_FOR = timedelta(days=7)
_OPEN = (DeliveryStatus.PLANNED, DeliveryStatus.WAITING, DeliveryStatus.DEFERRED)


def resume_paused(connection: Connection, now: datetime) -> int:
    """Wake the paused whose day has come where they live; run before planning. Returns how many."""
    due = select(subscribers.c.id, subscribers.c.timezone, subscribers.c.paused_until).where(
        IS_PAUSED,
        subscribers.c.paused_until <= now.date() + timedelta(days=1),
    )
    ids = [row.id for row in connection.execute(due) if row.paused_until <= _today(row.timezone, now)]
    for page in chunks(ids):
        paused = update(subscribers).where(subscribers.c.id.in_(page), subscribers.c.status == Status.PAUSED)
        connection.execute(paused.values(status=Status.ACTIVE))  # planning still has to tell of its last days
    return len(ids)


def _today(timezone: str, now: datetime) -> date:
    try:
        return local_date(now, timezone)
    except ZoneInfoNotFoundError:  # planning says so; here it must not keep the others asleep
        return now.date()


def drop_unconfirmed(connection: Connection, now: datetime) -> int:
    """Forget requests that nobody confirmed within seven days; who had been a reader before stays as one who left."""
    ends_at = now - UNCONFIRMED_FOR
    asked = exists().where(
        consents.c.subscriber_id == subscribers.c.id, consents.c.event == "asked", consents.c.at > ends_at
    )
    columns = (subscribers.c.id, subscribers.c.confirmed_at)
    unanswered = select(*columns).where(IS_PENDING, subscribers.c.created_at <= ends_at, ~asked)
    rejected = select(*columns).where(
        IS_UNKNOWN, subscribers.c.status == Status.UNSUBSCRIBED, subscribers.c.left_at <= ends_at
    )
    stale = [row for query in (unanswered, rejected) for row in connection.execute(query)]
    for row in stale:
        if row.confirmed_at is None:
            forget(connection, row.id, now)
        else:
            left = update(subscribers).where(subscribers.c.id == row.id)
            connection.execute(left.values(status=Status.UNSUBSCRIBED))
    return len(stale)


def close_forgotten(connection: Connection, now: datetime) -> int:
    """Close mails that a worker held while their reader was forgotten, and gave back. Returns how many."""
    nameless = update(deliveries).where(deliveries.c.subscriber_id.is_(None), deliveries.c.status.in_(_OPEN))
    closed = nameless.values(status=DeliveryStatus.SKIPPED, reason="forgotten", finished_at=now)
    return connection.execute(closed).rowcount
