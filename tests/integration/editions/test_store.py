from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import Engine

from digest.editions import store
from digest.editions.build import Planned, build
from digest.editions.edition import Pick
from digest.editions.plan import plan
from digest.papers.paper import Paper
from digest.papers.store import load_papers
from digest.ranking.choice import Choice, Reason, ReasonKind
from tests.builders import NOW, add_paper, add_subscriber


def test_it_gives_back_an_edition_as_it_was_frozen(engine: Engine) -> None:
    with engine.begin() as connection:
        add_subscriber(connection)
        paper, liked = add_paper(connection), add_paper(connection, "2605.00007")
        papers = load_papers(connection, [paper])
    plan(engine, NOW)
    [planned] = store.claim_planned(engine, "w", 10, NOW)
    reasons = (Reason(ReasonKind.LIKED, 0.5, "An older paper", liked), Reason(ReasonKind.TRENDING, 0.25, "5"))
    choice = Choice(paper, 0.75, reasons)
    edition = build(planned, [choice], papers, {paper: 3}, 1, NOW, "", {liked: date(2026, 6, 6)})
    assert edition
    assert store.freeze(engine, "w", [(planned, edition, "")], NOW) == 1
    assert store.load_editions(engine, [planned.id]) == {planned.id: edition}
    assert edition.picks[0].reasons[0].liked_on == date(2026, 6, 6)


def test_it_makes_a_pick_once_for_all_who_get_it_for_the_same_reasons(engine: Engine) -> None:
    with engine.begin() as connection:
        ann, bob, eve = (add_subscriber(connection, f"{name}@example.org") for name in ("ann", "bob", "eve"))
        paper = add_paper(connection)
        known = load_papers(connection, [paper])
    plan(engine, NOW)
    planned = {one.subscriber_id: one for one in store.claim_planned(engine, "w", 10, NOW)}
    freeze_one(engine, planned[ann], known[paper], Reason(ReasonKind.TRENDING, 0.25, "5"))
    freeze_one(engine, planned[bob], known[paper], Reason(ReasonKind.TRENDING, 0.25, "5"))
    freeze_one(engine, planned[eve], known[paper], Reason(ReasonKind.TOPIC, 0.25, "robots"))
    picks: dict[bytes, Pick] = {}
    first = store.load_editions(engine, [planned[ann].id], known, picks)
    others = store.load_editions(engine, [planned[bob].id, planned[eve].id], known, picks)
    assert others[planned[bob].id].picks[0] is first[planned[ann].id].picks[0]
    assert [one.kind for one in others[planned[eve].id].picks[0].reasons] == [ReasonKind.TOPIC]
    assert all(pick.paper is known[paper] for pick in picks.values())


def freeze_one(engine: Engine, planned: Planned, paper: Paper, reason: Reason) -> None:
    edition = build(planned, [Choice(paper.id, 0.25, (reason,))], {paper.id: paper}, {}, 1, NOW, "", {})
    assert store.freeze(engine, "w", [(planned, edition, "")], NOW) == 1


def test_it_knows_what_a_reader_was_sent_lately(engine: Engine) -> None:
    with engine.begin() as connection:
        ann, bob = (add_subscriber(connection, f"{name}@example.org") for name in ("ann", "bob"))
        paper = add_paper(connection)
        known = load_papers(connection, [paper])
    plan(engine, NOW)
    for planned in store.claim_planned(engine, "w", 10, NOW):
        if planned.subscriber_id == ann:
            freeze_one(engine, planned, known[paper], Reason(ReasonKind.TRENDING, 0.25, "5"))
            sent = planned
    with engine.connect() as connection:
        assert store.load_seen(connection, [ann, bob], sent.dated_on) == {ann: {paper: sent.id}}
        assert store.load_seen(connection, [ann, bob], sent.dated_on + timedelta(days=1)) == {}
