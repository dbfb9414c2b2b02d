from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from digest.rendering.layout import CARDS, Form, Sizes, plan

some_sizes = st.tuples(st.integers(100, 4000), st.integers(50, 2000), st.integers(20, 900)).map(
    lambda s: Sizes(*sorted(s, reverse=True))
)


def taken(papers: list[Sizes], forms: list[Form]) -> int:
    return sum(0 if form is Form.COUNTED else sizes[form] for sizes, form in zip(papers, forms, strict=True))


@given(st.lists(some_sizes, max_size=70), st.integers(0, 80_000))
def test_it_fits_the_room_and_never_gives_a_later_paper_more(papers: list[Sizes], room: int) -> None:
    forms = plan(papers, room)
    assert taken(papers, forms) <= room
    assert forms == sorted(forms)


@given(st.lists(some_sizes, min_size=1, max_size=70))
def test_it_shows_all_in_full_where_there_is_room(papers: list[Sizes]) -> None:
    assert set(plan(papers, sum(one.full for one in papers))) == {Form.FULL}


def test_it_shrinks_the_last_papers_first_and_keeps_the_first_ones_whole() -> None:
    papers = [Sizes(2000, 1000, 300)] * 62
    forms = plan(papers, 40_000)
    assert forms[:CARDS] == [Form.FULL] * CARDS
    assert forms[-1] is Form.LINE
    assert Form.COUNTED not in forms


def test_it_counts_what_does_not_even_fit_as_a_line() -> None:
    forms = plan([Sizes(2000, 1000, 300)] * 62, 9_000)
    assert forms == [Form.LINE] * 30 + [Form.COUNTED] * 32
