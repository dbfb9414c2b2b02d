"""Which papers something fails on: one record of a source must not cost readers the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import structlog

from digest.papers.paper import Paper

log = structlog.get_logger(__name__)
Made = TypeVar("Made")


class NothingSound(Exception):
    """It fails on every paper or on none of them alone: the fault is not in a paper."""


def sparing(papers: Sequence[Paper], work: Callable[[Sequence[Paper]], Made]) -> Made:
    """`work` on all papers, or, where it fails, on those that it does not fail on alone. Raises NothingSound."""
    try:
        return work(papers)
    except Exception:
        log.exception("papers.failed")
        sound = sound_papers(papers, lambda paper: work([paper]))
        return work([paper for paper in papers if paper.id in sound])


def sound_papers(papers: Iterable[Paper], attempt: Callable[[Paper], object]) -> set[int]:
    """Ids of the papers that `attempt` does not fail on; the others are logged. Raises NothingSound."""
    given = {paper.id: paper for paper in papers}
    sound = {id for id, paper in given.items() if _is_sound(paper, attempt)}
    if len(sound) in (0, len(given)):
        raise NothingSound(f"{len(given) - len(sound)} of {len(given)} papers fail alone; the log says how")
    return sound


def _is_sound(paper: Paper, attempt: Callable[[Paper], object]) -> bool:
    try:
        attempt(paper)
    except Exception:
        log.exception("paper.left_out", paper=paper.id, key=paper.key)
        return False
    return True
