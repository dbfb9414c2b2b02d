"""The one space in which papers, topics and tastes meet: text parts and the co-read part, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.papers.paper import Paper
from digest.ranking.algebra import Floats, unit
from digest.ranking.crowd import Crowd
from digest.ranking.features import PaperVectors, TextModel
from digest.ranking.parameters import Parameters

KEPT_TOPICS = 20_000  # 50 MB of worked-out topics; people can type more than that


@dataclass(frozen=True)
class Shelf:
    """Papers that readers may have voted on: `rows` papers x width in a space, `row_of` a paper's id -> its row."""

    ids: NDArray[np.int64]
    rows: Floats
    row_of: dict[int, int]
    titles: dict[int, str]


@dataclass
class Space:
    """A text model and what the crowd adds. Width = smooth + sharp + meaning + co-read; both are fitted under one version."""

    model: TextModel
    crowd: Crowd
    _topics: dict[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, model: TextModel, crowd: Crowd | None = None) -> Space:
        """Raises ValueError when the crowd was learned on the words of another model."""
        crowd = crowd or Crowd.empty(model.version, len(model.vocabulary))
        if crowd.version != model.version:
            raise ValueError(f"crowd of text model {crowd.version} does not fit text model {model.version}")
        return cls(model, crowd)

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

    def new_rows(self, papers: PaperVectors) -> Floats:
        """Candidates, x width: by their words alone."""
        return np.hstack([papers.latent, self.crowd.predicted(papers)])

    def liked_rows(self, papers: PaperVectors) -> Floats:
        """Papers inside a taste, x width: co-read part from their readers where they have any."""
        return np.hstack([papers.latent, self.crowd.met(papers)])

    def shelf(self, papers: Sequence[Paper]) -> Shelf:
        vectors = self.model.vectors(papers)
        row_of = {paper.id: row for row, paper in enumerate(papers)}
        return Shelf(vectors.ids, self.liked_rows(vectors), row_of, {paper.id: paper.title for paper in papers})

    def topic_rows(self, topics: Sequence[str]) -> Floats:
        """One row a topic; each topic is worked out once and kept."""
        if len(self._topics) > KEPT_TOPICS:
            self._topics.clear()
        fresh = [topic for topic in dict.fromkeys(topics) if topic not in self._topics]
        if fresh:
            for topic, row in zip(fresh, self.asked_rows(self.model.topics(fresh)), strict=True):
                self._topics[topic] = row
        return np.array([self._topics[t] for t in topics], np.float32).reshape(len(topics), self.width)

    def asked_rows(self, topics: PaperVectors) -> Floats:
        """Topics, x width: their own words, and what the stored papers that come nearest to them have in common.

        Pseudo-relevance feedback (Rocchio 1971; Lavrenko and Croft 2001), in every part of the space.
        """
        own = self.new_rows(topics)
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
        spreads = self._spreads(tastes)
        return np.divide(weights, spreads, out=np.zeros_like(weights), where=spreads > 1e-9)

    def _spreads(self, tastes: Floats) -> Floats:
        *text, coread = self.bounds
        blocks = [*((part, self.model.spread[part, part]) for part in text), (coread, self.crowd.spread)]
        found = [np.einsum("ij,ij->i", tastes[:, where] @ block, tastes[:, where]) for where, block in blocks]
        return np.sqrt(np.maximum(np.array(found, np.float32).T, 0))

    def stretch(self, factors: Floats) -> Floats:
        """Factors n x 4 spread over the columns of their parts: n x width."""
        lengths = [where.stop - where.start for where in self.bounds]
        return np.repeat(factors, lengths, axis=1)
