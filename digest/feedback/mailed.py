"""What a mail said of a paper, as it was frozen: a vote's link names a reader, a mail and a paper."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from digest.editions.store import load_picks
from digest.ranking.choice import Reason
from digest.subscribers.tokens import VoteLink


@dataclass(frozen=True, slots=True)
class Mailed:
    """What a vote's link is about: a paper in a reader's mail and the reasons told for it. `is_more`: more like this."""

    subscriber_id: int
    paper_id: int
    is_more: bool
    reasons: tuple[Reason, ...]


def find(connection: Connection, link: VoteLink) -> Mailed | None:
    """None for a paper that is not in the mail.

    So too once the mail is no longer stored (KEEP_DAYS), or is another reader's after a restore from a backup.
    """
    for pick in load_picks(connection, link.delivery_id, link.subscriber_id):
        if pick.paper_id == link.paper_id:
            return Mailed(link.subscriber_id, link.paper_id, link.is_more, pick.reasons)
    return None
