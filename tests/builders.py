"""Rows and values that tests start from; every argument has a default that changes nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection

from digest.db.tables import Mail, deliveries, editions, listings, papers, source_runs, subscribers
from digest.subscribers.address import stored

NOW = datetime(2026, 6, 9, 7, tzinfo=UTC)
TODAY = NOW.date()


def add_paper(connection: Connection, key: str = "2606.00001", **values: Any) -> int:
    """Insert a paper and return its id."""
    row: dict[str, Any] = {
        "key": key,
        "title": f"A paper called {key}",
        "abstract": "We describe a method, test it on three data sets and report where it helps.",
        "authors": ["Ann Example", "Bob Sample"],
        "categories": ["cs.CL"],
        "keywords": ["sparse attention"],
        "published_on": date(2026, 6, 8),
        "listed_on": TODAY,
        "first_seen_at": NOW,
        "votes": 5,
        "comments": 1,
        "source": "huggingface",
    }
    return int(connection.execute(papers.insert().values(row | values)).inserted_primary_key[0])


def add_subscriber(connection: Connection, email: str = "ann@example.org", **values: Any) -> int:
    """Insert a confirmed subscriber who is due at NOW, and return the id."""
    row: dict[str, Any] = {
        "email": email,
        "email_key": email.casefold(),
        "limit_key": stored(email).limit_key,
        "status": "active",
        "topics": [],
        "muted": [],
        "authors": [],
        "organisations": [],
        "cadence": "daily",
        "hour": 7,
        "timezone": "UTC",
        "size": 10,
        "language": "en",
        "quiet": "skip",
        "due_at": NOW,
        "planned_to_on": date(2026, 6, 8),
        "created_at": NOW,
        "confirmed_at": NOW,
    }
    return int(connection.execute(subscribers.insert().values(row | values)).inserted_primary_key[0])


def list_paper(connection: Connection, key: str, on: date = TODAY, source: str = "huggingface", **values: Any) -> int:
    """Insert a paper together with its place on a day's list, and return its id."""
    seen_at = datetime.combine(on, time(6), UTC)
    paper_id = add_paper(
        connection, key, **{"listed_on": on, "published_on": on, "first_seen_at": seen_at, "source": source} | values
    )
    add_listing(connection, paper_id, on, source)
    return paper_id


def add_listing(connection: Connection, paper_id: int, on: date, source: str = "huggingface") -> None:
    seen_at = datetime.combine(on, time(6), UTC)
    connection.execute(listings.insert().values(source=source, listed_on=on, paper_id=paper_id, first_seen_at=seen_at))


def add_source_run(connection: Connection, on: date, outcome: str, reason: str, source: str = "huggingface") -> None:
    """Insert what came of asking a source for a day."""
    at = datetime.combine(on, time(6), UTC)
    row = {
        "source": source,
        "asked_on": on,
        "started_at": at,
        "finished_at": at,
        "outcome": outcome,
        "reason": reason,
        "skipped": {},
        "is_final": outcome != "failed",
    }
    connection.execute(source_runs.insert().values(row))


def add_digest(connection: Connection, subscriber_id: int, on: date = TODAY, **values: Any) -> int:
    """Insert the ledger's row of a digest that was sent, and return its id."""
    at = {"planned_at": NOW, "next_try_at": NOW, "finished_at": NOW}
    row = {"subscriber_id": subscriber_id, "mail": Mail.DIGEST, "dated_on": on, "status": "submitted", **at}
    return int(connection.execute(deliveries.insert().values(row | values)).inserted_primary_key[0])


def add_edition(
    connection: Connection, subscriber_id: int, paper_ids: list[int], on: date = TODAY, **values: Any
) -> int:
    """Insert a digest that was sent with these papers, each for the topic `robots`; return its delivery id."""
    delivery_id = add_digest(connection, subscriber_id, on)
    picks = [[paper_id, 5, None, False, [["topic", 0.7, "robots", None]]] for paper_id in paper_ids]
    days = {"dated_on": on, "covers_from": on, "covers_to": on, "next_on": on + timedelta(days=1)}
    row = {
        "delivery_id": delivery_id,
        "subscriber_id": subscriber_id,
        "kind": "daily",
        "picks": picks,
        "weighed": 9,
        "frozen_at": NOW,
        "read_to_at": NOW,
    } | days
    connection.execute(editions.insert().values(row | values))
    return delivery_id
