"""What ranking gives to an edition: papers in order, each with the terms of its score."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple


class ReasonKind(StrEnum):
    TOPIC = "topic"  # detail: the reader's own words
    LIKED = (
        "liked"  # detail: title of the paper that the reader liked; paper_id: its id; liked_on: the day, where known
    )
    AUTHOR = "author"  # detail: the followed name
    ORGANISATION = "organisation"  # detail: the followed name
    READERS = "readers"  # other subscribers with a taste like this
    TRENDING = "trending"  # detail: votes, or votes gained since yesterday, as text of a number
    FRESH = "fresh"  # nothing but its date speaks for it
    SECOND_CHANCE = "second_chance"  # it rose after its day; detail: its votes
    DISLIKED = "disliked"  # takes away: papers that the reader wants less of


class Reason(NamedTuple):  # some fifteen a mail are made again while sending: a third of the cost of a frozen dataclass
    """One term of the score. The contributions of a choice sum to its score."""

    kind: ReasonKind
    contribution: float
    detail: str = ""
    paper_id: int | None = None
    liked_on: date | None = None

    @property
    def is_about_taste(self) -> bool:
        """Whether a reader may want less of it; of a paper's date there is no less."""
        return self.kind is not ReasonKind.FRESH


@dataclass(frozen=True, slots=True)
class Choice:
    paper_id: int
    score: float
    reasons: tuple[Reason, ...] = ()
