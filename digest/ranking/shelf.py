"""The fitted models of an install: kept in the database, loaded from a local copy, swapped when a newer one is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import NamedTuple
from zipfile import BadZipFile

import structlog
from sqlalchemy import Engine, delete, func, select

from digest.db.engine import insert, reading
from digest.db.tables import models
from digest.papers.paper import Paper
from digest.ranking.crowd import Crowd
from digest.ranking.embeddings import Embedder, load
from digest.ranking.features import TextModel
from digest.ranking.space import Space

log = structlog.get_logger(__name__)

KEPT = 3  # versions; old workers may still be ranking with the last but one
UNREADABLE = (OSError, ValueError, KeyError, EOFError, BadZipFile)  # what files of other forms, or half of one, raise
FEWEST_PAPERS = 50  # below this a model is fitted on the spot from what is there


class Fit(NamedTuple):
    """When a model was fitted, and on how much; None where that was not written down."""

    at: datetime
    papers: int
    likes: int | None


class ModelShelf:
    """Text model and crowd of the newest version; `folder` holds local copies, `embeddings` an optional model."""

    def __init__(self, engine: Engine, folder: Path, embeddings: Path | None = None) -> None:
        self._engine, self._folder, self._embeddings = engine, folder, embeddings
        self._loaded: tuple[int, Space] | None = None
        self._copied: set[int] = set()

    def newest_fit(self) -> Fit | None:
        """The newest fit that can be read."""
        return next((fit for _, fit in self._readable()), None)

    def newest(self) -> Space | None:
        """The space of the newest fit that can be read, the same one until there is a newer; None before the first fit.

        After an upgrade the newest may be of a form that this version, or one beside it, does not know.
        """
        return next((space for space, _ in self._readable()), None)

    def _readable(self) -> Iterator[tuple[Space, Fit]]:
        with reading(self._engine).connect() as connection:
            query = select(models.c.version, models.c.fitted_at, models.c.papers, models.c.likes)
            stored = connection.execute(query.order_by(models.c.version.desc())).all()
        for version, *fit in stored:
            try:
                if self._loaded is None or self._loaded[0] != version:
                    self._loaded = version, self._load(version)
            except UNREADABLE as error:
                log.warning("model.unreadable", version=version, error=str(error)[:200])
            else:
                yield self._loaded[1], Fit(*fit)

    def _load(self, version: int) -> Space:
        """From the local copy; one that is absent or damaged is replaced, once."""
        try:
            return self._read(version)
        except UNREADABLE:
            if version in self._copied:
                raise
            self._copy(version)
            return self._read(version)

    def _read(self, version: int) -> Space:
        text_path, crowd_path = self._paths(version)
        return Space.of(TextModel.load(text_path, embedder=self._embedder), Crowd.load(crowd_path))

    def _copy(self, version: int) -> None:
        with reading(self._engine).connect() as connection:
            row = connection.execute(select(models.c.text, models.c.crowd).where(models.c.version == version)).one()
        for path, content in zip(self._paths(version), row, strict=True):
            self._write(path, content)
        self._copied.add(version)

    @cached_property
    def _embedder(self) -> Embedder | None:
        return None if self._embeddings is None else load(self._embeddings)

    def fit(self, papers: Sequence[Paper], likes: Sequence[tuple[int, int]], now: datetime) -> int | None:
        """Fit both on all stored papers and votes; returns the new version.

        None where there are too few papers, or where another process fitted that version meanwhile.
        """
        if len(papers) < FEWEST_PAPERS:
            return None
        with self._engine.begin() as connection:
            version = (connection.execute(select(func.max(models.c.version))).scalar_one() or 0) + 1
        text = TextModel.fit(papers, str(version), embedder=self._embedder)
        crowd = Crowd.fit(likes, text.vectors(papers))
        contents = [_saved(text), _saved(crowd)]
        sizes = {"papers": len(papers), "likes": len(likes)}
        row = {"version": version, "fitted_at": now, **sizes, "text": contents[0], "crowd": contents[1]}
        with self._engine.begin() as connection:
            new = insert(connection, models).on_conflict_do_nothing().returning(models.c.version)
            if connection.execute(new, row).first() is None:  # rowcount says -1 on PostgreSQL, whatever came of it
                return None
            connection.execute(delete(models).where(models.c.version <= version - KEPT))
        for path, content in zip(self._paths(version), contents, strict=True):
            self._write(path, content)
        self._drop_old(version - KEPT)
        return version

    def _paths(self, version: int) -> tuple[Path, Path]:
        return self._folder / f"text-{version}.npz", self._folder / f"crowd-{version}.npz"

    def _write(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as unfinished:  # a process its own
            unfinished.write(content)
        Path(unfinished.name).replace(path)

    def _drop_old(self, last: int) -> None:
        for path in self._folder.glob("*-*.npz"):
            if int(path.stem.partition("-")[2]) <= last:
                path.unlink(missing_ok=True)


def _saved(model: TextModel | Crowd) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        model.save(path)
        return path.read_bytes()
