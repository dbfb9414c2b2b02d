"""Everything that is stored about one person, for that person."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from digest.db.tables import bounces, clicks, consents, deliveries, papers, seen_papers, subscribers, votes
from digest.subscribers.preferences import NAMES


def export(connection: Connection, subscriber_id: int) -> dict[str, Any] | None:
    """All rows about a subscriber, ready for JSON; None when there is no such subscriber."""
    row = connection.execute(select(subscribers).where(subscribers.c.id == subscriber_id)).first()
    if row is None:
        return None
    own = {name: _plain(row._mapping[name]) for name in ("email", "status", "created_at", "confirmed_at", "left_at")}
    bouncing = {name: _plain(row._mapping[name]) for name in ("pending_email", "soft_bounces", "soft_bounced_at")}
    return {
        **own,
        **bouncing,
        "preferences": {name: _plain(row._mapping[name]) for name in NAMES},
        "next_due_at": _plain(row.due_at),
        **{name: [_as_dict(one) for one in connection.execute(query)] for name, query in _parts(subscriber_id).items()},
    }


def _parts(subscriber_id: int) -> dict[str, Select[Any]]:
    d = deliveries.c
    return {
        "consents": select(consents.c.at, consents.c.event, consents.c.wording, consents.c.client)
        .where(consents.c.subscriber_id == subscriber_id)
        .order_by(consents.c.id),
        "mails": select(d.mail, d.dated_on, d.edition_kind, d.status, d.reason, d.mailed_at, d.finished_at)
        .where(d.subscriber_id == subscriber_id)
        .order_by(d.id),
        "votes": select(papers.c.key, papers.c.title, votes.c.direction, votes.c.at)
        .join(papers, papers.c.id == votes.c.paper_id)
        .where(votes.c.subscriber_id == subscriber_id)
        .order_by(votes.c.at),
        "clicks": select(papers.c.key, papers.c.title, clicks.c.at)
        .join(papers, papers.c.id == clicks.c.paper_id)
        .where(clicks.c.subscriber_id == subscriber_id)
        .order_by(clicks.c.at),
        "papers_sent": select(papers.c.key, seen_papers.c.seen_on)
        .join(papers, papers.c.id == seen_papers.c.paper_id)
        .where(seen_papers.c.subscriber_id == subscriber_id)
        .order_by(seen_papers.c.seen_on, papers.c.key),
        "returned_mail": select(bounces.c.at, bounces.c.kind, bounces.c.status, bounces.c.detail)
        .where(bounces.c.subscriber_id == subscriber_id)
        .order_by(bounces.c.id),
    }


def _as_dict(row: Row[Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row._mapping.items()}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value
