"""What a visitor's topics would give, and which papers are like one: ranking with a day prepared once per process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, select

from digest.db.engine import reading
from digest.db.tables import papers
from digest.editions.build import FIRST_DAYS
from digest.editions.edition import Edition
from digest.papers.paper import Paper
from digest.papers.search import akin
from digest.papers.store import papers_first_seen
from digest.preview import choose
from digest.ranking.rank import Day, Reader, prepare
from digest.ranking.space import Space
from digest.subscribers.subscriber import Preferences

FRESH_FOR = timedelta(minutes=10)  # votes move; a preview may be so much behind
SIMILAR = 5


class Tryout:
    """The papers of a first edition, prepared once and kept until new ones come in or FRESH_FOR is over."""

    def __init__(self, engine: Engine, newest_space: Callable[[], Space | None]) -> None:
        self._engine, self._newest_space = engine, newest_space
        self._lock = threading.Lock()
        self._known: tuple[object, datetime, Day] | None = None

    def digest(self, topics: Sequence[str], size: int, now: datetime) -> Edition:
        """What a newcomer with these topics would get now."""
        return choose(self._day(now), Reader(0, Preferences(topics=tuple(topics), size=size)), now)

    def similar(self, connection: Connection, paper: Paper, count: int = SIMILAR) -> list[Paper]:
        """Papers that share words with this one; of those the nearest in meaning, once a model is fitted."""
        candidates = akin(connection, paper)
        space = self._newest_space()
        if space is None or not candidates:
            return list(candidates[:count])
        latent = space.model.vectors([paper, *candidates]).latent
        nearest = (-(latent[1:] @ latent[0])).argsort(kind="stable")
        return [candidates[int(place)] for place in nearest[:count]]

    def _day(self, now: datetime) -> Day:
        with reading(self._engine).connect() as connection:
            latest = self._latest(connection, now)
        known = self._known
        if known and known[0] == latest and timedelta() <= now - known[1] < FRESH_FOR:
            return known[2]
        # While one thread prepares the new day the others go on with the old one; only the first day is waited for.
        if known is None:
            self._lock.acquire()
        elif not self._lock.acquire(blocking=False):
            return known[2]
        try:
            newer = self._known
            return newer[2] if newer and newer is not known else self._prepared(latest, now)
        finally:
            self._lock.release()

    def _prepared(self, latest: datetime | None, now: datetime) -> Day:
        with reading(self._engine).connect() as connection:
            fresh = papers_first_seen(connection, latest - timedelta(days=FIRST_DAYS), now) if latest else []
        day = prepare(fresh, self._newest_space() or Space.unfitted(fresh), now)
        self._known = (latest, now, day)
        return day

    def _latest(self, connection: Connection, now: datetime) -> datetime | None:
        """When the newest paper came; the window ends there, so that an install at rest still shows something."""
        newest = select(func.max(papers.c.first_seen_at, type_=papers.c.first_seen_at.type))
        found: datetime | None = connection.execute(newest.where(papers.c.first_seen_at <= now)).scalar_one()
        return found
