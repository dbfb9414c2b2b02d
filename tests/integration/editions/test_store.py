from __future__ import annotations

from datetime import date

from sqlalchemy import Engine

from digest.editions import store
from digest.editions.build import build
from digest.editions.plan import plan
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
