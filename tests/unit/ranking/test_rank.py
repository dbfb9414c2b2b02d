from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from digest.papers.paper import Paper
from digest.ranking import profile
from digest.ranking.choice import Choice, ReasonKind
from digest.ranking.crowd import Crowd
from digest.ranking.evidence import gather
from digest.ranking.features import TextModel
from digest.ranking.rank import Day, Reader, prepare, rank
from digest.ranking.space import Space
from digest.ranking.votes import Signal, Vote
from digest.subscribers.subscriber import Preferences
from tests.unit.ranking.papers import NOW, THEMES, paper, profile_of, theme_of, themed

OLD = themed(200)
MODEL = TextModel.fit(OLD, "1")
NEW = themed(30, 1000)


SPACE = Space.of(MODEL)


def day(papers: list[Paper] = NEW, space: Space = SPACE, late: Sequence[Paper] = ()) -> Day:
    return prepare(papers, space, NOW, shelf=space.shelf(titles={p.id: p.title for p in OLD}), late=late)


def one(
    today: Day, preferences: Preferences, votes: Sequence[Vote] = (), seen: Mapping[int, int] | None = None
) -> list[Choice]:
    return list(rank(today, [reader(today, preferences, votes, seen)], NOW)[0])


def reader(
    today: Day, preferences: Preferences, votes: Sequence[Vote] = (), seen: Mapping[int, int] | None = None, id: int = 1
) -> Reader:
    return Reader(id, preferences, profile_of(today, votes) if votes else None, seen or {})


def themes(choices: list[Choice]) -> list[str]:
    by_id = {p.id: p for p in NEW}
    return [theme_of(by_id[c.paper_id]) for c in choices]


def up(*papers: Paper) -> tuple[Vote, ...]:
    return tuple(Vote(p.id, Signal.UP, NOW - timedelta(days=1)) for p in papers)


def of_theme(theme: str) -> list[Paper]:
    return [p for p in OLD if theme_of(p) == theme]


def test_it_puts_papers_on_a_topic_first() -> None:
    assert themes(one(day(), Preferences(topics=("protein folding",), size=3))) == ["protein"] * 3


def test_it_finds_the_long_form_of_a_short_form() -> None:
    spelled_out = paper(5000, "Scaling large language models further", "We scale a large language model.")
    choices = one(day([*NEW[1:5], spelled_out]), Preferences(topics=("LLM",), size=1))
    assert choices[0].paper_id == 5000


def test_it_learns_from_votes() -> None:
    liked = up(*of_theme("robot")[:5])
    assert themes(one(day(), Preferences(size=3), votes=liked)) == ["robot"] * 3


def test_it_moves_what_is_voted_down_away() -> None:
    down = tuple(Vote(p.id, Signal.DOWN, NOW) for p in of_theme("video")[:5])
    assert themes(one(day(), Preferences(size=30), votes=down))[-3:] == ["video"] * 3


def test_it_keeps_two_topics_in_one_list() -> None:
    found = themes(one(day(), Preferences(topics=("protein folding", "video diffusion"), size=6)))
    assert set(found) == {"protein", "video"}


def test_it_gives_a_minority_interest_its_papers() -> None:
    votes = up(*of_theme("language")[:20], *of_theme("graph")[:2])
    assert "graph" in themes(one(day(), Preferences(size=10), votes=votes))


def test_it_gives_an_address_alone_what_trends() -> None:
    papers = [replace(p, votes=(p.id * 7) % 31) for p in NEW]
    best = max(papers, key=lambda p: p.votes or 0)
    choices = one(day(papers), Preferences())
    assert choices[0].paper_id == best.id
    assert choices[0].reasons[0].kind is ReasonKind.TRENDING
    assert len(set(themes(choices))) >= 4


def test_it_never_chooses_what_was_seen_or_muted() -> None:
    preferences = Preferences(topics=("protein folding",), muted=("Protein",), size=30)
    choices = one(day(), preferences, seen={p.id: 1 for p in NEW[:10]})
    assert not {c.paper_id for c in choices} & {p.id for p in NEW[:10]}
    assert "protein" not in themes(choices)


