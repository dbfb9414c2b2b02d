"""What a returned mail or a complaint means for the reader it was sent to.

A report counts only when it can be tied to a mail of ours: by its signed return path, or because a signed webhook names
the reader. Each report counts once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from digest.db.engine import insert
from digest.db.tables import bounces, consents, deliveries, subscribers
from digest.subscribers import lifecycle
from digest.subscribers.address import Address, without_addresses
from digest.subscribers.subscriber import Status
from digest.subscribers.suppression import Reason

STOP_AT = 4.0  # five days in a row, or six weeks in a row of a weekly reader
HALF_LIFE_DAYS = 30.0
COUNTED_EVERY = timedelta(hours=20)  # a server that returns one mail twice, or two mails of a day, counts once
_NOT_THE_READER = re.compile(
    r"5\.(?:6|7)\.\d+|5\.3\.4|5\.2\.3", re.ASCII
)  # the message or our site (RFC 3463 section 3)
_MOST_DETAIL = 300


class Taken(StrEnum):
    """What was done with a report."""

    SUPPRESSED = "suppressed"
    STOPPED = "stopped"
    COUNTED = "counted"
    NOTED = "noted"  # stored; says nothing (or no longer) about this reader's mailbox
    SEEN = "seen"  # taken in before
    UNKNOWN = "unknown"  # ties to no mail of ours: forged, or about somebody else's mail
    IGNORED = "ignored"  # an answering machine and the like


@dataclass(frozen=True, slots=True)
class Report:
    """One recipient of one returned mail. `kind` is hard, soft, complaint or auto-reply; `status` like 5.1.1 (RFC 3463).

    `delivery_id` comes from a return path whose signature was checked; `address` only from a channel that is signed
    itself. `report_hash` is the same for the same report.
    """

    kind: str
    status: str | None
    detail: str
    report_hash: str
    delivery_id: int | None = None
    address: Address | None = None


def take_in(connection: Connection, report: Report, now: datetime) -> Taken:
    """Store a report and draw its consequence, in the caller's transaction."""
    if report.kind not in ("hard", "soft", "complaint"):
        return Taken.IGNORED
    reader = _reader(connection, report)
    if reader is None:
        return Taken.UNKNOWN
    if not _store(connection, reader.id, report, now):
        return Taken.SEEN
    if report.kind == "complaint":
        lifecycle.suppress(connection, reader.id, Reason.COMPLAINT, now, report.detail[:_MOST_DETAIL])
        return Taken.SUPPRESSED
    if _is_late(connection, reader, report.delivery_id) or _NOT_THE_READER.fullmatch(report.status or ""):
        return Taken.NOTED
    if report.kind == "hard":
        lifecycle.suppress(connection, reader.id, Reason.HARD_BOUNCE, now, report.detail[:_MOST_DETAIL])
        return Taken.SUPPRESSED
    return _count(connection, reader, now)


def _reader(connection: Connection, report: Report) -> Row[Any] | None:
    if report.delivery_id is not None:
        named = select(deliveries.c.subscriber_id).where(deliveries.c.id == report.delivery_id)
        where = subscribers.c.id == named.scalar_subquery()
    elif report.address is not None:
        where = subscribers.c.email_key == report.address.key
    else:
        return None
    return connection.execute(select(subscribers).where(where).with_for_update()).first()


def _store(connection: Connection, subscriber_id: int, report: Report, now: datetime) -> bool:
    """False when the same report was stored before."""
    row = {
        "subscriber_id": subscriber_id,
        "delivery_id": report.delivery_id,
        "kind": report.kind,
        "status": report.status[:12] if report.status else None,
        "detail": without_addresses(report.detail[:_MOST_DETAIL]),
        "at": now,
        "digest": report.report_hash,
    }
    statement = insert(connection, bounces).values(row).on_conflict_do_nothing().returning(bounces.c.id)
    return connection.execute(statement).first() is not None


def _is_late(connection: Connection, reader: Row[Any], delivery_id: int | None) -> bool:
    """Whether it is about a mail from before the reader (re)subscribed or moved to another address, or after they left."""
    if reader.status not in (Status.PENDING, Status.ACTIVE, Status.PAUSED):
        return True
    mailed_at = connection.execute(select(deliveries.c.planned_at).where(deliveries.c.id == delivery_id)).scalar()
    if mailed_at is None:
        return False
    moved_at = connection.execute(
        select(func.max(consents.c.at)).where(
            consents.c.subscriber_id == reader.id, consents.c.event.in_(("confirmed", "undone", "address changed"))
        )
    ).scalar()
    return moved_at is not None and mailed_at < moved_at


def _count(connection: Connection, reader: Row[Any], now: datetime) -> Taken:
    """One more soft bounce; older ones weigh half after 30 days, and a vote or click clears them."""
    if reader.soft_bounced_at is not None and now - reader.soft_bounced_at < COUNTED_EVERY:
        return Taken.NOTED
    days = (now - reader.soft_bounced_at).total_seconds() / 86_400 if reader.soft_bounced_at else 0.0
    score = reader.soft_bounces * 0.5 ** (days / HALF_LIFE_DAYS) + 1.0
    counted = update(subscribers).where(subscribers.c.id == reader.id)
    connection.execute(counted.values(soft_bounces=score, soft_bounced_at=now))
    if score >= STOP_AT and lifecycle.stop(connection, reader.id, now) is lifecycle.Outcome.DONE:
        return Taken.STOPPED
    return Taken.COUNTED
