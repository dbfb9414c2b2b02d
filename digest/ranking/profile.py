"""A reader's taste as one vector, ready for one product with the papers of a day, and the sum of votes that it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.ranking.algebra import Floats
from digest.ranking.parameters import Parameters
from digest.ranking.space import Shelf, Space
from digest.ranking.votes import Said, Vote, faded, said, weights, with_word


@dataclass(frozen=True, slots=True)
class Profile:
    """What a reader said of papers, and it all added up in the space of one model.

    `vector` (width,) is the sum of the papers' rows, each by its weight at `summed_at` (Unix seconds). As all votes
    fade at one pace, it fades as a whole, and a vote is added without the others. Topics are no part of it: they are
    the same for all who typed them, and changing one's topics leaves it as it is.
    """

    version: str
    told: Said
    vector: Floats
    summed_at: float

    def with_vote(self, vote: Vote, row: Floats, parameters: Parameters) -> Profile:
        """And one vote more, on a paper that it does not speak of; `row` (width,) is that paper's."""
        word = said([vote])
        at = max(float(word["at"][0]), self.summed_at)
        vector = self.vector * np.float32(faded(at - self.summed_at, parameters)) + weights(word, at, parameters) * row
        return Profile(self.version, with_word(self.told, word), vector, at)


def profiles(told: Sequence[Said], space: Space, shelf: Shelf, now: datetime) -> list[Profile]:
    """The profiles of many readers at once; what they said of papers that are not on the shelf adds nothing."""
    at = now.timestamp()
    flat = np.concatenate(told) if told else said(())
    reader = np.repeat(np.arange(len(told)), [len(own) for own in told])
    places = shelf.places(flat["paper_id"])
    known = places >= 0
    used, column = np.unique(places[known], return_inverse=True)
    counts = weights(flat[known], at, space.parameters)
    sums = sp.csr_array((counts, (reader[known], column)), shape=(len(told), len(used))) @ shelf.rows(used)
    return [
        Profile(space.version, own, vector, at) for own, vector in zip(told, np.asarray(sums, np.float32), strict=True)
    ]


def tastes(
    declared: sp.csr_array, topics: Floats, liked: sp.csr_array, passed: sp.csr_array, papers: Floats, space: Space
) -> Floats:
    """Many tastes at once, readers x width, all votes fresh.

    `declared` readers x topics and `topics` topics x width; `liked` and `passed` readers x papers, ones where liked
    or passed over, and `papers` papers x width.
    """
    parameters = space.parameters
    likes = np.asarray(liked.sum(axis=1), np.float32)
    less = less_of_each(likes, declared.sum(axis=1), passed.sum(axis=1), parameters)
    raw = parameters.topic_weight * (declared @ topics) + liked @ papers + sp.diags_array(less) @ (passed @ papers)
    return finish(np.asarray(raw, np.float32), likes, space)


def less_of_each(likes: Floats, topics: NDArray[np.int64], passed: NDArray[np.int64], parameters: Parameters) -> Floats:
    """The weight of each paper passed over (n,): all of them together take a share of what the taste rests on."""
    rests_on = likes + parameters.topic_weight * topics
    return np.asarray(-parameters.passed_weight * rests_on / np.maximum(passed, 1), np.float32)


def finish(raw: Floats, liked: Floats, space: Space) -> Floats:
    """Raw sums (n x width) to score-ready tastes; `liked` (n,) says how much each rests on."""
    return raw * space.stretch(factors(raw, liked, space))


def factors(raw: Floats, liked: Floats, space: Space) -> Floats:
    """n x 4: what the parts of raw sums are multiplied by."""
    return space.balance(raw, part_weights(liked, space))


def part_weights(liked: Floats, space: Space) -> Floats:
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
