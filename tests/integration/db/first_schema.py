"""A row in every table as the first released version wrote it: nothing here changes when the schema does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, MetaData, select

from tests.builders import NOW, TODAY

FIRST = "0001"
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)


def _subscriber(name: str, **values: Any) -> dict[str, Any]:
    email = f"{name}@example.org"
    lists: dict[str, Any] = {"topics": ["robots"], "muted": [], "authors": [], "organisations": []}
    wishes = {"cadence": "daily", "hour": 7, "timezone": "UTC", "size": 10, "language": "en", "quiet": "skip"}
    times = {"due_at": NOW + timedelta(days=1), "planned_to_on": TODAY, "created_at": NOW, "confirmed_at": NOW}
    keys = {"email": email, "email_key": email, "limit_key": email, "status": "active"}
    return keys | lists | wishes | times | {"generation": 0, "soft_bounces": 0.0} | values


def _delivery(subscriber: int, status: str, **values: Any) -> dict[str, Any]:
    day = {"mail": "digest", "dated_on": TODAY, "edition_kind": "daily", "expires_at": NOW + timedelta(days=1)}
    times = {"planned_at": NOW, "mailed_at": NOW, "next_try_at": NOW}
    counts = {"attempts": 0, "doubts": 0, "crashes": 0}
    return {"subscriber_id": subscriber, "status": status} | day | times | counts | values


def _edition(delivery: int, subscriber: int) -> dict[str, Any]:
    days = {"dated_on": TODAY, "covers_from": TODAY, "covers_to": TODAY, "next_on": TOMORROW}
    picks = [[1, 5, None, False, [["topic", 0.7, "robots", None]]], [2, 3, 2, True, []]]
    made = {"kind": "daily", "picks": picks, "weighed": 9, "frozen_at": NOW, "read_to_at": NOW}
    return {"delivery_id": delivery, "subscriber_id": subscriber} | days | made


def _paper(number: int) -> dict[str, Any]:
    lists: dict[str, Any] = {"authors": ["Ann Example"], "categories": ["cs.RO"], "keywords": ["robots"]}
    words = {"key": f"2606.0000{number}", "title": f"Robots, part {number}", "abstract": "They walk.", "source": "file"}
    return words | lists | {"listed_on": TODAY, "first_seen_at": NOW, "votes": 5}


# Numbers in the order of the rows: readers 1 to 6, mails 1 to 8. Mails 1 to 5 are queued or in somebody's hands.
ROWS: dict[str, list[dict[str, Any]]] = {
    "papers": [_paper(1), _paper(2), _paper(3)],
    "listings": [{"source": "file", "listed_on": TODAY, "paper_id": 1, "first_seen_at": NOW}],
    "readings": [{"paper_id": 1, "read_at": NOW, "votes": 5, "comments": 1}],
    "source_runs": [
        {
            "source": "file",
            "asked_on": TODAY,
            "started_at": NOW,
            "finished_at": NOW,
            "outcome": "ok",
            "is_final": True,
            "reason": "",
            "fetched": 3,
            "new": 3,
            "revised": 0,
            "skipped": {"no title": 1},
        }
    ],
    "watermarks": [{"source": "file", "complete_to_on": YESTERDAY}],
    "http_cache": [{"url": "https://example.org/", "etag": "x", "body": b"old", "fetched_at": NOW}],
    "pacing": [{"host": "example.org", "held_until": 0.0, "free_at": 0.5}],
    "subscribers": [
        _subscriber("planned"),
        _subscriber("waiting"),
        _subscriber("claimed"),
        _subscriber("deferred"),
        _subscriber("pending", status="pending", confirmed_at=None, due_at=None, planned_to_on=None),
        _subscriber("served"),
    ],
    "consents": [{"subscriber_id": 6, "at": NOW, "event": "confirmed", "wording": "Yes, every day", "client": "c1"}],
    "suppressions": [{"email_hash": "0" * 64, "reason": "complaint", "detail": "abuse", "at": NOW}],
    "models": [{"version": 1, "fitted_at": NOW, "papers": 3, "text": b"of another form", "crowd": b"as well"}],
    "votes": [{"subscriber_id": 6, "paper_id": 1, "direction": 1, "at": NOW}],
    "clicks": [{"subscriber_id": 6, "paper_id": 2, "at": NOW}],
    "deliveries": [
        _delivery(1, "planned", mailed_at=None),
        _delivery(2, "waiting"),
        _delivery(3, "claimed", worker="gone", lease_until=1.0),
        _delivery(4, "deferred", attempts=1, reason="451 later", reply_code=451),
        _delivery(5, "waiting", mail="confirm", dated_on=None, edition_kind=None, context={"generation": 0}),
        _delivery(6, "submitted", attempts=1, reply_code=250, finished_at=NOW),
        _delivery(6, "skipped", dated_on=YESTERDAY, reason="nothing_new", finished_at=NOW),
        _delivery(6, "uncertain", dated_on=YESTERDAY - timedelta(days=1), attempts=1, doubts=2, finished_at=NOW),
    ],
    "editions": [_edition(2, 2), _edition(3, 3), _edition(4, 4), _edition(6, 6)],
    "seen_papers": [{"subscriber_id": 6, "paper_id": 1, "delivery_id": 6, "seen_on": TODAY}],
    "bounces": [
        {
            "subscriber_id": 6,
            "delivery_id": 6,
            "kind": "soft",
            "status": "4.2.2",
            "detail": "full",
            "at": NOW,
            "digest": "d1",
        }
    ],
    "stage_runs": [
        {
            "stage": "plan",
            "started_at": NOW,
            "finished_at": NOW,
            "seconds": 0.1,
            "ok": True,
            "counts": {"planned": 4},
            "reason": "",
        }
    ],
    "states": [{"name": "beat", "value": None, "at": NOW}],
}
QUEUED = ("planned", "waiting", "claimed", "deferred", "pending")


def tables(engine: Engine) -> MetaData:
    """The tables as they are now."""
    found = MetaData()
    found.reflect(engine, only=list(ROWS))
    return found


def write(engine: Engine) -> None:
    """Insert the rows as the first version did: with the columns that it knew, and no other."""
    known = tables(engine)
    with engine.begin() as connection:
        for name, rows in ROWS.items():
            for row in rows:
                connection.execute(known.tables[name].insert().values(row))


def read(engine: Engine, known: MetaData) -> dict[str, list[tuple[Any, ...]]]:
    """What stands in the columns of `known`, whatever others there are by now."""
    with engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in known.tables.items()
        }
