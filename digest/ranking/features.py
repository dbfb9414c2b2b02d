"""What a paper or a topic is about, as numbers: TF-IDF over its words and two latent spaces fitted on stored papers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.papers.paper import Paper
from digest.ranking import words
from digest.ranking.algebra import Floats, principal, truncated_svd, unit, unit_sparse
from digest.ranking.embeddings import Embedder
from digest.ranking.parameters import DEFAULT, Parameters


@dataclass(frozen=True)
class PaperVectors:
    """n papers under one model: `terms` n x vocabulary (TF-IDF, unit rows), `latent` n x (smooth + sharp + meaning)."""

    version: str
    ids: NDArray[np.int64]
    terms: sp.csr_array
    latent: Floats


@dataclass(frozen=True)
class TextModel:
    """A fitted vocabulary with weights and latent directions; immutable, so every worker may hold one.

    `idf` (terms,), `directions` terms x rank (right singular vectors), `scale` (rank,) their singular values,
    `smooth` the number of leading directions in the smooth part; the sharp part uses all of them. `centre` (smooth,) is
    what all papers share, taken out of the smooth part of each. `turns` bring each part into its principal directions, in
    which `variances` (latent,) say all of how it spreads: by them the scores of different parts are made comparable.
    `corpus` are the papers it was fitted on, from which topics learn their other words.
    """

    version: str
    vocabulary: dict[str, int]
    idf: Floats
    directions: Floats
    scale: Floats
    centre: Floats
    turns: tuple[Floats, ...]
    variances: Floats
    corpus: PaperVectors
    acronyms: dict[str, list[str]]
    parameters: Parameters = DEFAULT
    embedder: Embedder | None = None
    embedded_by: str = ""  # name of the embedder that it was fitted with; without that one the part is zeros

    @classmethod
    def fit(
        cls,
        papers: Sequence[Paper],
        version: str,
        parameters: Parameters = DEFAULT,
        embedder: Embedder | None = None,
    ) -> TextModel:
        """Fit on all stored papers; with few or none of them the model is small and still answers."""
        counted = [words.paper_terms(paper, parameters) for paper in papers]
        vocabulary = _vocabulary(counted, parameters)
        counts = _matrix(counted, vocabulary)
        short = words.acronyms([paper.abstract for paper in papers])
        ids = np.array([paper.id for paper in papers], np.int64)
        model = cls.fit_counts(counts, vocabulary, version, ids, short, parameters)
        return model.with_meaning(embedder, [_text(paper) for paper in papers]) if embedder else model

    @classmethod
    def fit_counts(
        cls,
        counts: sp.csr_array,
        vocabulary: dict[str, int],
        version: str,
        ids: NDArray[np.int64],
        acronyms: dict[str, list[str]] | None = None,
        parameters: Parameters = DEFAULT,
    ) -> TextModel:
        """Fit on term counts (papers x terms) whose columns are `vocabulary`; `ids` name the papers."""
        in_papers = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = (np.log((counts.shape[0] + 1) / (in_papers + 1)) + 1).astype(np.float32)
        weighed = _weigh(counts, idf)
        scale, directions = truncated_svd(weighed, max(parameters.smooth_rank, parameters.sharp_rank))
        none = np.zeros(0, np.float32)
        corpus = PaperVectors(version, ids, weighed, np.zeros((len(ids), 0), np.float32))
        short = acronyms or {}
        model = cls(version, vocabulary, idf, directions, scale, none, (), none, corpus, short, parameters)
        smooth = model.smooth_shadow(model.shadow(weighed))
        model = replace(model, centre=smooth.mean(0) if len(smooth) else np.zeros(model.smooth, np.float32))
        return model._with_parts(model._parts(weighed, model.centre))

    def _with_parts(self, parts: Sequence[Floats]) -> TextModel:
        """This model with more parts; `parts` are its corpus in each of them, as they fall."""
        found = [(part, *principal(part)) for part in parts]
        latent = np.hstack([self.corpus.latent, *(part @ turn for part, turn, _ in found)])
        variances = np.concatenate([self.variances, *(own for _, _, own in found)])
        turns = (*self.turns, *(turn for _, turn, _ in found))
        return replace(self, turns=turns, variances=variances, corpus=replace(self.corpus, latent=latent))

    def with_meaning(self, embedder: Embedder, texts: Sequence[str]) -> TextModel:
        """This model with a part for meaning; `texts` are those of the papers it was fitted on."""
        return replace(self, embedder=embedder, embedded_by=embedder.name)._with_parts([embedder.rows(texts)])

    def mean(self, vectors: PaperVectors, texts: Sequence[str]) -> PaperVectors:
        """`vectors` with what the `texts` of the same papers or topics mean, where this model has a part for it."""
        if not self.meaning:
            return vectors
        width = self.meaning
        rows = self.embedder.rows(texts) @ self.turns[2] if self.embedder else np.zeros((len(texts), width), np.float32)
        return replace(vectors, latent=np.hstack([vectors.latent, rows]))

    @property
    def smooth(self) -> int:
        return min(self.parameters.smooth_rank, len(self.scale))

    @property
    def meaning(self) -> int:
        """Width of the part that an embedder adds."""
        return len(self.turns[2]) if self.embedded_by else 0

    def vectors(self, papers: Sequence[Paper]) -> PaperVectors:
        counted = [words.paper_terms(paper, self.parameters) for paper in papers]
        ids = np.array([paper.id for paper in papers], np.int64)
        vectors = self.count_vectors(_matrix(counted, self.vocabulary), ids)
        return self.mean(vectors, [_text(paper) for paper in papers])

    def count_vectors(self, counts: sp.csr_array, ids: NDArray[np.int64]) -> PaperVectors:
        """Vectors of papers given as term counts."""
        weighed = _weigh(counts, self.idf)
        return PaperVectors(self.version, ids, weighed, self.latent(weighed))

    def topic_vectors(self, counts: sp.csr_array) -> PaperVectors:
        """Vectors of topics given as term counts: nothing is taken out, a few words have nothing to spare."""
        weighed = _weigh(counts, self.idf**self.parameters.topic_rarity)
        ids = np.arange(weighed.shape[0], dtype=np.int64)
        return PaperVectors(self.version, ids, weighed, self.latent(weighed, np.zeros_like(self.centre)))

    def latent(self, weighed: sp.csr_array, centre: Floats | None = None) -> Floats:
        parts = self._parts(weighed, self.centre if centre is None else centre)
        return np.hstack([part @ turn for part, turn in zip(parts, self.turns, strict=False)])

    def _parts(self, weighed: sp.csr_array, centre: Floats) -> tuple[Floats, Floats]:
        shadow = self.shadow(weighed)
        return unit(self.smooth_shadow(shadow) - centre), unit(shadow * self.scale**self.parameters.sharp_power)

    def shadow(self, weighed: sp.csr_array) -> Floats:
        """Rows in the latent directions, as they fall."""
        return np.asarray(weighed @ self.directions, np.float32)

    def smooth_shadow(self, shadow: Floats) -> Floats:
        """The leading directions, the strong ones made stronger."""
        return np.asarray(
            shadow[:, : self.smooth] * self.scale[: self.smooth] ** self.parameters.smooth_power, np.float32
        )

    def topics(self, texts: Sequence[str]) -> PaperVectors:
        """One row for each topic in a reader's own words; a known short form brings its long form along."""
        counted = [self._topic_terms(text) for text in texts]
        return self.mean(self.topic_vectors(_matrix(counted, self.vocabulary)), texts)

    def _topic_terms(self, text: str) -> Counter[str]:
        counted = words.terms(text[: words.LONGEST_TOPIC])
        for word in list(counted):
            forms = [words.terms(long) for long in self.acronyms.get(word, ())]
            for form in [form for form in forms if form.keys() <= counted.keys()] or forms:
                counted.update(form)
        return counted

    def senses(self, topic: str) -> list[str]:
        """The long forms of a topic that is nothing but a short form."""
        [*found] = words.terms(topic[: words.LONGEST_TOPIC])
        return self.acronyms.get(found[0], []) if len(found) == 1 else []

    def save(self, path: Path) -> None:
        """Write to one .npz file: arrays, and the rest as JSON text; nothing in it is executed on loading."""
        about = {
            "version": self.version,
            "vocabulary": list(self.vocabulary),
            "acronyms": self.acronyms,
            "embedded_by": self.embedded_by,
        }
        turns: dict[str, Any] = {f"turn{part}": turn for part, turn in enumerate(self.turns)}
        with path.open("wb") as file:
            np.savez(
                file,
                about=np.frombuffer(json.dumps(about).encode(), np.uint8),
                idf=self.idf,
                directions=self.directions.astype(np.float16),
                scale=self.scale,
                centre=self.centre,
                variances=self.variances,
                **turns,
                ids=self.corpus.ids,
                latent=self.corpus.latent.astype(np.float16),
                values=self.corpus.terms.data.astype(np.float16),
                columns=self.corpus.terms.indices,
                starts=self.corpus.terms.indptr,
            )

    @classmethod
    def load(cls, path: Path, parameters: Parameters = DEFAULT, embedder: Embedder | None = None) -> TextModel:
        """`embedder` is used where the model was fitted with it, else from the next fit on.

        Raises OSError, ValueError, KeyError, EOFError or BadZipFile when the file is absent or not one that `save` wrote."""
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            vocabulary = {term: i for i, term in enumerate(about["vocabulary"])}
            directions = stored["directions"].astype(np.float32)
            csr = stored["values"].astype(np.float32), stored["columns"], stored["starts"]
            terms = sp.csr_array(csr, shape=(len(stored["starts"]) - 1, len(vocabulary)), dtype=np.float32)
            corpus = PaperVectors(about["version"], stored["ids"], terms, stored["latent"].astype(np.float32))
            embedded_by = about["embedded_by"]
            turns = (stored[f"turn{part}"] for part in range(3 if embedded_by else 2))
            return cls(
                about["version"],
                vocabulary,
                stored["idf"],
                directions,
                stored["scale"],
                stored["centre"],
                tuple(turns),
                stored["variances"],
                corpus,
                about["acronyms"],
                parameters,
                embedder if embedder and embedder.name == embedded_by else None,
                embedded_by,
            )


