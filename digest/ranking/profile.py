"""A reader's taste as one vector, ready for one product with the papers of a day; made anew whenever it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.ranking.algebra import Floats
from digest.ranking.evidence import Vote, gather, less_of_each
from digest.ranking.space import Shelf, Space
from digest.subscribers.subscriber import Preferences


def tastes(
    declared: sp.csr_array, topics: Floats, liked: sp.csr_array, passed: sp.csr_array, papers: Floats, space: Space
) -> Floats:
    """Many tastes at once, readers x width, all votes fresh.

    `declared` readers x topics and `topics` topics x width; `liked` and `passed` readers x papers, ones where liked
    or passed over, and `papers` papers x width.
    """
    parameters = space.parameters
    likes = np.asarray(liked.sum(axis=1), np.float32)
    rests_on = likes + parameters.topic_weight * np.asarray(declared.sum(axis=1), np.float32)
    less = sp.diags_array(less_of_each(rests_on, np.asarray(passed.sum(axis=1)), parameters))
    raw = parameters.topic_weight * (declared @ topics) + liked @ papers + less @ (passed @ papers)
    return finish(np.asarray(raw, np.float32), likes, space)


def build(preferences: Preferences, votes: Sequence[Vote], space: Space, shelf: Shelf, now: datetime) -> Floats:
    """The taste of one reader, (width,): its product with a paper's row is the paper's score before trending."""
    found = gather([preferences], [votes], space, shelf, now)
    return np.asarray(finish(found.raw, found.liked, space)[0], np.float32)


def finish(raw: Floats, liked: NDArray[np.float32], space: Space) -> Floats:
    """Raw sums (n x width) to score-ready tastes; `liked` (n,) says how much each rests on."""
    return raw * space.stretch(factors(raw, liked, space))


def factors(raw: Floats, liked: NDArray[np.float32], space: Space) -> Floats:
    """n x 4: what the parts of raw sums are multiplied by."""
    return space.balance(raw, part_weights(liked, space))


def part_weights(liked: NDArray[np.float32], space: Space) -> Floats:
    """n x 4: few likes lean on the smooth part, many on the sharp one; the co-read part grows with the crowd.

    Where there is a part for meaning it takes its share from the other two of the text.
    """
    parameters = space.parameters
    rests_on = liked + parameters.sharp_start
    sharp = rests_on / (rests_on + parameters.sharp_after)
    likes = space.crowd.likes
    coread = parameters.crowd_weight * likes / (likes + parameters.crowd_half)
    loudness = np.sqrt(1 + coread**2)  # so that a taste is as loud beside trending in any crowd
    meaning = parameters.meaning_share if space.model.meaning else 0.0
    words = 1 - meaning
    parts = [words * (1 - sharp), words * sharp, np.full_like(sharp, meaning), np.full_like(sharp, coread)]
    return np.asarray(np.stack(parts, axis=1) / loudness, np.float32)
