"""A morning's ledger: readers with frozen editions, ready to be delivered again and again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select, text, update

from benchmarks import _crowd
from digest.db.tables import DeliveryStatus, Mail, deliveries, editions, papers, seen_papers, subscribers
from digest.editions.edition import Kind
from digest.papers.ingest import ingest
from digest.ranking.choice import ReasonKind
from digest.settings import Settings
from digest.subscribers import transfer
from digest.subscribers.subscriber import Preferences

NOW = datetime.combine(_crowd.DAY, clock_time(6), UTC)
PAPERS = 100
DOMAINS = 50


def fill(engine: Engine, folder: Path, url: str, number: int, cards: int = 10, seed: int = 7) -> None:
    """`number` readers and a frozen edition of so many papers for each; papers as the rest of the measurements have them."""
    days, _ = _crowd.write_papers(folder / "papers.jsonl")
    settings = Settings(database_url=url, sources=("file",), papers_file=folder / "papers.jsonl")
    ingest(engine, settings, "file", days[-6:], NOW - timedelta(hours=6))
    lines = ["email\n", *(f"reader{n}@example{n % DOMAINS}.org\n" for n in range(number))]
    transfer.import_subscribers(engine, iter(lines), NOW, is_active=True, source="a measurement", base=Preferences())
    with engine.begin() as connection:
        longest = sorted(connection.execute(select(papers.c.id, papers.c.abstract)), key=lambda row: -len(row.abstract))
        chosen = sorted(row.id for row in longest[:PAPERS])
        readers = list(connection.execute(select(subscribers.c.id).order_by(subscribers.c.id)).scalars())
    draw = random.Random(seed)
    for at in range(0, len(readers), 1000):
        _freeze(engine, readers[at : at + 1000], chosen, cards, draw)


def _freeze(engine: Engine, readers: Sequence[int], paper_ids: Sequence[int], cards: int, draw: random.Random) -> None:
    with engine.begin() as connection:
        ids = connection.execute(
            deliveries.insert().returning(deliveries.c.id, sort_by_parameter_order=True),
            [_delivery(reader) for reader in readers],
        ).scalars()
        rows = [
            _edition(id, reader, draw.sample(paper_ids, cards), draw) for id, reader in zip(ids, readers, strict=True)
        ]
        connection.execute(editions.insert(), rows)
        connection.execute(seen_papers.insert(), [seen for row in rows for seen in _seen(row)])


def _delivery(reader: int) -> dict[str, Any]:
    return {
        "subscriber_id": reader,
        "mail": Mail.DIGEST,
        "dated_on": _crowd.DAY,
        "edition_kind": Kind.DAILY,
        "status": DeliveryStatus.WAITING,
        "planned_at": NOW,
        "mailed_at": NOW,
        "next_try_at": NOW,
        "expires_at": NOW + timedelta(hours=20),
    }


def _edition(delivery_id: int, reader: int, paper_ids: Sequence[int], draw: random.Random) -> dict[str, Any]:
    return {
        "delivery_id": delivery_id,
        "subscriber_id": reader,
        "dated_on": _crowd.DAY,
        "kind": Kind.DAILY,
        "picks": [[id, id % 90, id % 9, False, _reasons(draw)] for id in paper_ids],
        "weighed": 400,
        "covers_from": _crowd.DAY - timedelta(days=1),
        "covers_to": _crowd.DAY,
        "next_on": _crowd.DAY + timedelta(days=1),
        "frozen_at": NOW,
        "read_to_at": NOW,
    }


def _reasons(draw: random.Random) -> list[list[Any]]:
    """As they are frozen: without the shares of the score."""
    topic = [ReasonKind.TOPIC, 0.0, draw.choice(_crowd.TOPICS), None]
    return [topic, [ReasonKind.TRENDING, 0.0, "12", None]] if draw.random() < 0.5 else [topic]


def _seen(edition: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "subscriber_id": edition["subscriber_id"],
            "paper_id": pick[0],
            "delivery_id": edition["delivery_id"],
            "seen_on": edition["dated_on"],
        }
        for pick in edition["picks"]
    ]


def rewind(engine: Engine) -> None:
    """Everything waits again, as it did before the first mail."""
    with engine.begin() as connection:
        fresh = {"status": DeliveryStatus.WAITING, "attempts": 0, "doubts": 0, "crashes": 0, "next_try_at": NOW}
        gone = dict.fromkeys(("reason", "worker", "lease_until", "reply_code", "reply_status", "finished_at"))
        connection.execute(update(deliveries).values(fresh | gone))
    compact(engine)


def compact(engine: Engine) -> None:
    """No trace of what was written before slows what is measured next."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        is_postgresql = connection.dialect.name == "postgresql"
        if is_postgresql:
            connection.execute(text("VACUUM FULL deliveries"))
        connection.execute(text("ANALYZE"))
