"""The one space in which papers, topics and tastes meet: text parts and the co-read part, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.papers.paper import Paper
from digest.ranking.algebra import Floats, unit
from digest.ranking.crowd import Crowd
from digest.ranking.features import PaperVectors, TextModel
from digest.ranking.parameters import Parameters

UNFITTED = "unfitted"  # the version of a model that is not stored
KEPT = 10_000  # worked-out topics, and as many papers: 40 MB each; people can type more than that


@dataclass(frozen=True)
class Shelf:
    """Papers that readers may have spoken of. A place is an index into `ids`, which ascend.

    `at` is where the row of each lies: first come the `stored` ones of the fit, which are not copied, then the `newer`.
    """

    ids: NDArray[np.int64]
    at: NDArray[np.int64]
    stored: Floats
    newer: Floats
    titles: Mapping[int, str]

    def places(self, paper_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """-1 for a paper that is not here."""
        if not len(self.ids):
            return np.full(len(paper_ids), -1)
        near = np.minimum(np.searchsorted(self.ids, paper_ids), len(self.ids) - 1)
        return np.where(self.ids[near] == paper_ids, near, -1)

    def rows(self, places: NDArray[np.int64]) -> Floats:
        """Places x width."""
        at = self.at[places]
        is_newer = at >= len(self.stored)
        found = np.empty((len(at), self.stored.shape[1]), np.float32)
        found[~is_newer], found[is_newer] = self.stored[at[~is_newer]], self.newer[at[is_newer] - len(self.stored)]
        return found


@dataclass
class Space:
    """A text model and what the crowd adds. Width = smooth + sharp + meaning + co-read; both are fitted under one version.

    Fitted is for ever; what it has worked out of topics and papers it keeps, so a process does well to keep it too.
    """

    model: TextModel
    crowd: Crowd
    _topics: dict[str, Floats] = field(default_factory=dict)
    _meant: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    _papers: dict[int, tuple[int, Floats]] = field(default_factory=dict)

    @classmethod
    def of(cls, model: TextModel, crowd: Crowd | None = None) -> Space:
        """Raises ValueError when the crowd was learned on the words of another model."""
        crowd = crowd or Crowd.empty(model.version, len(model.vocabulary))
        if crowd.version != model.version:
            raise ValueError(f"crowd of text model {crowd.version} does not fit text model {model.version}")
        return cls(model, crowd)

    @classmethod
    def unfitted(cls, papers: Sequence[Paper]) -> Space:
        """The space of a small model fitted here and now, on what is at hand; what is made in it is not for keeping."""
        return cls.of(TextModel.fit(papers, UNFITTED))

    @cached_property
    def paper_ids(self) -> frozenset[int]:
        """The papers of the fit."""
        return frozenset(self.model.corpus.ids.tolist())

    @property
    def version(self) -> str:
        return self.model.version

    @property
    def parameters(self) -> Parameters:
        return self.model.parameters

    @property
    def bounds(self) -> tuple[slice, slice, slice, slice]:
        """Where the smooth, the sharp, the meaning (empty without an embedder) and the co-read part lie in a row."""
        parts = (
            self.model.smooth,
            len(self.model.scale),
            self.model.meaning,
            self.crowd.mapping.shape[1],
        )
        ends = [sum(parts[: n + 1]) for n in range(len(parts))]
        smooth, sharp, meaning, coread = (slice(end - part, end) for end, part in zip(ends, parts, strict=True))
        return smooth, sharp, meaning, coread

    @property
    def width(self) -> int:
        return int(self.bounds[-1].stop)

    def new_rows(self, papers: Sequence[Paper]) -> Floats:
        """Candidates, x width: by their words alone; each is worked out once and kept while its words stay."""
        found = {paper.id: row for paper in papers if (row := self._kept(paper)) is not None}
        fresh = [paper for paper in papers if paper.id not in found]
        for paper, row in zip(fresh, self._by_words(self.model.vectors(fresh)), strict=True):
            found[paper.id] = row
            self._papers[paper.id] = _words_of(paper), row
        return np.array([found[paper.id] for paper in papers], np.float32).reshape(len(papers), self.width)

    def _kept(self, paper: Paper) -> Floats | None:
        if len(self._papers) > KEPT:
            self._papers.clear()
        words, row = self._papers.get(paper.id, (None, None))
        return row if words == _words_of(paper) else None

    def _by_words(self, papers: PaperVectors) -> Floats:
        return np.hstack([papers.latent, self.crowd.predicted(papers)])

    def liked_rows(self, papers: PaperVectors) -> Floats:
        """Papers inside a taste, x width: co-read part from their readers where they have any."""
        return np.hstack([papers.latent, self.crowd.met(papers)])

    def shelf(self, newer: Sequence[Paper] = (), titles: Mapping[int, str] | None = None) -> Shelf:
        """The papers of the fit, and those of `newer` that it did not know: them nobody can have co-read."""
        newer = [paper for paper in newer if paper.id not in self.paper_ids]
        ids = np.concatenate([self.model.corpus.ids, np.array([paper.id for paper in newer], np.int64)])
        order = np.argsort(ids)
        return Shelf(ids[order], order, self._stored, self.new_rows(newer), titles or {})

    def topic_rows(self, topics: Sequence[str]) -> Floats:
        """One row a topic; each topic is worked out once and kept."""
        if len(self._topics) > KEPT:
            self._topics.clear()
        found = {topic: row for topic in topics if (row := self._topics.get(topic)) is not None}
        fresh = [topic for topic in dict.fromkeys(topics) if topic not in found]
        if fresh:
            found |= zip(fresh, self._read(fresh), strict=True)
            self._topics |= found
        return np.array([found[topic] for topic in topics], np.float32).reshape(len(topics), self.width)

    def _read(self, topics: Sequence[str]) -> Floats:
        """Rows of topics; that of a short form of several long forms stands half way between them, however long each is."""
        senses = [self.model.senses(topic) for topic in topics]
        read = [
            [f"{topic} ({sense})" for sense in own] if len(own) > 1 else [topic]
            for topic, own in zip(topics, senses, strict=True)
        ]
        rows = self.asked_rows(self.model.topics(list(chain.from_iterable(read))))
        rows = np.add.reduceat(rows, np.cumsum([0, *map(len, read[:-1])]))
        return np.hstack([unit(rows[:, part]) for part in self.bounds])

    def meant(self, topics: tuple[str, ...]) -> tuple[str, ...]:
        """A reader's topics; a short form of several long forms with the one that stands nearest to the other topics."""
        if len(self._meant) > KEPT:
            self._meant.clear()
        if (known := self._meant.get(topics)) is None:
            known = self._meant[topics] = self._told_apart(topics)
        return known

    def _told_apart(self, topics: tuple[str, ...]) -> tuple[str, ...]:
        found = list(topics)
        for place, topic in enumerate(topics if len(topics) > 1 else ()):
            senses = self.model.senses(topic)
            if len(senses) > 1:
                smooth = self.bounds[0]
                others = self.topic_rows([other for other in topics if other != topic])[:, smooth].sum(0)
                near = self.topic_rows(senses)[:, smooth] @ others
                found[place] = f"{topic} ({senses[int(near.argmax())]})"
        return tuple(found)

    def asked_rows(self, topics: PaperVectors) -> Floats:
        """Topics, x width: their own words, and what the stored papers that come nearest to them have in common.

        Pseudo-relevance feedback (Rocchio 1971; Lavrenko and Croft 2001), in every part of the space.
        """
        own = self._by_words(topics)
        near = self._nearest(topics, own)
        lean = (self.parameters.topic_text_lean,) * 3 + (self.parameters.topic_crowd_lean,)
        for where, share in zip(self.bounds, lean, strict=True):
            own[:, where] = unit(own[:, where] + share * unit(near @ self._stored[:, where]))
        return own

    @cached_property
    def common(self) -> Floats:
        """What all papers share (width,): taken off the candidates, a score says how far above a middling paper one is."""
        stored = self._stored
        return stored.mean(0) if len(stored) else np.zeros(self.width, np.float32)

    @cached_property
    def _stored(self) -> Floats:
        return self.liked_rows(self.model.corpus)

    def _nearest(self, topics: PaperVectors, own: Floats) -> sp.csr_array:
        """Topics x stored papers: closeness (shared words plus smooth likeness) to the few nearest, rows sum to one."""
        smooth, stored = self.bounds[0], self.model.corpus
        count = min(self.parameters.topic_examples, len(stored.ids))
        found = np.zeros((len(own), count), np.float32)
        place = np.zeros((len(own), count), np.int64)
        for start in range(0, len(own), 256):
            some = slice(start, start + 256)
            close = (topics.terms[some] @ stored.terms.T).toarray() + own[some, smooth] @ self._stored[:, smooth].T
            place[some] = np.argpartition(-close, count - 1, axis=1)[:, :count] if count else 0
            found[some] = np.maximum(np.take_along_axis(close, place[some], 1), 0)
        total = found.sum(1, keepdims=True)
        shares = np.divide(found, total, out=np.zeros_like(found), where=total > 0)
        starts = (
            np.arange(0, count * len(own) + 1, max(count, 1))[: len(own) + 1] if count else np.zeros(len(own) + 1, int)
        )
        return sp.csr_array((shares.ravel(), place.ravel(), starts), shape=(len(own), len(stored.ids)))

    def balance(self, tastes: Floats, weights: NDArray[np.float32]) -> Floats:
        """Factors (tastes x 4) that make the parts of raw tastes (n x width) comparable and weigh them.

        `weights` n x 4. A part is divided by the standard deviation of its score over the papers of the fit, so
        that no part speaks louder only because its numbers are larger.
        """
        spreads: Floats = np.sqrt(tastes**2 @ self._variances)
        return np.divide(weights, spreads, out=np.zeros_like(weights), where=spreads > 1e-9)

    @cached_property
    def _variances(self) -> Floats:
        """Width x 4: of each direction its variance, in the column of its part."""
        found = np.zeros((self.width, len(self.bounds)), np.float32)
        own = np.concatenate([self.model.variances, self.crowd.variances])
        for part, where in enumerate(self.bounds):
            found[where, part] = own[where]
        return found

    def stretch(self, factors: Floats) -> Floats:
        """Factors n x 4 spread over the columns of their parts: n x width."""
        lengths = [where.stop - where.start for where in self.bounds]
        return np.repeat(factors, lengths, axis=1)


def _words_of(paper: Paper) -> int:
    """Changes when what a paper is ranked by does."""
    names = paper.keywords, paper.categories, paper.authors, paper.organization
    return hash((paper.title, paper.abstract, *names))
