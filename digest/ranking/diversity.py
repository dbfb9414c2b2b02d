"""Choosing a list rather than ten single papers: each next paper is weighed against those already chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digest.ranking.algebra import Floats

NEVER = np.float32(-np.inf)


def greedy(
    scores: Floats,
    likeness: Floats,
    sizes: NDArray[np.int64],
    strength: float,
    interests: NDArray[np.int64] | None = None,
    turn: float = 0.0,
) -> NDArray[np.int64]:
    """Positions chosen, readers x the largest size, in order; -1 where a reader gets no more.

    `scores` readers x papers, -inf for what a reader must not get; `likeness` papers x papers in 0..1; `sizes`
    (readers,). Maximal marginal relevance (Carbonell and Goldstein 1998): the likest chosen paper costs `strength`
    standard deviations of the reader's own scores times the likeness. `interests` (readers x papers) number the interest
    that each paper serves, -1 for none: every paper chosen puts the others of its interest back by `turn` deviations, and
    those of none with them, or they would walk in while interests wait for one another.
    """
    readers, papers = scores.shape
    longest = int(min(sizes.max(initial=0), papers))
    chosen = np.full((readers, longest), -1, np.int64)
    left = scores.copy()
    cost = (strength * _spread(scores))[:, None]
    nearest = np.zeros_like(scores)
    crowded = np.zeros_like(scores)
    wait = (turn * _spread(scores))[:, None]
    everyone = np.arange(readers)
    for place in range(longest):
        best = np.argmax(left - cost * nearest - crowded, axis=1)
        gets = (left[everyone, best] > NEVER) & (place < sizes)
        chosen[gets, place] = best[gets]
        left[everyone, best] = NEVER
        np.maximum(nearest, likeness[best], out=nearest)
        if interests is not None:
            served = interests[everyone, best][:, None]
            crowded += wait * ((interests == served) | (interests < 0))
    return chosen


def _spread(scores: Floats) -> Floats:
    """Standard deviation of each row over its finite entries; 0 where there are none."""
    allowed = np.isfinite(scores)
    count = np.maximum(allowed.sum(1), 1)
    kept = np.where(allowed, scores, 0)
    mean = kept.sum(1) / count
    far = np.where(allowed, scores - mean[:, None], 0)
    return np.asarray(np.sqrt((far**2).sum(1) / count), np.float32)
