"""What tastes rest on: the topics that readers declared and what they said of papers, as weighted rows of a space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.ranking.algebra import Floats
from digest.ranking.parameters import Parameters
from digest.ranking.space import Shelf, Space
from digest.subscribers.subscriber import Preferences

Places = NDArray[np.int64]


class Signal(StrEnum):
    UP = "up"
    DOWN = "down"
    CLICK = "click"
    PASSED = "passed"  # it was mailed, others in the same mail were voted for, and it was not


_CODE = {signal: code for code, signal in enumerate(Signal)}
_LOUDNESS = np.array([2, 2, 1, 0])  # a vote outranks a click, and a click silence, whenever they were


@dataclass(frozen=True, slots=True)
class Vote:
    """What a reader said of a paper, and when; a click counts only where click tracking is on."""

    paper_id: int
    signal: Signal
    at: datetime


@dataclass(frozen=True)
class Evidence:
    """What the tastes of n readers are sums of.

    `weights` n x sources, `rows` sources x width: first every topic that any of them declared (`topics`), then every
    paper that any of them spoke of (`paper_ids`); within a row of `weights` columns ascend. `liked` (n,) says how much
    each has liked, in papers.
    """

    weights: sp.csr_array
    rows: Floats
    topics: tuple[str, ...]
    paper_ids: Places
    liked: NDArray[np.float32]

    @cached_property
    def raw(self) -> Floats:
        """The sums, n x width, their parts not weighed yet."""
        return np.asarray(self.weights @ self.rows, np.float32)

    @cached_property
    def topic_counts(self) -> Places:
        """How many topics each reader has, (n,)."""
        readers = np.repeat(np.arange(len(self.liked)), np.diff(self.weights.indptr))
        return np.bincount(readers[self.weights.indices < len(self.topics)], minlength=len(self.liked))

    def of(self, reader: int) -> tuple[NDArray[np.int32], Floats, int]:
        """The sources of one reader, their weights, and how many of them are topics: these stand first."""
        entries = slice(*self.weights.indptr[reader : reader + 2])
        columns = self.weights.indices[entries]
        return columns, self.weights.data[entries], int(np.searchsorted(columns, len(self.topics)))


def topics_of(preferences: Preferences) -> tuple[str, ...]:
    """The declared topics, each once, none empty."""
    return tuple(dict.fromkeys(topic.strip() for topic in preferences.topics if topic.strip()))


def gather(
    asked: Sequence[Preferences], voted: Sequence[Sequence[Vote]], space: Space, shelf: Shelf, now: datetime
) -> Evidence:
    """The evidence of many readers; a reader's last word on a paper counts, votes on unknown papers do not."""
    parameters = space.parameters
    declared = [topics_of(preferences) for preferences in asked]
    topics = {topic: column for column, topic in enumerate(dict.fromkeys(chain.from_iterable(declared)))}
    counts = np.array([len(own) for own in declared], np.int64)
    reader, row, code, days = _last_words(voted, shelf, now)
    said = _weights(code, days, parameters)
    liked = np.bincount(reader, np.maximum(said, 0), len(asked)).astype(np.float32)
    is_passed = _LOUDNESS[code] == 0
    less = less_of_each(
        liked + parameters.topic_weight * counts, np.bincount(reader[is_passed], minlength=len(asked)), parameters
    )
    said[is_passed] = less[reader[is_passed]]
    used, paper = np.unique(row, return_inverse=True)
    readers = np.concatenate([np.repeat(np.arange(len(asked)), counts), reader])
    columns = np.concatenate([[topics[topic] for own in declared for topic in own], paper + len(topics)])
    weights = np.concatenate([np.full(counts.sum(), parameters.topic_weight), said])
    shape = (len(asked), len(topics) + len(used))
    return Evidence(
        _rows(readers, columns, weights, shape),
        np.vstack([space.topic_rows(tuple(topics)), shelf.rows[used]]),
        tuple(topics),
        shelf.ids[used],
        liked,
    )


def _rows(readers: Places, columns: Places, weights: Floats, shape: tuple[int, int]) -> sp.csr_array:
    order = np.lexsort((columns, readers))
    starts = np.concatenate([[0], np.cumsum(np.bincount(readers, minlength=shape[0]))])
    entries = weights[order].astype(np.float32), columns[order].astype(np.int32), starts.astype(np.int32)
    return sp.csr_array(entries, shape=shape)


def _last_words(
    voted: Sequence[Sequence[Vote]], shelf: Shelf, now: datetime
) -> tuple[Places, Places, Places, NDArray[np.float64]]:
    """Reader, row of the shelf, code of the signal and age in days of the loudest, then latest word on each paper."""
    flat = list(chain.from_iterable(voted))
    row = np.array([shelf.row_of.get(vote.paper_id, -1) for vote in flat], np.int64)
    reader = np.repeat(np.arange(len(voted)), [len(votes) for votes in voted])
    code = np.array([_CODE[vote.signal] for vote in flat], np.int64)
    at = np.array([vote.at.timestamp() for vote in flat], np.float64)
    pair = np.where(row < 0, -1, reader * len(shelf.ids) + row)
    order = np.lexsort((at, _LOUDNESS[code], pair))
    is_last = np.append(np.diff(pair[order]) != 0, True)[: len(order)] & (pair[order] >= 0)
    kept = order[is_last]
    days = np.maximum((now.timestamp() - at[kept]) / 86_400, 0)
    return reader[kept], row[kept], code[kept], days


def _weights(code: Places, days: NDArray[np.float64], parameters: Parameters) -> Floats:
    """What each word counts, faded; silence is weighed later, beside what was said."""
    strength = np.array([1.0, -parameters.dislike_weight, parameters.click_weight, 0.0])
    return np.asarray(strength[code] * 0.5 ** (days / parameters.half_life_days), np.float32)


def less_of_each(rests_on: Floats, passed: NDArray[Any], parameters: Parameters) -> Floats:
    """The weight of each paper passed over: all of them together take a share of what the taste rests on."""
    return np.asarray(-parameters.passed_weight * rests_on / np.maximum(passed, 1), np.float32)
