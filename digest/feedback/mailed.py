"""What stands at a place of a mail, as it was frozen: a vote's link names a reader, a mail and a place in it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from digest.db.tables import editions
from digest.ranking.choice import Reason, ReasonKind
from digest.subscribers.tokens import VoteLink


@dataclass(frozen=True, slots=True)
class Mailed:
    """What a vote's link is about: a paper in a reader's mail and the reasons told for it. `is_more`: more like this."""

    subscriber_id: int
    paper_id: int
    is_more: bool
    reasons: tuple[Reason, ...]


def find(connection: Connection, link: VoteLink) -> Mailed | None:
    """None once the mail is no longer stored (KEEP_DAYS), or is another reader's after a restore from a backup."""
    is_theirs = (editions.c.delivery_id == link.delivery_id) & (editions.c.subscriber_id == link.subscriber_id)
    picks = connection.execute(select(editions.c.picks).where(is_theirs)).scalar() or []
    if link.place >= len(picks):
        return None
    paper_id, _votes, _gained, _is_late, reasons = picks[link.place]
    told = tuple(Reason(ReasonKind(kind), *rest[:3]) for kind, *rest in reasons)
    return Mailed(link.subscriber_id, paper_id, link.is_more, told)
