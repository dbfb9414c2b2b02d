"""What tastes rest on, one by one: the topics that readers declared and the papers they spoke of, as weighted rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.ranking.algebra import Floats
from digest.ranking.profile import Profile, less_of_each
from digest.ranking.space import Shelf, Space
from digest.ranking.votes import NOTHING, faded, weights
from digest.subscribers.subscriber import Preferences

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """What the tastes of n readers are sums of.

    `raw` n x width are the sums, their parts not weighed yet. `weights` n x sources say of what: `rows` sources x
    width, first every topic that any of them declared (`topics`), then every paper that any of them spoke of or passed
    over (`paper_ids`); within a row of `weights` columns ascend. `liked` (n,) says how much each has liked, in papers.
    """

    raw: Floats
    weights: sp.csr_array
    rows: Floats
    topics: tuple[str, ...]
    topic_counts: Places
    paper_ids: Places
    liked: Floats

    def of(self, reader: int) -> tuple[NDArray[np.int32], Floats, int]:
        """The sources of one reader, their weights, and how many of them are topics: these stand first."""
        entries = slice(*self.weights.indptr[reader : reader + 2])
        return self.weights.indices[entries], self.weights.data[entries], int(self.topic_counts[reader])


class Entries(NamedTuple):
    """One weight after the other, of which reader and for which source."""

    readers: Places
    sources: Places
    weights: Floats


def topics_of(preferences: Preferences) -> tuple[str, ...]:
    """The declared topics, each once, none empty."""
    return tuple(dict.fromkeys(topic.strip() for topic in preferences.topics if topic.strip()))


def gather(
    asked: Sequence[Preferences],
    profiles: Sequence[Profile | None],
    passed: Sequence[Sequence[int]],
    space: Space,
    shelf: Shelf,
    now: datetime,
) -> Evidence:
    """The evidence of many readers; `passed` are the ids of the papers that each passed over.

    Raises ValueError for a profile of another model: its numbers mean nothing here.
    """
    if others := {one.version for one in profiles if one} - {space.version}:
        raise ValueError(f"profiles of model {', '.join(others)} do not fit model {space.version}")
    count = len(asked)
    declared = [topics_of(preferences) for preferences in asked]
    meant = [space.meant(own) for own in declared]
    spelled = dict(zip(chain.from_iterable(meant), chain.from_iterable(declared), strict=True))
    topics = {topic: column for column, topic in enumerate(spelled)}
    topic_counts = np.array([len(own) for own in declared], np.int64)
    told = _told(profiles, space, shelf, now)
    liked = np.bincount(told.readers, np.maximum(told.weights, 0), count).astype(np.float32)
    silent = _passed(passed, liked, topic_counts, space, shelf)
    papers, columns = np.unique(np.concatenate([told.sources, silent.sources]), return_inverse=True)
    columns += len(topics)
    rows = np.vstack([space.topic_rows(tuple(topics)), shelf.rows(papers)])
    shape = (count, len(rows))
    wished = Entries(
        np.repeat(np.arange(count), topic_counts),
        np.array([topics[topic] for topic in chain.from_iterable(meant)], np.int64),
        np.full(topic_counts.sum(), space.parameters.topic_weight, np.float32),
    )
    told, silent = (
        told._replace(sources=columns[: len(told.sources)]),
        silent._replace(sources=columns[len(told.sources) :]),
    )
    raw = np.asarray(_matrix([wished, silent], shape) @ rows, np.float32)
    _add_sums(raw, profiles, space, now)
    return Evidence(
        raw,
        _matrix([wished, told, silent], shape),
        rows,
        tuple(spelled.values()),
        topic_counts,
        shelf.ids[papers],
        liked,
    )


def _told(profiles: Sequence[Profile | None], space: Space, shelf: Shelf, now: datetime) -> Entries:
    """What was said of papers on the shelf, faded to now; sources are places on the shelf."""
    told = [NOTHING if one is None else one.told for one in profiles]
    flat = np.concatenate(told)
    places = shelf.places(flat["paper_id"])
    readers = np.repeat(np.arange(len(told)), [len(own) for own in told])
    known = places >= 0
    return Entries(readers[known], places[known], weights(flat[known], now.timestamp(), space.parameters))


def _passed(
    passed: Sequence[Sequence[int]], liked: Floats, topic_counts: Places, space: Space, shelf: Shelf
) -> Entries:
    """What was passed over and is on the shelf."""
    places = shelf.places(np.fromiter(chain.from_iterable(passed), np.int64))
    readers = np.repeat(np.arange(len(passed)), [len(own) for own in passed])[places >= 0]
    less = less_of_each(liked, topic_counts, np.bincount(readers, minlength=len(passed)), space.parameters)
    return Entries(readers, places[places >= 0], less[readers])


def _add_sums(raw: Floats, profiles: Sequence[Profile | None], space: Space, now: datetime) -> None:
    kept = [(reader, one) for reader, one in enumerate(profiles) if one is not None]
    if kept:
        left = faded(now.timestamp() - np.array([one.summed_at for _, one in kept]), space.parameters)
        sums = np.stack([one.vector for _, one in kept])
        raw[[reader for reader, _ in kept]] += sums * left[:, None].astype(np.float32)


def _matrix(several: Sequence[Entries], shape: tuple[int, int]) -> sp.csr_array:
    """Readers x sources, the columns of each row ascending."""
    readers, sources, weights = (np.concatenate(column) for column in zip(*several, strict=True))
    order = np.lexsort((sources, readers))
    starts = np.concatenate([[0], np.cumsum(np.bincount(readers, minlength=shape[0]))])
    entries = weights[order].astype(np.float32), sources[order].astype(np.int32), starts.astype(np.int32)
    return sp.csr_array(entries, shape=shape)
