from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from digest.rendering.columns import WIDTH, columns, wrap

words = st.lists(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=30), max_size=60
)


@given(words, st.integers(0, 8))
def test_it_loses_nothing_but_blanks(given_words: list[str], indent: int) -> None:
    text = " ".join(given_words)
    assert wrap(text, indent).replace("\n", "").replace(" ", "") == "".join(text.split())


@given(st.lists(st.text("abcdefgh深度学习한국어", min_size=1, max_size=20), max_size=60), st.integers(0, 8))
def test_it_keeps_within_the_columns(given_words: list[str], indent: int) -> None:
    assert all(columns(line) <= WIDTH for line in wrap(" ".join(given_words), indent).split("\n"))


def test_it_indents_the_first_line_and_the_others_apart() -> None:
    lines = wrap("* " + "word " * 30, 2, 4).split("\n")
    assert lines[0].startswith("  * word")
    assert all(line.startswith("    word") for line in lines[1:])


def test_it_counts_wide_letters_twice_and_marks_not_at_all() -> None:
    assert columns("深度") == 4
    assert columns("e\u0301") == 1
