"""The papers that one run of ranking weighs, read once, and the drafts of editions that come of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import Connection

from digest.editions.build import Planned, build, window_start
from digest.editions.calendar import last_asked, why_quiet
from digest.editions.edition import Edition
from digest.papers.paper import Paper
from digest.papers.poison import sparing
from digest.papers.store import load_papers, load_titles, papers_first_seen, votes_gained
from digest.ranking.choice import Choice
from digest.ranking.rank import Day, Reader, prepare, rank
from digest.ranking.space import Space
from digest.subscribers.schedule import zone_of

log = structlog.get_logger(__name__)

LATE_FOR = timedelta(days=14)  # how long a paper may take to rise and still get its second chance
LISTED_BEFORE = timedelta(days=3)  # a list is read late now and then; a back-fill of last month is no news

Draft = tuple[Planned, Edition | None, str]  # the reason says why there is no edition


@dataclass(frozen=True, slots=True)
class Window:
    """What is new to a reader: first seen by us from `seen_from`, on a list of `listed_from` or later."""

    seen_from: datetime
    listed_from: date

    def has(self, paper: Paper) -> bool:
        return paper.first_seen_at >= self.seen_from and paper.listed_on >= self.listed_from


class Candidates:
    """Everything about the last days that does not depend on the reader; one prepared matrix for each window."""

    def __init__(self, connection: Connection, voted: Sequence[int], space: Space | None, now: datetime) -> None:
        """`voted` are the papers that readers spoke of; `space` is of the newest fit, if there is one."""
        self.now = now
        self.recent = papers_first_seen(connection, now - LATE_FOR, now)
        self.papers: Mapping[int, Paper] = {paper.id: paper for paper in self.recent}
        self.gained = votes_gained(connection, self.papers, now)
        self.asked = last_asked(connection, now)
        self.read_to_at = self.recent[-1].first_seen_at if self.recent else now - LATE_FOR
        unknown = set(voted) - self.papers.keys() - (space.paper_ids if space else frozenset())
        newer = [*self.recent, *load_papers(connection, unknown).values()]
        self.space = space or sparing(newer, Space.unfitted)
        titles = load_titles(connection, voted)
        self.shelf = sparing(newer, lambda papers: self.space.shelf(papers, titles))
        self._seen_at = [paper.first_seen_at for paper in self.recent]
        self._prepared: dict[Window, Day] = {}

    def window(self, since: datetime) -> Window:
        """Equal for all readers whose windows hold the same papers: they share one matrix."""
        first = bisect_right(self._seen_at, since)
        seen_from = self._seen_at[first] if first < len(self._seen_at) else self.now
        return Window(seen_from, (since - LISTED_BEFORE).date())

    def day(self, window: Window) -> Day:
        if window not in self._prepared:
            old = [paper for paper in self.recent if paper.first_seen_at < window.seen_from]
            fresh = [paper for paper in self.recent if window.has(paper)]
            self._prepared[window] = sparing([*fresh, *old], lambda papers: self._prepare(papers, window))
        return self._prepared[window]

    def _prepare(self, papers: Sequence[Paper], window: Window) -> Day:
        late = [paper for paper in papers if paper.first_seen_at < window.seen_from]
        fresh = [paper for paper in papers if paper.first_seen_at >= window.seen_from]
        return prepare(fresh, self.space, self.now, shelf=self.shelf, late=late)


def draft(planned: Sequence[Planned], readers: Mapping[int, Reader], candidates: Candidates) -> list[Draft]:
    """An edition, or the reason for none, for each planned row. `readers` is by the row's id."""
    now = candidates.now
    groups: dict[Window, list[Planned]] = defaultdict(list)
    for one in planned:
        groups[candidates.window(window_start(one, now))].append(one)
    drafts: list[Draft] = []
    for window, group in groups.items():
        day = candidates.day(window)
        for one, choices in zip(group, rank(day, [readers[one.id] for one in group], now), strict=True):
            reason = why_quiet(one.dated_on, candidates.asked, len(day.papers) > len(day.late))
            voted_on = _voted_on(readers[one.id], choices)
            edition = build(one, choices, candidates.papers, candidates.gained, len(day.papers), now, reason, voted_on)
            drafts.append((one, edition and edition._replace(read_to_at=candidates.read_to_at), reason))
    return drafts


def _voted_on(reader: Reader, choices: Sequence[Choice]) -> dict[int, date]:
    """Paper id -> the day of the reader's vote, on their own calendar, for the papers that reasons name."""
    if reader.profile is None:
        return {}
    named = {reason.paper_id for choice in choices for reason in choice.reasons}
    zone, told = zone_of(reader.preferences.timezone), reader.profile.told
    said_at = zip(told["paper_id"].tolist(), told["at"].tolist(), strict=True)
    return {id: datetime.fromtimestamp(at, zone).date() for id, at in said_at if id in named}
