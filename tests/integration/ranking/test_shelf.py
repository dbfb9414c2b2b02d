"""Fitted models in the database and their local copies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from digest.db.tables import models
from digest.ranking.crowd import Crowd
from digest.ranking.features import PaperVectors
from digest.ranking.shelf import ModelShelf
from tests.unit.ranking.papers import NOW, themed

PAPERS = themed(60)


def fitted(engine: Engine, folder: Path) -> ModelShelf:
    shelf = ModelShelf(engine, folder)
    assert shelf.fit(PAPERS, [(1, 1), (2, 1), (2, 6)], NOW) == 1
    return shelf


def version(shelf: ModelShelf) -> str | None:
    space = shelf.newest()
    return space and space.version


@pytest.mark.parametrize("name", ["text-1.npz", "crowd-1.npz"])
@pytest.mark.parametrize("kept", [0, 1, 100, 2_000])
def test_it_replaces_a_damaged_copy(engine: Engine, tmp_path: Path, name: str, kept: int) -> None:
    fitted(engine, tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    assert version(ModelShelf(engine, tmp_path)) == "1"
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"of another form"])
def test_it_ranks_with_the_last_fit_that_it_can_read(engine: Engine, tmp_path: Path, content: bytes) -> None:
    fitted(engine, tmp_path).fit(PAPERS, [], NOW)
    with engine.begin() as connection:
        connection.execute(update(models).where(models.c.version == 2).values(text=content))
    shelf = ModelShelf(engine, tmp_path / "another machine")
    assert version(shelf) == "1"
    assert version(shelf) == "1"


def test_it_keeps_the_first_of_two_fits_at_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, other = ModelShelf(engine, tmp_path / "own"), ModelShelf(engine, tmp_path / "other")

    def meanwhile(likes: Sequence[tuple[int, int]], papers: PaperVectors) -> Crowd:
        monkeypatch.undo()
        assert other.fit(PAPERS, [], NOW) == 1
        return Crowd.fit(likes, papers)

    monkeypatch.setattr(Crowd, "fit", meanwhile)
    assert shelf.fit(PAPERS, [], NOW) is None
    assert version(shelf) == version(other) == "1"
