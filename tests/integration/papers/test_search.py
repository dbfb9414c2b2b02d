from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import Connection, Engine, update

from digest.db.tables import papers
from digest.papers.query import parse
from digest.papers.search import Filters, find
from tests.builders import list_paper


@pytest.fixture
def stored(engine: Engine) -> Engine:
    with engine.begin() as connection:
        list_paper(
            connection, "2606.00001", title="Video diffusion in one step", abstract="We train it.", on=date(2026, 6, 8)
        )
        list_paper(
            connection,
            "2606.00002",
            title="Robots that walk",
            abstract="Trained on video of diffusion.",
            on=date(2026, 6, 9),
        )
        list_paper(
            connection,
            "2606.00003",
            title="Multi-modal models",
            authors=["Jürgen Gödel"],
            organization="Example University",
            code_url="https://example.org/x",
        )
    return engine


def titles(connection: Connection, typed: str, filters: Filters | None = None) -> list[str]:
    return [paper.title for paper in find(connection, parse(typed), filters or Filters()).papers]


def test_it_puts_a_hit_in_the_title_first(stored: Engine) -> None:
    with stored.connect() as connection:
        assert titles(connection, "diffusion video") == ["Video diffusion in one step", "Robots that walk"]


EXPECTED = [
    ("training", {"Video diffusion in one step", "Robots that walk"}),
    ('"video diffusion"', {"Video diffusion in one step"}),
    ("video -robot", {"Video diffusion in one step"}),
    ("godel", {"Multi-modal models"}),
    ("GÖDEL jurgen", {"Multi-modal models"}),
    ("multi modal", {"Multi-modal models"}),
    ("multi-modal", {"Multi-modal models"}),
    ("example university", {"Multi-modal models"}),
    ("the", set()),
    ("zebra", set()),
]


def test_it_finds_the_same_on_both_databases(stored: Engine) -> None:
    with stored.connect() as connection:
        assert [(typed, set(titles(connection, typed))) for typed, _ in EXPECTED] == EXPECTED


def test_it_finds_a_short_form_in_both_numbers(stored: Engine) -> None:
    with stored.begin() as connection:
        list_paper(connection, "2606.00004", title="LLMs that plan", abstract="")
        list_paper(connection, "2606.00005", title="One LLM plans", abstract="")
    both = {"LLMs that plan", "One LLM plans"}
    with stored.connect() as connection:
        for typed in ("LLM", "LLMs", "plan LLM", "planning LLMs"):
            assert set(titles(connection, typed)) == both
        assert not both & set(titles(connection, "plan -LLM"))


HOSTILE = ['"', "a* OR", "NEAR(", "x:y^2", "100%", "_%", "'; DROP TABLE papers; --", "(((", "\\", "-", "AND NOT", "😀"]


def test_it_never_fails_on_what_is_typed(stored: Engine) -> None:
    with stored.connect() as connection:
        for typed in HOSTILE:
            assert find(connection, parse(typed), Filters(organisation=typed)).total == 0


def test_it_filters_by_day_organisation_and_code(stored: Engine) -> None:
    with stored.connect() as connection:
        assert titles(connection, "video", Filters(since=date(2026, 6, 9))) == ["Robots that walk"]
        assert titles(connection, "video", Filters(until=date(2026, 6, 8))) == ["Video diffusion in one step"]
        assert titles(connection, "", Filters(organisation="UNIVERS")) == ["Multi-modal models"]
        assert titles(connection, "", Filters(organisation="%")) == []
        assert titles(connection, "", Filters(has_code=True)) == ["Multi-modal models"]


def test_it_counts_all_and_gives_a_page(stored: Engine) -> None:
    with stored.connect() as connection:
        page = find(connection, parse("video"), Filters(), limit=1, offset=1)
    assert (len(page.papers), page.total) == (1, 2)


def test_it_follows_a_changed_title(stored: Engine) -> None:
    with stored.begin() as connection:
        connection.execute(
            update(papers).where(papers.c.key == "2606.00002").values(title="Cats that walk", abstract="None.")
        )
        assert titles(connection, "robots") == []
        assert titles(connection, "cats") == ["Cats that walk"]