def test_it_never_chooses_what_was_judged_elsewhere() -> None:
    liked, disliked = NEW[0], NEW[1]
    votes = [Vote(liked.id, Signal.UP, NOW), Vote(disliked.id, Signal.DOWN, NOW)]
    chosen = {choice.paper_id for choice in one(day(), Preferences(size=len(NEW)), votes=votes)}
    assert chosen == {paper.id for paper in NEW} - {liked.id, disliked.id}


def test_it_puts_followed_authors_first_unless_muted() -> None:
    followed = paper(5000, "Something else", "Quite unrelated.", authors=("José M. Álvarez",))
    muted = replace(followed, id=5001, title="Something political")
    preferences = Preferences(authors=("jose alvarez",), muted=("political",), topics=("robot",), size=3)
    choices = one(day([*NEW, followed, muted]), preferences)
    assert choices[0].paper_id == 5000
    assert choices[0].reasons[0].kind is ReasonKind.AUTHOR
    assert 5001 not in {c.paper_id for c in choices}


def test_it_puts_followed_organisations_first() -> None:
    followed = paper(5000, "Something else", "Quite unrelated.", organization="Example Research Lab")
    choices = one(day([*NEW, followed]), Preferences(organisations=("example research",), size=2))
    assert choices[0].reasons[0].kind is ReasonKind.ORGANISATION


def test_it_gives_reasons_that_sum_to_the_score() -> None:
    crowd = Crowd.fit([(who, p.id) for who in range(40) for p in OLD[who % 5 :: 5][:8]], MODEL.vectors(OLD))
    today = day([replace(p, votes=p.id % 13, comments=2) for p in NEW], Space.of(MODEL, crowd))
    votes = (*up(*of_theme("graph")[:6]), Vote(OLD[0].id, Signal.DOWN, NOW), Vote(OLD[1].id, Signal.CLICK, NOW))
    asking = reader(today, Preferences(topics=("robot", "video"), size=10), votes, {OLD[4].id: 5, OLD[7].id: 5})
    chosen = rank(today, [asking], NOW)[0]
    found = gather([asking.preferences], [asking.profile], [asking.passed], today.space, today.shelf, NOW)
    [taste] = profile.finish(found.raw, found.liked, today.space)
    place = {p.id: row for row, p in enumerate(today.papers)}
    for choice in chosen:
        row = place[choice.paper_id]
        assert choice.score == pytest.approx(sum(r.contribution for r in choice.reasons))
        assert choice.score == pytest.approx(float(today.rows[row] @ taste) + float(today.trend[row]), abs=1e-3)
    assert {r.kind for c in chosen for r in c.reasons} >= {ReasonKind.TOPIC, ReasonKind.LIKED, ReasonKind.READERS}


def test_it_returns_a_late_riser_once_it_has_risen() -> None:
    risen = paper(7000, "Old but loved", "Loved.", votes=90, listed_on=date(2026, 6, 3))
    stayed = paper(7001, "Old and quiet", "Quiet.", votes=5, listed_on=date(2026, 6, 3))
    choices = one(day(NEW, late=[risen, stayed]), Preferences(size=40))
    kinds = {c.paper_id: {r.kind for r in c.reasons} for c in choices}
    assert ReasonKind.SECOND_CHANCE in kinds[7000]
    assert 7001 not in kinds


def test_it_gives_no_second_chance_to_what_is_usual_here() -> None:
    late = [paper(7000 + n, votes=90, listed_on=date(2026, 6, 1)) for n in range(300)]
    assert not day(NEW, late=late).late


def test_it_leaves_out_withdrawn_papers() -> None:
    assert not day([replace(NEW[0], withdrawn_at=NOW)]).papers


