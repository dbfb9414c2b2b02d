from __future__ import annotations

import pytest

from digest.ranking.replay import SentList, ndcg, replay


def test_it_gives_one_to_the_best_order() -> None:
    assert ndcg([1, 2, 3], {1, 2}) == pytest.approx(1.0)


def test_it_gives_less_the_further_down_a_liked_paper_stands() -> None:
    assert ndcg([3, 1, 2], {1}) == pytest.approx(0.6309, abs=1e-4)
    assert ndcg([3, 2, 1], {1}) == pytest.approx(0.5)


def test_it_sets_the_order_sent_beside_the_trending_one() -> None:
    liked_first = SentList(((1, 3), (2, 50), (3, 7)), frozenset({1}))
    unvoted = SentList(((4, 3), (5, 50)), frozenset())
    found = replay([liked_first, unvoted])
    assert found.editions == 1
    assert found.sent == pytest.approx(1.0)
    assert found.trending == pytest.approx(0.5)


def test_it_says_nothing_without_votes() -> None:
    assert replay([]).sent is None
