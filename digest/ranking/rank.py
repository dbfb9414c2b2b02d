"""The ranking in order: prepare a day's candidates once, then score, choose and explain for many readers at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from digest.papers.paper import Paper
from digest.ranking import diversity, interests, profile, trending, wishes
from digest.ranking.algebra import Floats
from digest.ranking.choice import Choice, Reason, ReasonKind
from digest.ranking.evidence import Places, gather
from digest.ranking.explain import Shares, choice
from digest.ranking.profile import Profile
from digest.ranking.space import Shelf, Space
from digest.ranking.votes import passed_over
from digest.subscribers.subscriber import Preferences

CHUNK = 500  # readers ranked in one product: their votes, topics and scores are a few megabytes


@dataclass(frozen=True)
class Day:
    """A day's candidates, ready for any number of readers. `rows` papers x width, `trend` (papers,)."""

    papers: tuple[Paper, ...]
    space: Space
    shelf: Shelf
    rows: Floats
    trend: Floats
    likeness: Floats
    board: wishes.Board
    late: frozenset[int]

    @property
    def version(self) -> str:
        return self.space.version

    @cached_property
    def place(self) -> dict[int, int]:
        """A paper's id -> its position."""
        return {paper.id: position for position, paper in enumerate(self.papers)}

    @cached_property
    def trends(self) -> tuple[Reason, ...]:
        """The term of each paper's score that is the same for all readers."""
        return tuple(
            Reason(
                ReasonKind.SECOND_CHANCE if paper.id in self.late else ReasonKind.TRENDING,
                round(float(trend), 4),
                "" if paper.votes is None else str(paper.votes),
            )
            for paper, trend in zip(self.papers, self.trend, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom to rank for: the taste is built from `preferences` and `profile`; `seen` is paper id -> the mail it was in."""

    subscriber_id: int
    preferences: Preferences
    profile: Profile | None = None
    seen: Mapping[int, int] = field(default_factory=dict)

    @property
    def passed(self) -> list[int]:
        """Ids of the papers that lost against another one of their mail."""
        return passed_over(self.seen, self.profile.told) if self.profile else []


def prepare(
    papers: Sequence[Paper], space: Space, now: datetime, *, shelf: Shelf | None = None, late: Sequence[Paper] = ()
) -> Day:
    """Everything about a day that does not depend on the reader.

    `papers` are the candidates; `shelf` holds what readers may have spoken of; `late` papers of days gone by, of which
    only late risers become candidates. Withdrawn papers are never candidates.
    """
    fresh = {paper.id: paper for paper in papers}
    parameters = space.parameters
    here = replace(parameters, usual_votes=trending.settled_votes([*papers, *late], now, parameters))
    risers = trending.late_risers([p for p in late if p.id not in fresh], now, here)
    kept = tuple(sorted((p for p in (*fresh.values(), *risers) if p.withdrawn_at is None), key=_standing))
    rows = space.new_rows(kept)
    smooth = rows[:, space.bounds[0]]
    return Day(
        kept,
        space,
        shelf or space.shelf(),
        rows - space.common,
        trending.terms([trending.lift(paper, now, here) for paper in kept], parameters),
        np.maximum(smooth @ smooth.T, 0),
        wishes.Board(kept),
        frozenset(paper.id for paper in risers),
    )


def _standing(paper: Paper) -> tuple[int, int, int]:
    """What decides between equal scores: votes, then comments, then the older id."""
    return -(paper.votes or 0), -(paper.comments or 0), paper.id


def rank(day: Day, readers: Sequence[Reader], now: datetime) -> list[tuple[Choice, ...]]:
    """For each reader, in the order given, the papers of the day in the order they should stand, with reasons.

    What is muted, seen or voted for already never appears; what is followed comes first; at most `preferences.size` papers.
    """
    chosen: list[tuple[Choice, ...]] = []
    for start in range(0, len(readers), CHUNK):
        chosen.extend(_rank_chunk(day, readers[start : start + CHUNK], now))
    return chosen


def score(rows: Floats, trend: Floats, tastes: Floats) -> Floats:
    """Readers x papers, the whole ranking formula but for wishes: tastes (readers x width) times rows, plus trend."""
    return np.asarray(tastes @ rows.T + trend, np.float32)


def _rank_chunk(day: Day, readers: Sequence[Reader], now: datetime) -> list[tuple[Choice, ...]]:
    if not day.papers or not readers:
        return [() for _ in readers]
    asked = [reader.preferences for reader in readers]
    profiles, passed = [reader.profile for reader in readers], [reader.passed for reader in readers]
    found = gather(asked, profiles, passed, day.space, day.shelf, now)
    factors = profile.factors(found.raw, found.liked, day.space)
    tastes = found.raw * day.space.stretch(factors)
    scores = np.round(score(day.rows, day.trend, tastes), 4)  # the last digits differ with the size of a chunk
    follows = [_follows(day, preferences) for preferences in asked]
    for line, reader, pins in zip(scores, readers, follows, strict=True):
        for position, reasons in pins.items():
            line[position] += day.space.parameters.follow_score * len(reasons)
        line[_barred(day, reader)] = diversity.NEVER
    shares = Shares.of(found, factors, day.rows, day.space, day.shelf.titles)
    picked = _picked(day, scores, asked, shares)
    return [
        _explained(day, reader, line[line >= 0], pins, shares)
        for reader, (line, pins) in enumerate(zip(picked, follows, strict=True))
    ]


def _picked(day: Day, scores: Floats, asked: Sequence[Preferences], shares: Shares) -> Places:
    parameters = day.space.parameters
    sizes = np.array([max(preferences.size, 0) for preferences in asked], np.int64)
    turns = interests.served(shares.evidence, shares.fits[:2].sum(0), day.space.bounds[0], parameters)
    return diversity.greedy(scores, day.likeness, sizes, parameters.diversity, turns, parameters.turn)


def _barred(day: Day, reader: Reader) -> list[int]:
    """Positions of what this reader must never get: what they had, know well enough to judge, or muted."""
    known = reader.seen.keys() & day.place.keys()
    if reader.profile:
        known |= day.place.keys() & reader.profile.told["paper_id"].tolist()
    barred = [day.place[paper_id] for paper_id in known]
    for phrase in reader.preferences.muted:
        barred.extend(day.board.places(wishes.mentions, phrase))
    return barred


def _follows(day: Day, preferences: Preferences) -> dict[int, list[Reason]]:
    """Positions of followed papers, each with a reason for every name that it is followed for."""
    found: dict[int, list[Reason]] = {}
    pin = day.space.parameters.follow_score
    for kind, match, names in (
        (ReasonKind.AUTHOR, wishes.is_by, preferences.authors),
        (ReasonKind.ORGANISATION, wishes.is_from, preferences.organisations),
    ):
        for name in names:
            for position in day.board.places(match, name):
                found.setdefault(position, []).append(Reason(kind, pin, name))
    return found


def _explained(
    day: Day, reader: int, picked: Places, pins: dict[int, list[Reason]], shares: Shares
) -> tuple[Choice, ...]:
    taste = shares.reasons(reader, picked)
    return tuple(
        choice(day.papers[position].id, (*pins.get(position, ()), *why, day.trends[position]))
        for position, why in zip(picked.tolist(), taste, strict=True)
    )
