"""The frozen, ordered papers for one subscriber and one local date."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from digest.papers.paper import Paper
from digest.ranking.choice import Reason


class Kind(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    FIRST = "first"  # right after confirming: the best of the last days
    CATCH_UP = "catch_up"  # after a pause or an outage: the best of the missed days
    QUIET = "quiet"  # nothing to send, and the reader asked to be told


class Pick(NamedTuple):
    """A paper in an edition and why it is there; the strongest reason first.

    `votes` and `votes_gained` (within a day) are as they were when the edition was frozen, so a
    retried mail is the same bytes.
    """

    paper: Paper
    reasons: tuple[Reason, ...]
    votes: int | None = None
    votes_gained: int | None = None
    is_second_chance: bool = False


class Edition(NamedTuple):
    """Unique by (subscriber, date). `weighed` is how many candidates were looked at, `next_on` the day of the next one.

    `read_to_at` is when the newest paper came in that could be looked at: the next edition begins after it.
    """

    id: int
    subscriber_id: int
    dated_on: date
    kind: Kind
    picks: tuple[Pick, ...]
    weighed: int
    covers_from: date
    covers_to: date
    next_on: date | None
    frozen_at: datetime
    quiet_reason: str | None = None
    read_to_at: datetime | None = None
