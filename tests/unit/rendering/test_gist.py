from __future__ import annotations

from digest.rendering.gist import GIST_MAX, SHORT_MAX, gist, shortened

ABSTRACT = (
    "Language models are large. Prior work has looked at this. We propose a method that makes them small. "
    "It rests on an old idea. An ablation follows. Experiments show that it outperforms earlier work by 2.4 points. Code is public."
)


def test_it_takes_the_first_two_sentences_of_the_sources_own_summary() -> None:
    assert gist("One thing is done. It helps a lot. More is said.", ABSTRACT) == "One thing is done. It helps a lot."


def test_it_says_what_was_done_and_what_came_of_it() -> None:
    assert (
        gist(None, ABSTRACT)
        == "We propose a method that makes them small. Experiments show that it outperforms earlier work by 2.4 points."
    )


def test_it_takes_a_short_abstract_whole() -> None:
    assert gist(None, "Only this. And that.") == "Only this. And that."
    assert gist(None, "") == ""


def test_it_cuts_an_endless_sentence_after_a_whole_word() -> None:
    said = gist(None, "word " * 500)
    assert len(said) <= GIST_MAX
    assert said.endswith("word…")


def test_it_cuts_no_formula() -> None:
    said = gist(None, "x" * (GIST_MAX - 20) + " holds for $a + b + c + d + e + f + g + h$ and more of it")
    assert "$" not in said


def test_it_shortens_to_one_sentence() -> None:
    assert shortened("First thing. Second thing.") == "First thing."
    assert len(shortened("word " * 300)) <= SHORT_MAX


def test_it_prefers_sentences_that_are_not_a_row_of_long_words() -> None:
    heavy = "We propose effective hierarchical representation learning frameworks enabling controllable generation everywhere."
    assert (
        gist(None, f"{heavy} We show that it works. The gain is small. It outperforms others.")
        == "We show that it works. It outperforms others."
    )
    assert gist(heavy, "We show that it works.") == "We show that it works."
    assert gist(heavy, "") == heavy
    assert gist(None, heavy) == heavy
