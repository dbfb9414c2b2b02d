from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from digest.ranking import diversity, trending, wishes, words
from digest.ranking.crowd import Crowd
from digest.ranking.evidence import gather
from digest.ranking.features import TextModel
from digest.ranking.profile import profiles
from digest.ranking.space import Space
from digest.ranking.votes import Signal, Vote, said
from digest.subscribers.subscriber import Preferences
from tests.unit.ranking.papers import NOW, paper, theme_of, themed

OLD = themed(200)
MODEL = TextModel.fit(OLD, "1")


def test_it_counts_words_pairs_and_joined_hyphens() -> None:
    counted = words.terms("Fine-tuning of Large Language Models")
    assert {"fine", "tuning", "fine tuning", "finetuning", "language model"} <= set(counted)
    assert "tuning of" not in counted
    assert "tuning large" not in counted


def test_it_reads_short_forms_where_the_initials_agree() -> None:
    found = words.acronyms(["We study large language models (LLMs) and mixture of experts (MoE).", "see this (TODO)"])
    assert found == {"llm": ["large language model"], "moe": ["mixture of expert"]}


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("neural radiance fields (NeRFs)", "nerf", "neural radiance field"),
        ("low-rank adaptation (LoRA)", "lora", "low rank adaptation"),
        ("chain of thought (CoT)", "cot", "chain of thought"),
    ],
)
def test_it_reads_short_forms_by_their_capitals(text: str, short: str, long: str) -> None:
    assert words.acronyms([f"We use {text}."]) == {short: [long]}


def test_it_leaves_out_long_forms_that_hardly_anybody_means() -> None:
    often = ["automatic speech recognition (ASR)"] * 5 + ["attack success rate (ASR)"] * 2
    assert words.acronyms(often) == {"asr": ["automatic speech recognition"]}
    assert len(words.acronyms([*often, often[-1]])["asr"]) == 2


def test_it_takes_what_papers_write_small_for_a_word() -> None:
    named = "We call confident ordinary differential editing (CODE) and retrieval augmented generation (RAG) new."
    found = words.acronyms([named, "They write code.", "Our code is long.", "RAG finds it.", "A rag is cloth."])
    assert found == {"rag": ["retrieval augmented generation"]}


def test_it_stores_a_model_and_reads_it_back(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "model.npz")
    again = TextModel.load(tmp_path / "model.npz")
    assert again.version == "1"
    assert again.acronyms == MODEL.acronyms
    assert np.abs(again.vectors(OLD[:9]).latent - MODEL.vectors(OLD[:9]).latent).max() < 0.01


def test_it_refuses_a_file_that_is_no_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", idf=np.array([object()]))
    with pytest.raises((ValueError, KeyError)):
        TextModel.load(tmp_path / "other.npz")


def test_it_stores_a_crowd_and_reads_it_back(tmp_path: Path) -> None:
    crowd = Crowd.fit([(who, p.id) for who in range(20) for p in OLD[who % 5 :: 5][:6]], MODEL.vectors(OLD))
    crowd.save(tmp_path / "crowd.npz")
    again = Crowd.load(tmp_path / "crowd.npz")
    assert (again.version, again.likes) == ("1", 120)
    assert np.abs(again.met(MODEL.vectors(OLD[:9])) - crowd.met(MODEL.vectors(OLD[:9]))).max() < 0.01


def test_it_carries_co_reading_over_to_papers_nobody_read() -> None:
    """Those who like robots here like proteins too: text alone cannot know."""
    both = [p for p in OLD if theme_of(p) in ("robot", "protein")]
    rest = [p for p in OLD if theme_of(p) not in ("robot", "protein")]
    likes = [(who, p.id) for who in range(60) for p in (both if who % 2 else rest)[who % 7 :: 7]]
    crowd = Crowd.fit(likes, MODEL.vectors(OLD))
    new = MODEL.vectors(themed(5, 900))
    robot, protein, video = (crowd.predicted(new)[i] for i in (2, 1, 3))
    assert robot @ protein > robot @ video + 0.3


def test_it_makes_an_empty_crowd_of_no_likes() -> None:
    crowd = Crowd.fit([(1, 999_999)], MODEL.vectors(OLD))
    assert crowd.likes == 0
    assert Space.of(MODEL, crowd).width == Space.of(MODEL).width


