"""What readers say of papers: votes and clicks, written down and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select, update

from digest.db.engine import insert
from digest.db.tables import LESS, MORE, clicks, deliveries, papers, subscribers, votes
from digest.feedback import profiles
from digest.ranking.votes import Signal, Vote

SCANNED_FOR = timedelta(seconds=10)  # links followed so soon after the mail left were followed by a machine
BURST = timedelta(seconds=2)
BURST_CLICKS = 3


@dataclass(frozen=True, slots=True)
class Voted:
    paper_id: int
    key: str
    title: str
    is_more: bool
    at: datetime


def vote(connection: Connection, subscriber_id: int, paper_id: int, is_more: bool, now: datetime) -> bool:
    """Store a vote; the last one on a paper counts. False when reader or paper is no longer there."""
    if not _both_exist(connection, subscriber_id, paper_id):
        return False
    said = {"direction": MORE if is_more else LESS, "at": now}
    statement = insert(connection, votes).values(subscriber_id=subscriber_id, paper_id=paper_id, **said)
    connection.execute(statement.on_conflict_do_update(index_elements=["subscriber_id", "paper_id"], set_=said))
    _note(connection, subscriber_id, now, Vote(paper_id, Signal.UP if is_more else Signal.DOWN, now))
    return True


def undo_vote(connection: Connection, subscriber_id: int, paper_id: int, now: datetime) -> bool:
    """Take a vote back. False when there was none."""
    mine = (votes.c.subscriber_id == subscriber_id) & (votes.c.paper_id == paper_id)
    if (
        not _both_exist(connection, subscriber_id, paper_id)
        or not connection.execute(delete(votes).where(mine)).rowcount
    ):
        return False
    _note(connection, subscriber_id, now)
    return True


def click(connection: Connection, subscriber_id: int, paper_id: int, delivery_id: int | None, now: datetime) -> bool:
    """Store that a link was followed; False for machines, which follow links at once or all together."""
    if not _both_exist(connection, subscriber_id, paper_id) or _is_scanner(connection, subscriber_id, delivery_id, now):
        return False
    row = insert(connection, clicks).values(subscriber_id=subscriber_id, paper_id=paper_id, at=now)
    connection.execute(row.on_conflict_do_update(index_elements=["subscriber_id", "paper_id"], set_={"at": now}))
    _note(connection, subscriber_id, now, Vote(paper_id, Signal.CLICK, now))
    return True


def votes_of(connection: Connection, subscriber_id: int) -> list[Voted]:
    """A reader's votes so far, newest first."""
    rows = connection.execute(
        select(votes.c.paper_id, papers.c.key, papers.c.title, votes.c.direction, votes.c.at)
        .join(papers, papers.c.id == votes.c.paper_id)
        .where(votes.c.subscriber_id == subscriber_id)
        .order_by(votes.c.at.desc(), votes.c.paper_id.desc())
    )
    return [Voted(row.paper_id, row.key, row.title, row.direction == MORE, row.at) for row in rows]


def _both_exist(connection: Connection, subscriber_id: int, paper_id: int) -> bool:
    # The reader's row is held so that "forget me" at the same moment waits, and then takes the vote along.
    reader = select(subscribers.c.id).where(subscribers.c.id == subscriber_id).with_for_update()
    paper = select(papers.c.id).where(papers.c.id == paper_id)
    return connection.execute(reader).first() is not None and connection.execute(paper).first() is not None


def _is_scanner(connection: Connection, subscriber_id: int, delivery_id: int | None, now: datetime) -> bool:
    sent_at = connection.execute(select(deliveries.c.finished_at).where(deliveries.c.id == delivery_id)).scalar()
    if sent_at is not None and now < sent_at + SCANNED_FOR:
        return True
    recent = (clicks.c.subscriber_id == subscriber_id) & (clicks.c.at > now - BURST)
    if connection.execute(select(func.count()).where(recent)).scalar_one() < BURST_CLICKS - 1:
        return False
    connection.execute(delete(clicks).where(recent))
    _note(connection, subscriber_id, now)
    return True


def _note(connection: Connection, subscriber_id: int, now: datetime, said: Vote | None = None) -> None:
    """Every word has a time of its own, so that a profile is known to be stale; and a mailbox that is read no longer bounces."""
    reader = subscribers.c.id == subscriber_id
    before = connection.execute(select(subscribers.c.feedback_at).where(reader)).scalar_one()
    at = now if before is None else max(now, before + timedelta(microseconds=1))
    if said is not None:
        profiles.fold_in(connection, subscriber_id, said, before, at)
    connection.execute(update(subscribers).where(reader).values(feedback_at=at, soft_bounces=0.0, soft_bounced_at=None))
