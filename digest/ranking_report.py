"""Whether the ranking helps on this install: readers' own votes against the order sent and the trending order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, select

from digest.db.engine import chunks, reading
from digest.db.tables import MORE, editions, seen_papers, votes
from digest.ranking.replay import Replay, SentList, replay

LONG_DAYS = 30
FEW_EDITIONS = 30  # with fewer, a few readers make the figure


@dataclass(frozen=True, slots=True)
class Period:
    """The votes for more that were given from one day (UTC) to another, both included, on papers of digests."""

    from_on: date
    to_on: date
    replay: Replay

    def to_json(self) -> dict[str, Any]:
        return {"from": self.from_on, "to": self.to_on, **asdict(self.replay)}

    def __str__(self) -> str:
        days = f"{self.to_on}" if self.from_on == self.to_on else f"{self.from_on} to {self.to_on}"
        found = self.replay
        if found.sent is None or found.trending is None:
            return f"  {days}: nobody voted a paper of a digest up"
        return (
            f"  {days}: order sent {found.sent:.3f}, trending order {found.trending:.3f} "
            f"({found.sent - found.trending:+.3f}; digests with votes {found.editions}: "
            f"better in {found.better}, worse in {found.worse})"
        )


@dataclass(frozen=True, slots=True)
class RankingReport:
    """One day, and the LONG_DAYS that end with it."""

    day: Period
    long: Period

    @property
    def ok(self) -> bool:
        return True

    def to_json(self) -> dict[str, Any]:
        return {"measure": "ndcg@10", "day": self.day.to_json(), "days": self.long.to_json()}

    def __str__(self) -> str:
        lines = ["Ranking: nDCG@10 of the papers that readers voted up (1 = all of them on top)"]
        return "\n".join([*lines, str(self.day), str(self.long), *self._advice()])

    def _advice(self) -> list[str]:
        found = self.long.replay
        if found.sent is None:
            return [
                "Votes come from the links below each paper of a digest. Once readers have used them, this report "
                "says whether their papers stood higher than votes of the community alone would have put them."
            ]
        if found.editions < FEW_EDITIONS:
            return [f"Fewer than {FEW_EDITIONS} digests got votes: too few to tell. Look again later."]
        return []


def ranking_report(engine: Engine, day: date) -> RankingReport:
    """The report of `digest report --ranking`; `day` is a day in UTC."""
    with reading(engine).connect() as connection:
        return RankingReport(
            _period(connection, day, day), _period(connection, day - timedelta(days=LONG_DAYS - 1), day)
        )


def _period(connection: Connection, from_on: date, to_on: date) -> Period:
    since, until = (datetime.combine(on, time(), UTC) for on in (from_on, to_on + timedelta(days=1)))
    return Period(from_on, to_on, replay(_sent_lists(connection, since, until)))


def _sent_lists(connection: Connection, since: datetime, until: datetime) -> list[SentList]:
    """Editions with a paper that its reader voted up in that time, after the edition was frozen.

    What a reader liked before, on the site, says nothing of the mail; nor does an edition that was never sent: its
    papers are not seen.
    """
    voted = connection.execute(
        select(editions.c.delivery_id, votes.c.paper_id)
        .join(
            seen_papers,
            (seen_papers.c.subscriber_id == votes.c.subscriber_id) & (seen_papers.c.paper_id == votes.c.paper_id),
        )
        .join(editions, editions.c.delivery_id == seen_papers.c.delivery_id)
        .where(votes.c.direction == MORE, votes.c.at >= since, votes.c.at < until, votes.c.at >= editions.c.frozen_at)
    )
    liked: dict[int, set[int]] = defaultdict(set)
    for delivery_id, paper_id in voted:
        liked[delivery_id].add(paper_id)
    return [SentList(picks, frozenset(liked[delivery_id])) for delivery_id, picks in _picks(connection, sorted(liked))]


def _picks(connection: Connection, delivery_ids: list[int]) -> list[tuple[int, tuple[tuple[int, int], ...]]]:
    """Delivery id and its papers in order, each with the community's votes when the edition was frozen."""
    return [
        (row.delivery_id, tuple((pick[0], pick[1] or 0) for pick in row.picks))
        for page in chunks(delivery_ids)
        for row in connection.execute(
            select(editions.c.delivery_id, editions.c.picks).where(editions.c.delivery_id.in_(page))
        )
    ]
