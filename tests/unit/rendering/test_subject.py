from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.editions.edition import Kind
from digest.rendering.subject import subject_of
from digest.rendering.wording import words_for

ENGLISH = words_for("en")
DAY = date(2026, 6, 9)


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=300),
    st.integers(1, 62),
    st.sampled_from(Kind),
    st.sampled_from(["en", "de"]),
)
def test_it_is_under_60_letters_and_on_one_line(title: str, shown: int, kind: Kind, language: str) -> None:
    subject = subject_of(words_for(language), kind, DAY, shown, title)
    assert 10 <= len(subject) < 60
    assert all(letter.isprintable() or letter in "\u200d\u3000\xa0" for letter in subject)
    assert subject.strip() == subject


def test_it_is_the_first_title_and_the_count() -> None:
    assert (
        subject_of(ENGLISH, Kind.DAILY, DAY, 10, "Sparse attention for long documents")
        == "Sparse attention for long documents and 9 more"
    )
    assert (
        subject_of(ENGLISH, Kind.DAILY, DAY, 1, "Sparse attention for long documents")
        == "Sparse attention for long documents"
    )
    assert (
        subject_of(ENGLISH, Kind.WEEKLY, DAY, 3, "Sparse attention for long documents")
        == "This week: Sparse attention for long documents and 2 more"
    )


@pytest.mark.parametrize(
    "title",
    [
        "A SHOUTED TITLE ABOUT ALL",
        "Re: your invoice",
        "{{ 7*7 }} is a template",
        "Act now!! Really",
        "Is None enough?",
        r"Raw $\alpha$ tex",
    ],
)
def test_it_gives_way_where_a_title_would_look_broken_or_faked(title: str) -> None:
    assert subject_of(ENGLISH, Kind.DAILY, DAY, 10, title) == "10 papers for Tuesday, June 9"


def test_it_gives_way_where_a_title_is_too_short_for_a_subject() -> None:
    assert subject_of(ENGLISH, Kind.DAILY, DAY, 1, "X") == "1 paper for Tuesday, June 9"


def test_it_drops_what_turns_the_direction() -> None:
    assert "\u202e" not in subject_of(ENGLISH, Kind.DAILY, DAY, 2, "Attention \u202ereversed and more words")
