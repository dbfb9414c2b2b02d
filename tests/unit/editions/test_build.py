from __future__ import annotations

from datetime import date

from digest.editions.build import told
from digest.ranking.choice import Reason, ReasonKind

TOPIC = Reason(ReasonKind.TOPIC, 1.0, "video")
READERS = Reason(ReasonKind.READERS, 0.2)
TRENDING = Reason(ReasonKind.TRENDING, 0.19, "5")
DISLIKED = Reason(ReasonKind.DISLIKED, -0.3)
FRESH = Reason(ReasonKind.FRESH, 0.0)


def said(reasons: list[Reason]) -> list[Reason]:
    return told(reasons, {})


def plain(*reasons: Reason) -> list[Reason]:
    return [reason._replace(contribution=0.0) for reason in reasons]


def test_it_tells_what_made_a_fifth_or_more_of_the_strongest_reason() -> None:
    assert said([TOPIC, READERS, TRENDING, DISLIKED]) == plain(TOPIC, READERS)
    assert said([TOPIC, TRENDING]) == plain(TOPIC)
    assert said([TRENDING, READERS._replace(contribution=0.1)]) == plain(TRENDING, READERS)


def test_it_tells_two_reasons_at_most() -> None:
    assert said([TOPIC, TOPIC._replace(detail="speech"), READERS]) == plain(TOPIC, TOPIC._replace(detail="speech"))


def test_it_tells_nothing_that_takes_away() -> None:
    assert said([DISLIKED]) == said([]) == []


def test_it_tells_that_a_paper_is_new_where_there_is_nothing_else_to_say() -> None:
    assert said([FRESH]) == plain(FRESH)


def test_it_tells_when_the_paper_was_liked_that_this_one_is_like() -> None:
    like = Reason(ReasonKind.LIKED, 0.5, "A title", 7)
    assert told([like, TOPIC], {7: date(2026, 6, 1)})[0].liked_on == date(2026, 6, 1)
    assert told([like], {8: date(2026, 6, 1)})[0].liked_on is None
