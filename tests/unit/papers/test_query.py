from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.papers.query import STOP_WORDS, Query, excerpt, fold, mark, parse, stem
from digest.papers.search import spelt_for_postgresql, spelt_for_sqlite


def test_it_reads_words_phrases_and_what_to_leave_out() -> None:
    query = parse('Video "state of the art" -robot')
    assert query == Query((("video",), ("state", "of", "the", "art")), (("robot",),))


@pytest.mark.parametrize("typed", ["", "   ", '"', '""', "*", "%", "_", "the of", "-", "()", "'", "\x00", "--", ":::"])
def test_it_takes_anything_without_words_as_nothing(typed: str) -> None:
    assert not parse(typed)


def test_it_parts_hyphens_and_drops_accents() -> None:
    assert parse("multi-modal Gödel").wanted == (("multi", "modal"), ("godel",))


def test_it_leaves_no_operator_in_the_databases_own_spelling() -> None:
    query = parse('NEAR(a b) OR title:x* AND "c" -"d e"')
    assert spelt_for_sqlite(query) == ['("near a" AND "b" AND "title x" AND "c") NOT "d e"']
    assert spelt_for_postgresql(query) == ['"near a"', '"b"', '"title x"', '"c"', '-"d e"']


def test_it_asks_postgresql_for_both_numbers_of_a_word_without_a_vowel() -> None:
    assert spelt_for_postgresql(parse('LLM "small CNNs" -GPTs CSS')) == [
        '"llm" or "llms"', '"small cnns" or "small cnn"', '"css"', '-"gpts"', '-"gpt"'
    ]  # fmt: skip


def test_it_marks_a_short_form_in_both_numbers() -> None:
    for typed, text in (("LLM", "Two LLMs"), ("LLMs", "An LLM")):
        assert [run.text for run in mark(text, parse(typed)) if run.is_hit] == [text.split()[-1]]


def test_it_marks_all_forms_of_a_word_and_keeps_the_text() -> None:
    text = "Training <b>trained</b> trains, and a trainer."
    runs = mark(text, parse("train"))
    assert "".join(run.text for run in runs) == text
    assert [run.text for run in runs if run.is_hit] == ["Training", "trained", "trains", "trainer"]


@given(
    st.text("abtrainedsTRAINéÉſKßﬁ_-. 1", max_size=40),
    st.text("abtrainedsTRAINéſKßﬁ ", min_size=1, max_size=12),
)
@settings(max_examples=300)
def test_it_marks_every_word_that_shares_a_stem_and_no_other(text: str, typed: str) -> None:
    query = parse(typed)
    stems = {stem(word) for phrase in query.wanted for word in phrase if word not in STOP_WORDS}
    words = [word for word in re.findall(r"[^\W_]+", text) if stems & {stem(one) for one in fold(word)}]
    assert [run.text for run in mark(text, query) if run.is_hit] == words


def test_it_cuts_an_excerpt_around_the_first_hit() -> None:
    text = "word " * 200 + "needle " + "word " * 200
    cut = excerpt(text, parse("needle"))
    assert "needle" in cut
    assert cut.startswith("… ")
    assert cut.endswith(" …")
    assert len(cut) < 300
