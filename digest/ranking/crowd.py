"""What other subscribers like: factors of co-read papers, carried over to papers nobody has read yet."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.ranking.algebra import Floats, principal, ridge, unit
from digest.ranking.features import PaperVectors
from digest.ranking.parameters import DEFAULT, Parameters

CONFIDENCE = 60.0  # a like counts 1 + this against an unseen pair (Hu, Koren and Volinsky 2008, alpha)
PENALTY = 80.0  # keeps a paper of few readers near the origin
SWEEPS = 8
TEXT_PENALTY = 2.0
AT_ONCE = 2_000_000  # numbers of one batch: 8 MB


@dataclass(frozen=True)
class Crowd:
    """`mapping` terms x rank predicts a paper's factors from its words; `factors` are those of liked papers, unit rows.

    `examples` are the words of the liked papers (TF-IDF rows). `version` is the text model's, whose words `mapping` speaks
    of. `likes` is how many it was learned from. Columns lie in principal directions; `variances` (rank,) are theirs.
    """

    version: str
    likes: int
    mapping: Floats
    ids: NDArray[np.int64]
    factors: Floats
    examples: sp.csr_array
    variances: Floats
    parameters: Parameters = DEFAULT

    @classmethod
    def empty(cls, version: str, terms: int) -> Crowd:
        nothing = np.zeros((0, 0), np.float32)
        mapping, examples = np.zeros((terms, 0), np.float32), sp.csr_array(np.zeros((0, terms), np.float32))
        return cls(version, 0, mapping, np.zeros(0, np.int64), nothing, examples, np.zeros(0, np.float32))

    @classmethod
    def fit(cls, likes: Iterable[tuple[int, int]], papers: PaperVectors, parameters: Parameters = DEFAULT) -> Crowd:
        """`likes` are (subscriber id, paper id) of votes up (and clicks); others than of `papers` are left out."""
        row_of = {int(key): row for row, key in enumerate(papers.ids)}
        known = sorted({(reader, row_of[paper]) for reader, paper in likes if paper in row_of})
        readers, reader_rows = np.unique([reader for reader, _ in known], return_inverse=True)
        ones = np.ones(len(known), np.float32)
        columns = np.array([row for _, row in known], np.int64)
        matrix = sp.csr_array((ones, (reader_rows, columns)), shape=(len(readers), len(papers.ids)))
        return cls.fit_matrix(matrix, papers, parameters)

    @classmethod
    def fit_matrix(cls, likes: sp.csr_array, papers: PaperVectors, parameters: Parameters = DEFAULT) -> Crowd:
        """`likes` readers x papers, ones where liked."""
        liked = np.flatnonzero(np.bincount(likes.indices, minlength=likes.shape[1]))
        if not len(liked):
            return cls.empty(papers.version, papers.terms.shape[1])
        rank = min(parameters.crowd_rank, len(liked), likes.shape[0])
        factors = unit(factorise(sp.csr_array(likes[:, liked]), rank))
        examples = sp.csr_array(papers.terms[liked])
        mapping = ridge(examples, factors, TEXT_PENALTY)
        turn, variances = principal(unit(np.asarray(papers.terms @ mapping, np.float32)))
        ids = papers.ids[liked]
        return cls(papers.version, likes.nnz, mapping @ turn, ids, factors @ turn, examples, variances, parameters)

    def predicted(self, papers: PaperVectors) -> Floats:
        """papers x rank: where each would stand among co-read papers, by its words alone."""
        return self._predict(papers.terms)

    def met(self, papers: PaperVectors) -> Floats:
        """As `predicted`, but a paper that people have liked stands where they put it."""
        row_of = {int(key): row for row, key in enumerate(self.ids)}
        there = np.array([row_of.get(int(key), -1) for key in papers.ids], np.int64)
        found = np.zeros((len(there), self.mapping.shape[1]), np.float32)
        found[there >= 0] = self.factors[there[there >= 0]]
        found[there < 0] = self._predict(sp.csr_array(papers.terms[there < 0]))
        return found

    def _predict(self, terms: sp.csr_array) -> Floats:
        """Ridge regression says roughly where; the liked papers that share most words bend that towards them."""
        found = unit(np.asarray(terms @ self.mapping, np.float32))
        for start in range(0, len(found) if len(self.ids) else 0, 512):
            some = slice(start, start + 512)
            near = self._nearest(sp.csr_array(terms[some]))
            found[some] = unit(found[some] + self.parameters.crowd_examples_lean * unit(near @ self.factors))
        return found

    def _nearest(self, terms: sp.csr_array) -> sp.csr_array:
        """Rows x liked papers: the cosine squared to the nearest few, else nothing."""
        close = (terms @ self.examples.T).toarray()
        count = min(self.parameters.crowd_examples, close.shape[1])
        place = np.argpartition(-close, count - 1, axis=1)[:, :count]
        weight = np.take_along_axis(close, place, 1) ** 2
        starts = np.arange(0, count * len(close) + 1, count)
        return sp.csr_array((weight.ravel(), place.ravel(), starts), shape=close.shape)

    def save(self, path: Path) -> None:
        """As `TextModel.save`."""
        about = json.dumps({"version": self.version, "likes": self.likes})
        with path.open("wb") as file:
            np.savez(
                file,
                about=np.frombuffer(about.encode(), np.uint8),
                mapping=self.mapping.astype(np.float16),
                ids=self.ids,
                factors=self.factors.astype(np.float16),
                values=self.examples.data.astype(np.float16),
                columns=self.examples.indices,
                starts=self.examples.indptr,
                variances=self.variances,
            )

    @classmethod
    def load(cls, path: Path, parameters: Parameters = DEFAULT) -> Crowd:
        """Raises OSError, ValueError, KeyError, EOFError or BadZipFile when the file is absent or not one that `save` wrote."""
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            mapping, factors = stored["mapping"].astype(np.float32), stored["factors"].astype(np.float32)
            csr = stored["values"].astype(np.float32), stored["columns"], stored["starts"]
            examples = sp.csr_array(csr, shape=(len(factors), len(mapping)), dtype=np.float32)
            version, likes = about["version"], about["likes"]
            return cls(version, likes, mapping, stored["ids"], factors, examples, stored["variances"], parameters)


def factorise(likes: sp.csr_array, rank: int, seed: int = 0) -> Floats:
    """Paper factors (papers x rank) of the likes, by alternating weighted least squares.

    Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets" (2008).
    """
    papers = np.random.default_rng(seed).normal(0, 0.1, (likes.shape[1], rank)).astype(np.float32)
    by_paper = sp.csr_array(likes.T)
    for _ in range(SWEEPS):
        papers = _half_sweep(by_paper, _half_sweep(likes, papers))
    return papers


def _half_sweep(likes: sp.csr_array, fixed: Floats) -> Floats:
    """For each row of likes the x of (G + a C'C) x = (1 + a) C'1, where C are the fixed factors of what it likes.

    Rows with equally many likes are solved together; few likes by Woodbury's identity, a system of that many unknowns.
    """
    gram = fixed.T @ fixed + PENALTY * np.eye(fixed.shape[1], dtype=np.float32)
    bent = np.asarray(fixed @ np.linalg.inv(gram), np.float32)
    found = np.zeros((likes.shape[0], fixed.shape[1]), np.float32)
    counts = np.diff(likes.indptr)
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        step = max(1, AT_ONCE // (int(count) * fixed.shape[1]))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            liked = likes.indices[likes.indptr[some][:, None] + np.arange(count)]
            found[some] = (
                _solve_few(fixed[liked], bent[liked]) if count < len(gram) // 2 else _solve(fixed[liked], gram)
            )
    return found


def _solve(chosen: Floats, gram: Floats) -> Floats:
    """`chosen` rows x likes x rank."""
    wanted = (1 + CONFIDENCE) * chosen.sum(1)
    return np.asarray(
        np.linalg.solve(gram + CONFIDENCE * (_turn(chosen) @ chosen), wanted[:, :, None])[:, :, 0], np.float32
    )


def _solve_few(chosen: Floats, bent: Floats) -> Floats:
    """As `_solve`; `bent` is `chosen` times the inverse of the gram matrix."""
    small = chosen @ _turn(bent)
    wanted = (1 + CONFIDENCE) * small.sum(2)
    small[:, np.arange(chosen.shape[1]), np.arange(chosen.shape[1])] += 1 / CONFIDENCE
    weights = (1 + CONFIDENCE) - np.linalg.solve(small, wanted[:, :, None])[:, :, 0]
    return np.asarray(np.einsum("nl,nlk->nk", weights, bent), np.float32)


def _turn(stack: Floats) -> Floats:
    return stack.transpose(0, 2, 1)
