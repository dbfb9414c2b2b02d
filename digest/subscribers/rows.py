"""Subscribers as the database keeps them, and as values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from digest.db.tables import subscribers
from digest.subscribers.address import Address
from digest.subscribers.subscriber import Cadence, Preferences, Quiet, Status, Subscriber

LISTS = ("topics", "muted", "authors", "organisations")


def find(connection: Connection, address: Address) -> Subscriber | None:
    """The subscriber of an address, in whatever state."""
    row = connection.execute(select(subscribers).where(subscribers.c.email_key == address.key)).first()
    return subscriber_of(row) if row else None


def get(connection: Connection, subscriber_id: int) -> Subscriber | None:
    row = connection.execute(select(subscribers).where(subscribers.c.id == subscriber_id)).first()
    return subscriber_of(row) if row else None


def subscriber_of(row: Row[Any]) -> Subscriber:
    return Subscriber(row.id, row.email, Status(row.status), preferences_of(row), row.created_at, row.confirmed_at)


def preferences_of(row: Row[Any]) -> Preferences:
    return Preferences(
        topics=tuple(row.topics),
        muted=tuple(row.muted),
        authors=tuple(row.authors),
        organisations=tuple(row.organisations),
        cadence=Cadence(row.cadence),
        hour=row.hour,
        timezone=row.timezone,
        size=row.size,
        language=row.language,
        quiet=Quiet(row.quiet),
        paused_until=row.paused_until,
    )


def columns_of(preferences: Preferences) -> dict[str, Any]:
    return {
        **{name: list(getattr(preferences, name)) for name in LISTS},
        "cadence": preferences.cadence,
        "hour": preferences.hour,
        "timezone": preferences.timezone,
        "size": preferences.size,
        "language": preferences.language,
        "quiet": preferences.quiet,
        "paused_until": preferences.paused_until,
    }


def columns_of_address(address: Address) -> dict[str, Any]:
    return {"email": address.email, "email_key": address.key, "limit_key": address.limit_key}


def new_row(address: Address, preferences: Preferences, status: Status, now: datetime) -> dict[str, Any]:
    """Everything a new row needs."""
    return {
        **columns_of_address(address),
        **columns_of(preferences),
        "status": status,
        "created_at": now,
        "generation": 0,
        "soft_bounces": 0.0,
    }
