"""Choose and freeze: what a planned day of one reader becomes. Pure but for the values it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from digest.editions.edition import Edition, Kind, Pick
from digest.papers.paper import Paper
from digest.ranking.choice import Choice, Reason, ReasonKind
from digest.subscribers.schedule import local_date
from digest.subscribers.subscriber import Preferences, Quiet

FIRST_DAYS = 7  # the first edition is the best of the last days
LONGEST_DAYS = 14  # nothing older is new to anyone, however long they were away
MOST_TOLD = 2  # reasons under a paper
WORTH_TELLING = 0.2  # of the strongest reason's share of the score


@dataclass(frozen=True, slots=True)
class Planned:
    """A planned row of the ledger, with what is needed to fill it. `since` is up to where the reader's last edition had read."""

    id: int
    subscriber_id: int
    dated_on: date
    kind: Kind
    next_at: datetime | None
    preferences: Preferences
    since: datetime | None
    crashes: int


def window_start(planned: Planned, now: datetime) -> datetime:
    """Candidates are the papers that we first saw after this instant: what is late today comes tomorrow."""
    longest = now - timedelta(days=LONGEST_DAYS)
    if planned.since is None:
        return now - timedelta(days=FIRST_DAYS)
    return max(planned.since, longest)


def build(
    planned: Planned,
    choices: Sequence[Choice],
    papers: Mapping[int, Paper],
    gained: Mapping[int, int],
    weighed: int,
    now: datetime,
    quiet_reason: str,
    voted_on: Mapping[int, date] | None = None,
) -> Edition | None:
    """The edition, or None where there is nothing to send and the reader did not ask to be told.

    `voted_on` is paper id -> the reader's own date on which they voted.
    """
    picks = tuple(pick(choice, papers[choice.paper_id], gained, voted_on or {}) for choice in choices)
    if not picks and (planned.preferences.quiet is not Quiet.TELL or planned.kind is Kind.FIRST):
        return None
    return Edition(
        id=planned.id,
        subscriber_id=planned.subscriber_id,
        dated_on=planned.dated_on,
        kind=planned.kind if picks else Kind.QUIET,
        picks=picks,
        weighed=weighed,
        covers_from=window_start(planned, now).date(),
        covers_to=now.date(),
        next_on=local_date(planned.next_at, planned.preferences.timezone) if planned.next_at else None,
        frozen_at=now,
        quiet_reason=None if picks else quiet_reason,
    )


def pick(choice: Choice, paper: Paper, gained: Mapping[int, int], voted_on: Mapping[int, date]) -> Pick:
    """A choice with all that is said of it: `gained` votes by paper id, `voted_on` as for `build`."""
    is_late = any(reason.kind is ReasonKind.SECOND_CHANCE for reason in choice.reasons)
    reasons = tuple(told(choice.reasons, voted_on))
    return Pick(paper, reasons, paper.votes, gained.get(paper.id), is_late)


def told(reasons: Sequence[Reason], voted_on: Mapping[int, date]) -> list[Reason]:
    """What a reader is told of the terms of a score, strongest first: at most MOST_TOLD, and none that hardly counted.

    Their contributions are left out: they have done their part, and so the same reason of two readers is the same value.
    """
    least = WORTH_TELLING * reasons[0].contribution if reasons else 0.0
    counted = [one for one in reasons if one.kind is ReasonKind.FRESH or one.contribution >= least > 0.0]
    return [
        Reason(kind, 0.0, detail, paper_id, voted_on.get(paper_id) if kind is ReasonKind.LIKED and paper_id else None)
        for kind, _, detail, paper_id, _ in counted[:MOST_TOLD]
    ]
