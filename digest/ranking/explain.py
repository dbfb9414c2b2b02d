"""Why papers were chosen: the terms of their scores, each with its share; the shares sum to the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

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
        shares = weights[:, None] * np.tensordot(self.factors[reader, :-1], fits, 1)
        declared = [self.evidence.topics[column] for column in columns[:topics]]
        spoken_of = self.evidence.paper_ids[columns[topics:] - len(self.evidence.topics)]
        found = [
            [Reason(ReasonKind.TOPIC, share, topic) for topic, share in zip(declared, line, strict=True)]
            for line in shares[:topics].T.tolist()
        ]
        likes = weights[topics:] > 0
        for told, more in zip(found, self._liked(shares[topics:][likes], spoken_of[likes]), strict=True):
            told += more
        if not likes.all():
            for told, less in zip(found, shares[topics:][~likes].sum(0).tolist(), strict=True):
                told.append(Reason(ReasonKind.DISLIKED, less))
        for told, others in zip(found, self.others[reader, picked].tolist(), strict=True):
            told.append(Reason(ReasonKind.READERS, others))
        return found

    def _liked(self, shares: Floats, paper_ids: Places) -> list[list[Reason]]:
        """The liked papers that did most by name, the rest in one sum; `shares` liked x picked."""
        best = np.argsort(-shares, axis=0, kind="stable")
        ranked = np.take_along_axis(shares, best, 0)
        named, rest = ranked[:NAMED_PAPERS].T.tolist(), ranked[NAMED_PAPERS:].sum(0).tolist()
        ids = paper_ids[best[:NAMED_PAPERS]].T.tolist()
        found = []
        for line, of, left in zip(named, ids, rest, strict=True):
            told = [Reason(ReasonKind.LIKED, s, self.titles[id], id) for s, id in zip(line, of, strict=True) if s > 0]
            left += sum(share for share in line if share <= 0)
            found.append([*told, Reason(ReasonKind.LIKED, left)] if left else told)
        return found


def choice(paper_id: int, terms: Sequence[Reason]) -> Choice:
    """The terms of one score, strongest first; those that came to nothing are not told."""
    told = [reason for reason in terms if reason.contribution]
    told.sort(key=_contribution, reverse=True)
    if not told:
        told = [Reason(ReasonKind.FRESH, 0.0)]
    return Choice(paper_id, sum(map(_contribution, told)), tuple(told))
