from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from digest.ranking import embeddings
from digest.ranking.embeddings import Embedder
from digest.ranking.evaluation import Ranker


def tokens(texts: list[str]) -> list[list[int]]:
    return [[int(word[1:]) for word in text.split()] for text in texts]


@pytest.mark.parametrize("meaning", [0, 4])
def test_it_scores_counts_and_likes_as_the_product_does_papers_and_votes(
    meaning: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty papers on four themes of ten words; the readers of a theme like its papers, the last eight are new."""
    if meaning:
        table = np.eye(4, dtype=np.float32)[np.arange(40) // 10]
        monkeypatch.setenv("DIGEST_EMBEDDINGS_MODEL", "a folder")
        monkeypatch.setattr(embeddings, "load", lambda _folder: Embedder("tiny", table, tokens))
    rng = np.random.default_rng(0)
    theme = np.arange(40) % 4
    counts = rng.poisson(0.05, (40, 40)) + (np.arange(40)[None, :] // 10 == theme[:, None]) * rng.poisson(1.0, (40, 40))
    likes = sp.csr_matrix(np.array([(theme == reader % 4) & (np.arange(40) < 32) for reader in range(24)], np.float32))
    ranker = Ranker()
    vocabulary = [f"w{i}" for i in range(40)]
    items = SimpleNamespace(counts=sp.csr_matrix(counts, dtype=np.float32), vocab=vocabulary, titles=None)
    ranker.fit(likes, items, np.arange(32))
    assert ranker.space.model.meaning == meaning
    new = np.arange(32, 40)
    scores = ranker.score(likes[:4], new)
    assert [theme[new[np.argmax(line)]] for line in scores] == [0, 1, 2, 3]
    words = sp.csr_matrix(([1.0], ([0], [25])), shape=(1, 40))
    nothing = sp.csr_matrix((1, 40), dtype=np.float32)
    asked = ranker.score(nothing, new, keywords=words, disliked=nothing, buzz=np.zeros(8))
    assert theme[new[np.argmax(asked[0])]] == 2
    loved = ranker.score(nothing, new, buzz=np.array([0, 0, 9, 0, 0, 0, 0, 0]))
    assert np.argmax(loved[0]) == 2
