"""How things stand for one reader: when the next digest is due, and what became of the last ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from digest.db.tables import Mail, deliveries, editions, subscribers


@dataclass(frozen=True, slots=True)
class PastDigest:
    """A row of the ledger as its reader may see it. `papers` is 0 where there was nothing to send."""

    delivery_id: int
    dated_on: date
    status: str
    reason: str | None
    papers: int


@dataclass(frozen=True, slots=True)
class Standing:
    next_at: datetime | None
    past: tuple[PastDigest, ...]


def standing(connection: Connection, subscriber_id: int, most: int = 7) -> Standing:
    """The next instant that a digest is due, and the last digests, newest first."""
    next_at = connection.execute(select(subscribers.c.due_at).where(subscribers.c.id == subscriber_id)).scalar()
    rows = connection.execute(
        select(deliveries.c.id, deliveries.c.dated_on, deliveries.c.status, deliveries.c.reason, editions.c.picks)
        .outerjoin(editions, editions.c.delivery_id == deliveries.c.id)
        .where(deliveries.c.subscriber_id == subscriber_id, deliveries.c.mail == Mail.DIGEST)
        .order_by(deliveries.c.dated_on.desc())
        .limit(most)
    )
    return Standing(
        next_at, tuple(PastDigest(row.id, row.dated_on, row.status, row.reason, len(row.picks or ())) for row in rows)
    )
