from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from digest.ranking.embeddings import Embedder, Unusable, load
from digest.ranking.features import TextModel
from digest.ranking.rank import Reader, prepare, rank
from digest.ranking.space import Space
from digest.ranking.votes import Signal, Vote
from digest.settings import SettingsError
from digest.settings import load as load_settings
from digest.subscribers.subscriber import Preferences
from tests.unit.ranking.papers import NOW, THEMES, paper, profile_of, themed

OLD = themed(60)
WORDS = sorted({word for text in THEMES.values() for word in text.split()})
THEME_OF = {word: n for n, text in enumerate(THEMES.values()) for word in text.split()}


def tokens(texts: list[str]) -> list[list[int]]:
    return [[WORDS.index(word) for word in text.lower().split() if word in WORDS] for text in texts]


def embedder(name: str = "tiny") -> Embedder:
    """A model that knows which theme a word belongs to."""
    return Embedder(name, np.eye(len(THEMES), dtype=np.float32)[[THEME_OF[word] for word in WORDS]], tokens)


def test_it_takes_the_mean_of_the_tokens() -> None:
    rows = embedder().rows(["protein folding", "protein robot", "nothing known", ""])
    assert rows[0].max() == pytest.approx(1.0)
    assert rows[1].max() == pytest.approx(0.5**0.5)
    assert not rows[2:].any()


def test_it_adds_what_texts_mean_to_what_they_say() -> None:
    model = TextModel.fit(OLD, "1", embedder=embedder())
    plain = TextModel.fit(OLD, "1")
    assert model.vectors(OLD[:3]).latent.shape[1] == plain.vectors(OLD[:3]).latent.shape[1] + len(THEMES)
    # "docking" and "acid" share no word with the topic: only what they mean speaks for them
    meant, other = paper(900, "docking acid"), paper(901, "frames consistency")
    today = prepare([meant, other], Space.of(model), NOW)
    assert rank(today, [Reader(1, Preferences(topics=("folding",)))], NOW)[0][0].paper_id == 900


def test_it_explains_all_of_the_score() -> None:
    space = Space.of(TextModel.fit(OLD, "1", embedder=embedder()))
    today = prepare(themed(20, 500), space, NOW, shelf=space.shelf(titles={OLD[0].id: OLD[0].title}))
    reader = Reader(1, Preferences(topics=("robot",)), profile_of(today, [Vote(OLD[0].id, Signal.UP, NOW)]))
    alone = rank(today, [reader], NOW)[0]
    scores = [choice.score for choice in alone]
    assert scores[0] > scores[-1]
    assert all(c.score == pytest.approx(sum(r.contribution for r in c.reasons)) for c in alone)


@pytest.mark.parametrize(("given", "is_used"), [(embedder(), True), (embedder("other"), False), (None, False)])
def test_it_is_used_only_with_a_model_that_was_fitted_with_it(
    tmp_path: Path, given: Embedder | None, is_used: bool
) -> None:
    TextModel.fit(OLD, "1", embedder=embedder()).save(tmp_path / "model.npz")
    again = TextModel.load(tmp_path / "model.npz", embedder=given)
    meaning = again.vectors(OLD[:3]).latent[:, -len(THEMES) :]
    assert meaning.any() == is_used
    assert len(rank(prepare(OLD[:9], Space.of(again), NOW), [Reader(1, Preferences(topics=("robot",)))], NOW)[0]) == 9


def write_model(folder: Path, rows: int = 3) -> None:
    save_file = pytest.importorskip("safetensors.numpy").save_file
    pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0, "robot": 1, "protein": 2}
    spelling = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(spelling))
    table = np.array([[0, 0], [1, 0], [0, 2]], np.float16)[:rows]
    save_file({"embeddings": table}, folder / "model.safetensors")


def test_it_loads_a_model_from_a_folder(tmp_path: Path) -> None:
    write_model(tmp_path)
    found = load(tmp_path)
    assert found.rows(["Robot", "protein protein", "x"]).tolist() == [[1, 0], [0, 1], [0, 0]]
    assert found.name == load(tmp_path).name


def test_it_says_why_a_folder_holds_no_model(tmp_path: Path) -> None:
    write_model(tmp_path, rows=2)
    with pytest.raises(Unusable, match="one row for each token"):
        load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no model")
    with pytest.raises(Unusable, match="can be read"):
        load(tmp_path)


def test_it_stops_the_start_where_the_folder_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DIGEST_EMBEDDINGS_MODEL"):
        load_settings(environ={"DIGEST_EMBEDDINGS_MODEL": str(tmp_path)})
    assert load_settings(environ={}).embeddings_model is None
