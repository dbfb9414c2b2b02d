"""“Less of this” under a reason: what a reader takes back when a reason no longer holds for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from digest.db.tables import editions
from digest.feedback import record
from digest.ranking.choice import Reason, ReasonKind
from digest.subscribers import lifecycle, rows
from digest.subscribers.subscriber import Preferences
from digest.subscribers.tokens import VoteLink

LISTS = {ReasonKind.TOPIC: "topics", ReasonKind.AUTHOR: "authors", ReasonKind.ORGANISATION: "organisations"}


@dataclass(frozen=True, slots=True)
class Given:
    """A reason as it stood in a mail, and the paper it stood under."""

    paper_id: int
    reason: Reason


def find(connection: Connection, link: VoteLink, place: int) -> Given | None:
    """The reason at `place` (from 0) under the link's paper in the link's mail, as it was frozen; None if there is none."""
    row = connection.execute(select(editions.c.picks).where(editions.c.delivery_id == link.delivery_id)).first()
    picks = {pick[0]: pick[4] for pick in row.picks} if row else {}
    reasons = picks.get(link.paper_id, [])
    if not 0 <= place < len(reasons):
        return None
    kind, contribution, detail, paper_id = reasons[place][:4]
    return Given(link.paper_id, Reason(ReasonKind(kind), contribution, detail, paper_id))


def turn_down(connection: Connection, subscriber_id: int, given: Given, now: datetime, client: str = "") -> bool:
    """Act on the reason itself: a topic or a follow goes, a vote is taken back; any other is a vote for less of the paper.

    False when the reader is gone. Doing it twice changes nothing more.
    """
    reader = rows.get(connection, subscriber_id)
    if reader is None:
        return False
    reason = given.reason
    if reason.kind in LISTS:
        preferences = without(reader.preferences, LISTS[reason.kind], reason.detail)
        lifecycle.change_preferences(connection, subscriber_id, preferences, now, client=client)
        return True
    if reason.kind is ReasonKind.LIKED and reason.paper_id is not None:
        record.undo_vote(connection, subscriber_id, reason.paper_id, now)
        return True
    return record.vote(connection, subscriber_id, given.paper_id, False, now)


def without(preferences: Preferences, name: str, entry: str) -> Preferences:
    """The preferences with one entry of a list gone, however it is capitalised."""
    kept = tuple(one for one in getattr(preferences, name) if one.casefold() != entry.casefold())
    changed: dict[str, Any] = {name: kept}
    return replace(preferences, **changed)
