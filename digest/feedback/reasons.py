"""“Less of this” under a reason: what a reader takes back when a reason no longer holds for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from digest.feedback import record
from digest.feedback.mailed import Mailed
from digest.ranking.choice import ReasonKind
from digest.subscribers import lifecycle, rows
from digest.subscribers.subscriber import Preferences

LISTS = {ReasonKind.TOPIC: "topics", ReasonKind.AUTHOR: "authors", ReasonKind.ORGANISATION: "organisations"}


def turn_down(connection: Connection, mailed: Mailed, place: int, now: datetime, client: str = "") -> bool:
    """Act on the reason at `place`: a topic or a follow goes, a vote is taken back; any other is a vote for less of the paper.

    False when the reader is gone. Doing it twice changes nothing more.
    """
    subscriber_id, reason = mailed.subscriber_id, mailed.reasons[place]
    reader = rows.get(connection, subscriber_id)
    if reader is None:
        return False
    if reason.kind in LISTS:
        preferences = without(reader.preferences, LISTS[reason.kind], reason.detail)
        lifecycle.change_preferences(connection, subscriber_id, preferences, now, client=client)
        return True
    if reason.kind is ReasonKind.LIKED and reason.paper_id is not None:
        record.undo_vote(connection, subscriber_id, reason.paper_id, now)
        return True
    return record.vote(connection, subscriber_id, mailed.paper_id, False, now)


def without(preferences: Preferences, name: str, entry: str) -> Preferences:
    """The preferences with one entry of a list gone, however it is capitalised."""
    kept = tuple(one for one in getattr(preferences, name) if one.casefold() != entry.casefold())
    changed: dict[str, Any] = {name: kept}
    return replace(preferences, **changed)
