from __future__ import annotations

import pytest

from digest.rendering.view import card, counts, is_welcome, without_markup
from digest.rendering.wording import words_for
from tests.unit.rendering.samples import SENDER, a_paper

WORDS = words_for("en")


def test_it_keeps_a_count_and_its_noun_together_and_says_nothing_of_none() -> None:
    assert counts(WORDS, 90, 1) == " · 90\xa0votes · 1\xa0comment"
    assert counts(WORDS, 0, 0) == counts(WORDS, None, None) == ""


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("<b>Bold</b> claims", "Bold claims"),
        ("<script>alert(1)</script> Attack", "alert(1) Attack"),
        ("<img src=x onerror=alert(1)> learning", "learning"),
        ("H<sub>2</sub>O<br>again", "H2O again"),
        ("When a < b and c > d", "When a < b and c > d"),
        ("When a <b and c> d", "When a <b and c> d"),
        ("The <EOS> token and <pad>", "The <EOS> token and <pad>"),
        ("<br>", "<br>"),
    ],
)
def test_it_takes_away_markup_and_nothing_that_only_looks_like_it(given: str, shown: str) -> None:
    assert without_markup(given) == shown


@pytest.mark.parametrize(
    "url",
    [
        None,
        "http://example.org/",
        "https://bit.ly/x",
        "https://127.0.0.1/",
        "javascript:alert(1)",
        "https://user@example.org/",
    ],
)
def test_it_shows_no_link_that_a_reader_should_not_follow(url: str | None) -> None:
    assert not is_welcome(url)
    shown = card(a_paper(code_url=url, project_url=url, comments=None), WORDS, SENDER).links
    assert [link.label for link in shown] == ["Abstract", "PDF"]


def test_it_links_a_paper_without_arxiv_id_to_its_own_page() -> None:
    shown = card(a_paper(7, key="file:seven", code_url=None, project_url=None), WORDS, SENDER)
    assert [link.url for link in shown.links] == ["https://digest.example.org/paper/7"]


def test_it_escapes_an_old_arxiv_id_as_a_path() -> None:
    assert card(a_paper(key="hep-th/9901001"), WORDS, SENDER).url == "https://arxiv.org/abs/hep-th/9901001"


@pytest.mark.parametrize(
    ("title", "is_linked"),
    [("Embodied.cpp: a library", False), ("arxiv.org", False), ("Careful. Thoughts", True), ("GPT-4.5 or not", True)],
)
def test_it_links_no_title_that_looks_like_a_host(title: str, is_linked: bool) -> None:
    assert card(a_paper(title=title), WORDS, SENDER).is_title_linked is is_linked


@pytest.mark.parametrize(
    "url",
    ["https://paper.online/", "https://x.top/a", "https://0a1b2c3d4e.example.org/", "https://kszpxxz.example.org/"],
)
def test_it_leaves_out_a_link_that_spam_filters_hold_against_the_mail(url: str) -> None:
    assert not is_welcome(url)
