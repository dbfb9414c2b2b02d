"""Votes and clicks as the ranking wants them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, exists, func, or_, select

from digest.db.engine import chunks
from digest.db.tables import MORE, clicks, papers, votes
from digest.ranking.votes import Said, Signal, Vote, said

MOST_LIKES = 500_000  # what a fit learns from is bounded, however many readers vote


def told_by(connection: Connection, subscriber_ids: Sequence[int]) -> dict[int, Said]:
    """Subscriber id -> what they said of papers; readers who said nothing are left out."""
    found: dict[int, list[Vote]] = {}
    for page in chunks(subscriber_ids):
        for row in connection.execute(select(clicks).where(clicks.c.subscriber_id.in_(page))):
            found.setdefault(row.subscriber_id, []).append(Vote(row.paper_id, Signal.CLICK, row.at))
        for row in connection.execute(select(votes).where(votes.c.subscriber_id.in_(page))):
            signal = Signal.UP if row.direction == MORE else Signal.DOWN
            found.setdefault(row.subscriber_id, []).append(Vote(row.paper_id, signal, row.at))
    return {subscriber_id: said(votes) for subscriber_id, votes in found.items()}


def voted_papers(connection: Connection) -> list[int]:
    """Ids of the papers that anybody voted on or clicked: what profiles rest on."""
    said = [select(table.c.at).where(table.c.paper_id == papers.c.id) for table in (votes, clicks)]
    # One look into an index for each paper: reading all votes would take ever longer.
    return list(connection.execute(select(papers.c.id).where(or_(*(one.exists() for one in said)))).scalars())


def likes(connection: Connection) -> list[tuple[int, int]]:
    """(subscriber id, paper id) of the newest MOST_LIKES votes for more and as many clicks."""
    liked = select(votes.c.subscriber_id, votes.c.paper_id).where(votes.c.direction == MORE).order_by(votes.c.at.desc())
    clicked = select(clicks.c.subscriber_id, clicks.c.paper_id).order_by(clicks.c.at.desc())
    found = {(row[0], row[1]) for some in (liked, clicked) for row in connection.execute(some.limit(MOST_LIKES))}
    return sorted(found)


def count_likes(connection: Connection) -> int:
    """How many `likes` would give, were there no limit."""
    is_voted = (votes.c.subscriber_id == clicks.c.subscriber_id) & (votes.c.paper_id == clicks.c.paper_id)
    liked = select(func.count()).select_from(votes).where(votes.c.direction == MORE)
    clicked = select(func.count()).select_from(clicks).where(~exists().where(is_voted, votes.c.direction == MORE))
    return sum(connection.execute(one).scalar_one() for one in (liked, clicked))