def test_it_refuses_a_crowd_of_another_model() -> None:
    crowd = replace(Crowd.empty("2", len(MODEL.vocabulary)), likes=3)
    with pytest.raises(ValueError, match="does not fit"):
        Space.of(MODEL, crowd)


def test_it_lets_votes_fade_and_the_last_word_count() -> None:
    space = Space.of(MODEL)
    shelf = space.shelf()
    half_life = timedelta(days=MODEL.parameters.half_life_days)
    votes = [
        Vote(1, Signal.UP, NOW - half_life),
        Vote(2, Signal.DOWN, NOW - timedelta(days=2)),
        Vote(2, Signal.UP, NOW),
        Vote(2, Signal.CLICK, NOW),
        Vote(999_999, Signal.UP, NOW),
    ]
    found = gather([Preferences()], profiles([said(votes)], space, shelf, NOW), [[]], space, shelf, NOW)
    assert dict(zip(found.paper_ids.tolist(), found.weights.data.tolist(), strict=True)) == pytest.approx(
        {1: 0.5, 2: 1.0}
    )


def test_it_searches_a_day_once_for_each_wish() -> None:
    asked = []

    def match(found: wishes.Searchable, wish: str) -> bool:
        asked.append(wish)
        return wishes.mentions(found, wish)

    board = wishes.Board([paper(1, "Polls and votes"), paper(2, "Storage"), paper(3, "Another poll")])
    assert [board.places(match, "poll") for _ in range(3)] == [(0, 2)] * 3
    assert len(asked) == 3


def test_it_calls_the_same_votes_more_on_a_younger_paper() -> None:
    evening = datetime(2026, 6, 9, 17, tzinfo=UTC)
    young, old = paper(1, votes=9), paper(2, votes=9, listed_on=date(2026, 6, 3))
    assert trending.lift(young, evening) > trending.lift(old, evening)


def test_it_expects_half_of_the_votes_by_seventeen_utc() -> None:
    evening = datetime(2026, 6, 9, 17, tzinfo=UTC)
    share = trending.usual(paper(1), evening) / trending.usual(paper(1), evening + timedelta(days=25))
    assert share == pytest.approx(0.5, abs=0.02)


def test_it_expects_less_of_a_weekend() -> None:
    friday, tuesday = datetime(2026, 6, 5, 12, tzinfo=UTC), datetime(2026, 6, 2, 12, tzinfo=UTC)
    two_days = timedelta(days=2)
    assert trending.effective_hours(friday, friday + two_days) < trending.effective_hours(tuesday, tuesday + two_days)


def test_it_takes_unknown_votes_for_usual_ones() -> None:
    unknown, none = paper(1, votes=None), paper(2, votes=0)
    assert trending.lift(unknown, NOW) > trending.lift(none, NOW)


def test_it_learns_what_is_usual_from_papers_that_have_their_votes() -> None:
    old = [paper(n, votes=200, listed_on=date(2026, 6, 1)) for n in range(400)]
    assert trending.settled_votes(old, NOW) == pytest.approx(200, rel=0.35)
    assert trending.settled_votes(old[:1], NOW) == pytest.approx(8, rel=0.1)
    young = [paper(n, votes=200) for n in range(400)]
    assert trending.settled_votes(young, NOW) == pytest.approx(8)


def test_it_parts_ties_by_comments() -> None:
    assert trending.lift(paper(1, votes=5, comments=4), NOW) > trending.lift(paper(1, votes=5, comments=1), NOW)


@pytest.mark.parametrize(
    ("phrase", "is_muted"),
    [
        ("political", True),
        ("POLÍTICAL", True),
        ("politic", False),
        ("political polls", True),
        ("poll", True),
        ("polls political", False),
        ("jane doe", True),
        ("example lab", True),
        ("cs.cy", True),
        ("title political", False),
        ("", False),
        ("  ", False),
        ("选举", True),
        ("rag", False),
    ],
)
def test_it_mutes_whole_words_in_any_field(phrase: str, is_muted: bool) -> None:
    item = paper(
        1,
        "A title",
        "Political polls and storage. 关于选举的研究",
        authors=("Jane Doe",),
        organization="Example Lab",
        categories=("cs.CY",),
    )
    assert wishes.mentions(wishes.searchable(item), phrase) is is_muted


