"""Whether the ranking helps here: the votes a day brought, against the order sent and against the trending order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

DEPTH = 10


@dataclass(frozen=True, slots=True)
class SentList:
    """One edition as it was sent: (paper id, community votes when it was frozen) in order, and what its reader liked."""

    papers: tuple[tuple[int, int], ...]
    liked: frozenset[int]


@dataclass(frozen=True, slots=True)
class Replay:
    """Mean nDCG@10 over the editions that got a vote; None where there were none.

    `better` and `worse` count the editions in which the order sent did better or worse than the trending order.
    """

    editions: int
    sent: float | None
    trending: float | None
    better: int = 0
    worse: int = 0


def replay(lists: Sequence[SentList]) -> Replay:
    """Both orders hold the same papers, those that were sent: of others nobody could vote, so nothing is known.

    That favours the order sent a little: people vote more at the top of a mail (position bias), whatever stands there.
    """
    told = [one for one in lists if any(key in one.liked for key, _ in one.papers)]
    if not told:
        return Replay(0, None, None)
    sent = [ndcg([key for key, _ in one.papers], one.liked) for one in told]
    trending = [ndcg(_by_votes(one), one.liked) for one in told]
    apart = [a - b for a, b in zip(sent, trending, strict=True)]
    better, worse = sum(gap > 0 for gap in apart), sum(gap < 0 for gap in apart)
    return Replay(len(told), sum(sent) / len(told), sum(trending) / len(told), better, worse)


def _by_votes(one: SentList) -> list[int]:
    return [key for key, _ in sorted(one.papers, key=lambda paper: (-paper[1], paper[0]))]


def ndcg(order: Sequence[int], liked: AbstractSet[int], depth: int = DEPTH) -> float:
    """Discounted gain of the liked papers over that of the best order (Jarvelin and Kekalainen 2002); 0 without any."""
    found = sum(1 / math.log2(place + 2) for place, key in enumerate(order[:depth]) if key in liked)
    best = sum(1 / math.log2(place + 2) for place in range(min(len(liked & set(order)), depth)))
    return found / best if best else 0.0