def _text(paper: Paper) -> str:
    return f"{paper.title}. {paper.abstract}"


def _vocabulary(counted: Sequence[Counter[str]], parameters: Parameters) -> dict[str, int]:
    """Terms that at least two papers share (one, while there are few papers), the widest spread first."""
    in_papers: Counter[str] = Counter()
    for terms in counted:
        in_papers.update(terms.keys())
    least = parameters.min_papers_per_term if len(counted) >= 50 else 1
    kept = sorted((t for t, n in in_papers.items() if n >= least), key=lambda t: (-in_papers[t], t))
    return {term: i for i, term in enumerate(kept[: parameters.max_terms])}


def _matrix(counted: Iterable[Counter[str]], vocabulary: dict[str, int]) -> sp.csr_array:
    columns: list[int] = []
    values: list[int] = []
    starts = [0]
    for terms in counted:
        for term, n in terms.items():
            column = vocabulary.get(term)
            if column is not None:
                columns.append(column)
                values.append(n)
        starts.append(len(columns))
    shape = (len(starts) - 1, len(vocabulary))
    parts = np.array(values, np.float32), np.array(columns, np.int32), np.array(starts, np.int32)
    return sp.csr_array(parts, shape=shape, dtype=np.float32)


def _weigh(counts: sp.csr_array, idf: Floats) -> sp.csr_array:
    """(1 + ln count) x idf, unit rows."""
    weighed = counts.astype(np.float32, copy=True)
    weighed.data = (1 + np.log(np.maximum(weighed.data, 1))) * idf[weighed.indices]
    return unit_sparse(weighed)
