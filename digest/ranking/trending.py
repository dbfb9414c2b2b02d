"""What the community votes for, against what is usual for a paper of that age."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import numpy as np

from digest.papers.paper import Paper
from digest.ranking.algebra import Floats
from digest.ranking.parameters import DEFAULT, Parameters


def effective_hours(since: datetime, now: datetime, parameters: Parameters = DEFAULT) -> float:
    """Hours from `since` to `now`, Saturdays and Sundays (UTC) at the slower pace of a weekend; never negative."""
    hours, at = 0.0, since
    while at < now:
        midnight = datetime.combine(at.date() + timedelta(days=1), time(), UTC)
        end = min(midnight, now)
        pace = parameters.weekend_pace if at.weekday() >= 5 else 1.0
        hours += pace * (end - at).total_seconds() / 3600
        at = end
    return hours


def usual(paper: Paper, now: datetime, parameters: Parameters = DEFAULT) -> float:
    """Votes that a middling paper has after this long: its settled votes times the share that has come in by now."""
    return parameters.usual_votes * settled_share(paper, now, parameters)


def settled_share(paper: Paper, now: datetime, parameters: Parameters = DEFAULT) -> float:
    """Of all votes that a paper will get, the share that has come in by now, 0 to 1."""
    since = datetime.combine(paper.listed_on, time(), UTC)
    hours = effective_hours(max(since, now - timedelta(days=30)), now, parameters)
    return 1 - math.exp(-hours / parameters.settle_hours)


def settled_votes(papers: Sequence[Paper], now: datetime, parameters: Parameters = DEFAULT) -> float:
    """Votes that a middling paper ends with here: the geometric mean of those that have nearly all of theirs.

    The usual number of the parameters counts as `usual_votes_papers` more of them: few papers say little.
    """
    over = [p.votes for p in papers if p.votes is not None and settled_share(p, now, parameters) >= 0.95]
    known = parameters.usual_votes_papers
    total = known * math.log1p(parameters.usual_votes) + sum(math.log1p(max(votes, 0)) for votes in over)
    return math.expm1(total / (known + len(over)))


def strength(votes: float, usual_votes: float = 0.0) -> float:
    """Natural log of votes over usual votes, both plus one: 0 is usual, 0.7 twice as many."""
    return math.log1p(max(votes, 0.0)) - math.log1p(usual_votes)


def lift(paper: Paper, now: datetime, parameters: Parameters = DEFAULT) -> float:
    """`strength` of a paper's votes. Votes nobody counted are taken for usual ones; comments part the ties."""
    talk = parameters.comment_weight * math.log1p(max(paper.comments or 0, 0))
    return talk + (0.0 if paper.votes is None else strength(paper.votes, usual(paper, now, parameters)))


def terms(lifts: Sequence[float], parameters: Parameters = DEFAULT) -> Floats:
    """The trending terms of a day's papers: lifts in units of their own spread, so that no day of many votes drowns tastes.

    On a day of few papers the spread is mostly the usual one.
    """
    found = np.array(lifts, np.float32)
    known = parameters.usual_spread_papers
    variance = (known * parameters.usual_spread**2 + len(found) * float(found.var() if len(found) else 0)) / (
        known + len(found)
    )
    most = parameters.trend_most
    return np.asarray(parameters.trend_weight * most * np.tanh(found / math.sqrt(variance) / most), np.float32)


def late_risers(papers: list[Paper], now: datetime, parameters: Parameters = DEFAULT) -> list[Paper]:
    """Of papers whose day is over, those that have risen well above the usual since: the strongest few."""
    lifts = [
        (strength(paper.votes, usual(paper, now, parameters)), paper) for paper in papers if paper.votes is not None
    ]
    risen = [(lift, paper) for lift, paper in lifts if lift >= parameters.second_chance_lift]
    risen.sort(key=lambda pair: (-pair[0], pair[1].id))
    return [paper for _, paper in risen[: parameters.second_chances_a_day]]