@pytest.mark.parametrize("count", [0, 1, 2])
def test_it_works_on_nearly_empty_days_and_without_a_model(count: int) -> None:
    today = prepare(NEW[:count], Space.unfitted(NEW[:count]), NOW)
    readers = [Reader(1, Preferences(topics=("protein",))), Reader(2, Preferences())]
    assert [len(choices) for choices in rank(today, readers, NOW)] == [count, count]
    assert rank(today, [], NOW) == []


@pytest.mark.parametrize(
    "topic",
    ["", "   ", "蛋白质折叠", "белок", "🧬", "a" * 100_000, "(((", "\x00\x1f", "{{7*7}}", "the of and", "İ\u0130ß"],
)
def test_it_takes_any_text_as_a_topic(topic: str) -> None:
    choices = one(day(), Preferences(topics=(topic,), muted=(topic[:50],), authors=(topic,), organisations=(topic,)))
    assert len(choices) == 10


def test_it_finds_topics_in_any_script() -> None:
    chinese = paper(5000, "蛋白质折叠的新方法", "本文研究蛋白质折叠。")
    model = TextModel.fit([*OLD, chinese, replace(chinese, id=5002)], "2")
    today = day([*NEW, replace(chinese, id=5001)], Space.of(model))
    assert one(today, Preferences(topics=("蛋白质折叠",)))[0].paper_id == 5001


def test_it_is_the_same_whoever_else_is_ranked() -> None:
    today = day([*NEW, paper(5000, "Something else", "Quite unrelated.", authors=("Ann Lee",))])
    readers = [
        reader(today, Preferences(topics=("robot",))),
        reader(today, Preferences(topics=("video", "graph"), muted=("protein",)), up(*of_theme("language")[:4])),
        reader(today, Preferences()),
        reader(today, Preferences(topics=("LLM", "robot"), authors=("Ann Lee",), size=3), seen={NEW[0].id: 7}),
        reader(today, Preferences(size=5), (Vote(OLD[3].id, Signal.DOWN, NOW), *up(*of_theme("graph")[:1]))),
    ]
    together = rank(today, readers, NOW)
    for asking, choices in zip(readers, together, strict=True):
        alone = rank(today, [asking], NOW)[0]
        assert [c.paper_id for c in choices] == [c.paper_id for c in alone]
        for here, there in zip(choices, alone, strict=True):
            assert here.score == pytest.approx(there.score, abs=1e-4)
            assert {(r.kind, r.detail) for r in here.reasons} == {(r.kind, r.detail) for r in there.reasons}


def test_it_names_the_liked_papers_that_did_most_and_sums_up_the_rest() -> None:
    liked = of_theme("graph")[:5]
    told = one(day(), Preferences(size=1), votes=up(*liked))[0].reasons
    named = [r for r in told if r.kind is ReasonKind.LIKED and r.paper_id]
    assert len(named) == 2
    assert {r.paper_id for r in named} <= {p.id for p in liked}
    assert [r.detail for r in told if r.kind is ReasonKind.LIKED and not r.paper_id] == [""]


def test_it_gives_one_topic_beside_nine_of_one_theme_its_turn() -> None:
    many = [paper(4000 + n, f"Video diffusion frames {n}", THEMES["video"]) for n in range(30)]
    words = "video;diffusion;video diffusion;text to video;frames;video synthesis;temporal consistency;video frames"
    found = one(day([*NEW, *many]), Preferences(topics=(*words.split(";"), "protein"), size=10))
    assert {c.paper_id for c in found} & {p.id for p in NEW if theme_of(p) == "protein"}


def test_it_gives_a_few_votes_among_many_on_one_theme_their_turn() -> None:
    many = [paper(4000 + n, f"Video diffusion frames {n}", THEMES["video"]) for n in range(30)]
    votes = up(*of_theme("video"), *of_theme("protein")[:2])
    found = one(day([*NEW, *many]), Preferences(size=10), votes)
    assert {c.paper_id for c in found} & {p.id for p in NEW if theme_of(p) == "protein"}
    assert sum(c.paper_id >= 4000 for c in found) >= 5