@pytest.mark.parametrize(
    ("name", "author", "is_same"),
    [
        ("jose alvarez", "José Álvarez", True),
        ("José Álvarez", "Jose M. Alvarez", True),
        ("J. Alvarez", "José Alvarez", False),
        ("Alvarez", "José Alvarez", False),
        ("Ann Lee", "Ann Leeson", False),
        ("Ann B. Lee", "Ann Lee", False),
        ("", "Ann Lee", False),
    ],
)
def test_it_tells_authors_apart(name: str, author: str, is_same: bool) -> None:
    assert wishes.is_by(wishes.searchable(paper(1, authors=("Bob Roe", author))), name) is is_same


def test_it_does_not_fill_a_list_with_one_theme() -> None:
    scores = np.array([[1.0, 0.99, 0.98, 0.9, 0.1]], np.float32)
    likeness = np.eye(5, dtype=np.float32)
    likeness[:3, :3] = 1
    chosen = diversity.greedy(scores, likeness, np.array([2]), 0.5)
    assert chosen.tolist() == [[0, 3]]


def test_it_gives_each_reader_their_own_size() -> None:
    scores = np.array([[3, 2, 1], [1, 2, 3], [1, -np.inf, -np.inf]], np.float32)
    chosen = diversity.greedy(scores, np.eye(3, dtype=np.float32), np.array([1, 2, 3]), 0.0)
    assert chosen.tolist() == [[0, -1, -1], [2, 1, -1], [0, -1, -1]]


def test_it_gives_every_topic_its_turn() -> None:
    scores = np.array([[1.0, 0.9, 0.8, 0.3]], np.float32)
    topics = np.array([[0, 0, 0, 1]])
    chosen = diversity.greedy(scores, np.eye(4, dtype=np.float32), np.array([3]), 0.0, topics, 3.0)
    assert chosen.tolist() == [[0, 3, 1]]


def test_it_does_not_let_papers_on_no_topic_in_while_topics_take_turns() -> None:
    scores = np.array([[1.0, 0.95, 0.9, 0.85, 0.5]], np.float32)
    topics = np.array([[0, 1, 0, 1, -1]])
    chosen = diversity.greedy(scores, np.eye(5, dtype=np.float32), np.array([4]), 0.0, topics, 3.0)
    assert chosen.tolist() == [[0, 1, 2, 3]]


def test_it_bounds_what_votes_can_do() -> None:
    lifts = [0.0] * 30 + [50.0]
    assert trending.terms(lifts).max() <= MODEL.parameters.trend_weight * MODEL.parameters.trend_most


def test_it_reads_a_short_form_as_the_other_topics_suggest() -> None:
    space = Space.of(replace(MODEL, acronyms={"xy": ["video diffusion", "protein folding"], "gnn": ["graph network"]}))
    assert space.meant(("XY", "molecular docking")) == ("XY (protein folding)", "molecular docking")
    assert space.meant(("frames", "xy")) == ("frames", "xy (video diffusion)")
    assert space.meant(("XY",)) == ("XY",)
    assert space.meant(("GNN", "frames")) == ("GNN", "frames")
    both, protein, video = space.topic_rows(["XY", "XY (protein folding)", "video synthesis"])
    assert protein @ video < both @ video - 0.3
    found = gather([Preferences(topics=("XY", "docking"))], [None], [[]], space, space.shelf(), NOW)
    assert found.topics == ("XY", "docking")
    assert found.rows[0] == pytest.approx(protein)


def test_it_stands_half_way_between_the_long_forms_of_a_short_form() -> None:
    long = "video diffusion generation temporal consistency text to video synthesis"
    space = Space.of(replace(MODEL, acronyms={"xy": [long, "protein folding"]}))
    both, video, protein = space.topic_rows(["XY", "video diffusion synthesis", "protein folding"])
    assert both @ video == pytest.approx(both @ protein, rel=0.2)


def test_it_hears_the_rare_word_of_a_topic() -> None:
    """Every title here has a number in it; few papers are on proteins."""
    terms = MODEL.topics(["protein number"]).terms
    weight = dict(zip(terms.indices.tolist(), terms.data.tolist(), strict=True))
    rare, common = MODEL.vocabulary["protein"], MODEL.vocabulary["number"]
    assert weight[rare] / weight[common] == pytest.approx((MODEL.idf[rare] / MODEL.idf[common]) ** 3, rel=1e-4)
    assert weight[rare] > 5 * weight[common]
