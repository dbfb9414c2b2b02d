"""Mails that answer something a person did: written into the ledger with the act itself, and never too many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy import delete as delete_from

from digest.db.engine import chunks, is_postgresql
from digest.db.tables import DeliveryStatus, Mail, deliveries, editions, seen_papers, subscribers
from digest.subscribers.address import Address

PAUSE_BETWEEN = timedelta(minutes=15)
MOST_A_DAY = 3
KEPT_FOR = timedelta(hours=48)  # an answer that could not leave for so long answers nothing any more
_ASKED_BY_STRANGERS = (Mail.CONFIRM, Mail.ALREADY_SUBSCRIBED)
_OPEN = (DeliveryStatus.PLANNED, DeliveryStatus.WAITING, DeliveryStatus.DEFERRED)


def write(connection: Connection, subscriber_id: int, mail: Mail, now: datetime, context: dict[str, Any]) -> int:
    """Put a mail into the ledger, to leave at once; returns its delivery id."""
    row = {
        "subscriber_id": subscriber_id,
        "mail": mail,
        "status": DeliveryStatus.WAITING,
        "planned_at": now,
        "mailed_at": now,
        "next_try_at": now,
        "expires_at": now + KEPT_FOR,
        "context": context,
    }
    return int(connection.execute(deliveries.insert().values(row).returning(deliveries.c.id)).scalar_one())


def hold(connection: Connection, address: Address) -> None:
    """Let requests for one mailbox follow each other, so that two at once cannot both be within the limit."""
    if is_postgresql(connection):  # on SQLite the transaction itself is the only writer
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(address.limit_key, 0))))


def is_within_limit(connection: Connection, address: Address, now: datetime) -> bool:
    """Whether a mail that a stranger may have asked for can go to this mailbox: one in 15 minutes, three a day."""
    own, moving = subscribers.c.limit_key == address.limit_key, subscribers.c.pending_email == address.email
    ids = connection.execute(select(subscribers.c.id).where(or_(own, moving))).scalars().all()
    count, newest = connection.execute(
        select(func.count(), func.max(deliveries.c.planned_at))
        .join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
        .where(deliveries.c.subscriber_id.in_(ids), deliveries.c.planned_at > now - timedelta(days=1))
        .where(_goes_to(address))
    ).one()
    return count < MOST_A_DAY and (newest is None or newest <= now - PAUSE_BETWEEN)


def _goes_to(address: Address) -> Any:
    own = deliveries.c.mail.in_(_ASKED_BY_STRANGERS) & (subscribers.c.limit_key == address.limit_key)
    moved = (deliveries.c.mail == Mail.ADDRESS_CHANGE) & (subscribers.c.pending_email == address.email)
    return or_(own, moved)


def skip_open(connection: Connection, subscriber_id: int, reason: str, now: datetime, mail: Mail | None = None) -> int:
    """Nothing more leaves to this subscriber (or nothing of one kind); returns how many mails were stopped.

    What a worker has claimed is left to that worker, which asks again before it sends. Papers that did not go out are
    free to come in a later edition.
    """
    where = [deliveries.c.subscriber_id == subscriber_id, deliveries.c.status.in_(_OPEN)]
    if mail is not None:
        where.append(deliveries.c.mail == mail)
    ids = list(
        connection.execute(
            update(deliveries)
            .where(*where)
            .values(status=DeliveryStatus.SKIPPED, reason=reason, finished_at=now)
            .returning(deliveries.c.id)
        ).scalars()
    )
    free_papers(connection, ids)
    return len(ids)


def free_papers(connection: Connection, delivery_ids: Sequence[int]) -> None:
    """Papers of digests that did not go out may come in the reader's next edition, as if these had never been made."""
    for page in chunks(delivery_ids):
        connection.execute(delete_from(seen_papers).where(seen_papers.c.delivery_id.in_(page)))
        connection.execute(update(editions).where(editions.c.delivery_id.in_(page)).values(read_to_at=None))
