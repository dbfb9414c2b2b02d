"""What readers said of papers: votes up and down, clicks, and silence where others of the same mail were voted for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digest.ranking.algebra import Floats
from digest.ranking.parameters import Parameters


class Signal(StrEnum):
    UP = "up"
    DOWN = "down"
    CLICK = "click"


@dataclass(frozen=True, slots=True)
class Vote:
    """What a reader said of a paper, and when; a click counts only where click tracking is on."""

    paper_id: int
    signal: Signal
    at: datetime


SAID = np.dtype([("paper_id", "<i8"), ("at", "<f8"), ("signal", "<i1")])  # at: Unix seconds; signal: place in Signal
Said = NDArray[np.void]  # of SAID, one entry a paper, ids ascending
NOTHING: Said = np.zeros(0, SAID)
_SIGNALS = tuple(Signal)
_DAY = 86_400


def said(votes: Iterable[Vote]) -> Said:
    """The last word on each paper; a vote outranks a click, whichever came last."""
    words: dict[int, Vote] = {}
    for vote in sorted(votes, key=lambda vote: (vote.signal is not Signal.CLICK, vote.at)):
        words[vote.paper_id] = vote
    entries = [(vote.paper_id, vote.at.timestamp(), _SIGNALS.index(vote.signal)) for vote in words.values()]
    return np.array(sorted(entries), SAID)


def with_word(told: Said, word: Said) -> Said:
    """`told` and one word more, on a paper that it does not speak of."""
    place = told["paper_id"].searchsorted(word["paper_id"][0])
    return np.concatenate([told[:place], word, told[place:]])


def weights(told: Said, at: float, parameters: Parameters) -> Floats:
    """What each word counts at that time (Unix seconds), faded since it was said; negative for what was voted down."""
    strength = np.array([1.0, -parameters.dislike_weight, parameters.click_weight])
    return np.asarray(strength[told["signal"]] * faded(at - told["at"], parameters), np.float32)


def faded(seconds: Any, parameters: Parameters) -> Any:
    """The share (a number, or as many as are given) that is left of a word after so long; all of one from the future."""
    return 0.5 ** (np.maximum(seconds, 0) / (_DAY * parameters.half_life_days))


def passed_over(mail_of: Mapping[int, int], told: Said) -> list[int]:
    """Papers that were in one mail (`mail_of` paper id -> mail) with a paper voted up, and of which nothing was said."""
    liked = told["paper_id"][told["signal"] == _SIGNALS.index(Signal.UP)].tolist()
    mails = {mail_of[id] for id in liked if id in mail_of}
    spoken_of = set(told["paper_id"].tolist()) if mails else set()
    return sorted(id for id, mail in mail_of.items() if mail in mails and id not in spoken_of)
