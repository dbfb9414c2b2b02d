from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from digest.editions.candidates import Window, _voted_on
from digest.papers.paper import Paper
from digest.ranking.choice import Choice, Reason, ReasonKind
from digest.ranking.profile import Profile
from digest.ranking.rank import Reader
from digest.ranking.votes import Signal, Vote, said
from digest.subscribers.subscriber import Preferences
from tests.builders import NOW


def paper(seen_hours_ago: float, listed_days_ago: int) -> Paper:
    seen_at, listed_on = NOW - timedelta(hours=seen_hours_ago), NOW.date() - timedelta(days=listed_days_ago)
    return Paper(
        1,
        "2606.00001",
        "T",
        "A",
        None,
        (),
        None,
        (),
        (),
        None,
        listed_on,
        seen_at,
        None,
        None,
        None,
        None,
        None,
        "file",
    )


@pytest.mark.parametrize(
    ("seen_hours_ago", "listed_days_ago", "is_new"),
    [(3, 0, True), (3, 2, True), (30, 0, False), (3, 30, False)],
    ids=["today", "read late", "seen before", "back-filled"],
)
def test_it_takes_for_new_what_was_first_seen_since_and_listed_of_late(
    seen_hours_ago: float, listed_days_ago: int, is_new: bool
) -> None:
    window = Window(NOW - timedelta(hours=24), date(2026, 6, 5))
    assert window.has(paper(seen_hours_ago, listed_days_ago)) is is_new


def test_it_dates_a_vote_by_the_readers_own_calendar() -> None:
    told = said([Vote(7, Signal.UP, NOW.replace(hour=23)), Vote(8, Signal.UP, NOW)])
    reader = Reader(1, Preferences(timezone="Asia/Tokyo"), Profile("1", told, np.zeros(0, np.float32), 0.0))
    choices = [Choice(1, 0.5, (Reason(ReasonKind.LIKED, 0.5, "Liked", 7), Reason(ReasonKind.TRENDING, 0.1)))]
    assert _voted_on(reader, choices) == {7: date(2026, 6, 10)}
