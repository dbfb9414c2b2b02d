"""The product's ranking behind the interface of an outside yardstick; it translates shapes and decides nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.ranking import embeddings, profile, rank, trending
from digest.ranking.algebra import Floats
from digest.ranking.crowd import Crowd
from digest.ranking.features import TextModel
from digest.ranking.space import Space


class Ranker:
    """Papers come as term counts and people as rows of likes; fit once, then score any profiles.

    With DIGEST_EMBEDDINGS_MODEL in the environment, as in the product, meaning joins.
    """

    space: Space
    rows: Floats
    words: Sequence[str]

    def fit(self, train: Any, items: Any, warm_ids: NDArray[np.int64]) -> None:
        """`train` readers x papers; `items.counts` papers x terms, called `items.vocab`; `warm_ids` are old papers."""
        counts, self.words = sp.csr_array(items.counts), items.vocab
        vocabulary = {term: column for column, term in enumerate(items.vocab)}
        model = TextModel.fit_counts(
            sp.csr_array(counts[warm_ids]), vocabulary, "yardstick", np.asarray(warm_ids, np.int64)
        )
        papers = np.arange(counts.shape[0], dtype=np.int64)
        texts: Sequence[str] = ()
        if folder := os.environ.get("DIGEST_EMBEDDINGS_MODEL"):
            texts = items.titles or [_spelled(counts, row, self.words) for row in papers.tolist()]
            model = model.with_meaning(embeddings.load(Path(folder)), [texts[int(row)] for row in warm_ids])
        self.space = Space.of(model, Crowd.fit_matrix(sp.csr_array(train)[:, warm_ids], model.corpus))
        self.rows = self.space.liked_rows(model.mean(model.count_vectors(counts, papers), texts))

    def score(self, liked: Any, cand_ids: Any, keywords: Any = None, disliked: Any = None, buzz: Any = None) -> Floats:
        """Profiles x candidates. Every keyword is one declared topic."""
        likes = sp.csr_array(liked)
        passed = sp.csr_array(likes * 0) if disliked is None else sp.csr_array(disliked)
        declared = sp.csr_array((likes.shape[0], 0)) if keywords is None else _one_topic_a_word(keywords)
        asked = sp.csr_array((0, len(self.words))) if keywords is None else _words(keywords)
        model = self.space.model
        named = [self.words[int(column)] for column in asked.indices]
        topics = self.space.asked_rows(model.mean(model.topic_vectors(asked), named))
        tastes = profile.tastes(declared, topics, likes, passed, self.rows, self.space)
        early = np.zeros(len(cand_ids), np.float32) if buzz is None else np.asarray(buzz, np.float32)
        trend = trending.terms([trending.strength(votes) for votes in early])
        return rank.score(self.rows[cand_ids], trend, tastes)


def _spelled(counts: sp.csr_array, row: int, words: Sequence[str]) -> str:
    """The words of a paper whose text is not at hand, each as often as it is counted."""
    entries = slice(*counts.indptr[row : row + 2])
    several = zip(counts.indices[entries], counts.data[entries], strict=True)
    return " ".join(f"{words[int(column)]} " * int(count) for column, count in several)


def _words(keywords: Any) -> sp.csr_array:
    """Topics x terms: every keyword of every profile as a topic of its own."""
    n = keywords.nnz
    return sp.csr_array((np.ones(n, np.float32), keywords.indices, np.arange(n + 1)), shape=(n, keywords.shape[1]))


def _one_topic_a_word(keywords: Any) -> sp.csr_array:
    """Profiles x topics, matching `_words`."""
    n = keywords.nnz
    return sp.csr_array((np.ones(n, np.float32), np.arange(n), keywords.indptr), shape=(keywords.shape[0], n))
