"""What a reader is interested in, kept apart: topics and liked papers in groups, so that each gets its turn in a list."""

from __future__ import annotations

from typing import Any

import numpy as np

from digest.ranking.algebra import Floats
from digest.ranking.evidence import Evidence, Places
from digest.ranking.parameters import Parameters

MOST = 6  # interests that votes can make: more of them have no turns in a list of ten
FEWEST_LIKES = 2  # of an interest: one paper alone may have been liked for anything


def served(found: Evidence, fits: Floats, smooth: slice, parameters: Parameters) -> Places:
    """Which interest of its reader each paper serves best, readers x papers; -1 for none, or where there are not two.

    `fits` sources x papers: how near each source is to each paper. `smooth` is where in its row a source's theme lies.
    """
    chosen = np.full((found.weights.shape[0], fits.shape[1]), -1)
    rows = np.ascontiguousarray(found.rows[:, smooth])
    topics = rows[: len(found.topics)]
    alike = topics @ topics.T > parameters.topics_alike
    likes = found.liked > 0
    for count in np.unique(found.topic_counts[~likes & (found.topic_counts > 1)]):
        readers = np.flatnonzero(~likes & (found.topic_counts == count))
        columns = found.weights.indices[found.weights.indptr[readers][:, None] + np.arange(count)]
        chosen[readers] = _nearest(_topic_groups(columns, alike), fits[columns], parameters)
    for reader in np.flatnonzero(likes).tolist():
        columns, weights, count = found.of(reader)
        columns = columns[weights > 0]
        declared = _topic_groups(columns[None, :count], alike)[0] if count else np.zeros(0, np.int64)
        groups = grouped(declared, rows[columns], parameters)
        if groups.max() > 0:
            own = groups >= 0
            chosen[reader] = _nearest(groups[None, own], fits[None, columns[own]], parameters)[0]
    return chosen


def _topic_groups(columns: Any, alike: Any) -> Places:
    """Readers x topics: each topic with the first that is like it, and named by that one's place: the first is 0."""
    return np.asarray(alike[columns[:, :, None], columns[:, None, :]].argmax(2))


def _nearest(groups: Places, fits: Floats, parameters: Parameters) -> Places:
    """Readers x papers: the group of the source that comes nearest to each paper, -1 where that is not near.

    `groups` readers x sources, `fits` readers x sources x papers.
    """
    best = fits.argmax(1)
    is_near = np.take_along_axis(fits, best[:, None], 1)[:, 0] > parameters.interest_fit
    are_several = groups.max(1, keepdims=True) > 0
    return np.where(is_near & are_several, np.take_along_axis(groups, best, 1), -1)


def grouped(declared: Places, rows: Floats, parameters: Parameters) -> Places:
    """The group of each source of one reader, -1 for liked papers that stand alone.

    `declared` are the groups of the topics, whose rows come first in `rows` (sources x smooth part, unit length). Leaders
    one after the other, what is like them joins (Hartigan 1975): the topics, then of the papers left the middle one.
    """
    topics = len(declared)
    groups = np.concatenate([declared, np.full(len(rows) - topics, -1)])
    if topics:
        near = rows[topics:] @ rows[:topics].T
        groups[topics:] = np.where(near.max(1) > parameters.likes_alike, declared[near.argmax(1)], -1)
    for number in range(topics, topics + MOST):
        is_left = groups < 0
        if is_left.sum() < FEWEST_LIKES:
            break
        middle = np.where(is_left, rows @ (is_left.astype(np.float32) @ rows), -np.inf).argmax()
        joins = is_left & (rows @ rows[middle] > parameters.likes_alike)
        if joins.sum() < FEWEST_LIKES:
            break  # the middle one is alone: so are the others
        groups[joins] = number
    return groups
