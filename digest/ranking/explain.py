"""Why papers were chosen: the terms of their scores, each with its share; the shares sum to the score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from digest.ranking.algebra import Floats
from digest.ranking.choice import Choice, Reason, ReasonKind
from digest.ranking.evidence import Evidence, Places
from digest.ranking.space import Space

_contribution = attrgetter("contribution")
NAMED_PAPERS = 2  # liked papers named for one choice; the others are summed up in one reason without a name


@dataclass(frozen=True)
class Shares:
    """What each piece of evidence of a chunk of readers lends to each paper: the products, made once for all of them.

    `fits` 3 x sources x papers, one for each part of the text; `others` readers x papers, what other readers do;
    `factors` readers x 4 weigh the parts.
    """

    evidence: Evidence
    factors: Floats
    fits: Floats
    others: Floats
    titles: Mapping[int, str]

    @classmethod
    def of(cls, evidence: Evidence, factors: Floats, rows: Floats, space: Space, titles: Mapping[int, str]) -> Shares:
        """`rows` papers x width."""
        *text, coread = space.bounds
        fits = np.stack([evidence.rows[:, part] @ rows[:, part].T for part in text])
        others = factors[:, -1:] * (evidence.raw[:, coread] @ rows[:, coread].T)
        return cls(evidence, factors, fits, others, titles)

    def reasons(self, reader: int, picked: Places) -> list[list[Reason]]:
        """For each paper picked for a reader, what of its score is a matter of taste."""
        columns, weights, topics = self.evidence.of(reader)
        fits = self.fits[:, columns[:, None], picked]
        shares = (weights[:, None] * np.tensordot(self.factors[reader, :-1], fits, 1)).T
        declared = [self.evidence.topics[column] for column in columns[:topics]]
        spoken_of = self.evidence.paper_ids[columns[topics:] - len(self.evidence.topics)]
        found = [
            [Reason(ReasonKind.TOPIC, share, topic) for topic, share in zip(declared, line, strict=True)]
            for line in _kept(shares[:, :topics])
        ]
        likes = weights[topics:] > 0
        for told, more in zip(found, self._liked(shares[:, topics:][:, likes], spoken_of[likes]), strict=True):
            told += more
        if not likes.all():
            for told, less in zip(found, _kept(shares[:, topics:][:, ~likes].sum(1)), strict=True):
                told.append(Reason(ReasonKind.DISLIKED, less))
        for told, others in zip(found, _kept(self.others[reader, picked]), strict=True):
            told.append(Reason(ReasonKind.READERS, others))
        return found

    def _liked(self, shares: Floats, paper_ids: Places) -> list[list[Reason]]:
        """The liked papers that did most by name, the rest in one sum; `shares` picked x liked."""
        many = shares.shape[1] > NAMED_PAPERS
        best = np.argpartition(-shares, NAMED_PAPERS, axis=1)[:, :NAMED_PAPERS] if many else np.argsort(-shares, axis=1)
        named = np.take_along_axis(shares, best, 1)
        rest = _kept(shares.sum(1) - np.maximum(named, 0).sum(1))
        return [
            [*self._named(line, ids), Reason(ReasonKind.LIKED, left)]
            for line, ids, left in zip(_kept(named), paper_ids[best].tolist(), rest, strict=True)
        ]

    def _named(self, shares: Sequence[float], paper_ids: Sequence[int]) -> Iterator[Reason]:
        for share, paper_id in zip(shares, paper_ids, strict=True):
            if share > 0:  # a paper that somebody liked just now has no title here yet
                yield Reason(ReasonKind.LIKED, share, self.titles.get(paper_id, ""), paper_id)


def _kept(shares: Floats) -> Any:
    """As they are stored with an edition: rounding them one by one takes longer than finding them."""
    return shares.astype(np.float64).round(4).tolist()


def choice(paper_id: int, terms: Sequence[Reason]) -> Choice:
    """The terms of one score, strongest first; those that came to nothing are not told."""
    told = [reason for reason in terms if reason.contribution]
    told.sort(key=_contribution, reverse=True)
    if not told:
        told = [Reason(ReasonKind.FRESH, 0.0)]
    return Choice(paper_id, sum(map(_contribution, told)), tuple(told))
