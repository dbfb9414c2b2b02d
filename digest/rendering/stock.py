"""The day's papers, loaded and rendered once and kept from one page of mails to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import structlog

from digest.editions.edition import Pick
from digest.papers.paper import Paper
from digest.papers.poison import sound_papers
from digest.rendering.renderer import Renderer
from digest.rendering.sheet import Sheet

log = structlog.get_logger(__name__)

KEPT_SECONDS = 600.0  # how old a paper's text may be in a mail
MOST_PAPERS = 5_000
MOST_PICKS = 50_000


class Stock:
    """`papers` are those that were asked for lately, by id, and `picks` what was chosen of them, by how it is stored.

    For one thread; sheets may be filled in others meanwhile.
    """

    def __init__(self, renderer: Renderer, seconds: Callable[[], float] = time.monotonic) -> None:
        self._renderer, self._seconds = renderer, seconds
        self._clear()

    def _clear(self) -> None:
        self.papers: dict[int, Paper] = {}
        self.picks: dict[bytes, Pick] = {}
        self._sheet = self._renderer.prepare((), ())
        self._spoilt: set[int] = set()
        self._since = self._seconds()

    def refresh(self) -> None:
        """Forget what is old, or has become too much: papers are revised, and days pass."""
        if self._seconds() - self._since > KEPT_SECONDS or len(self.papers) > MOST_PAPERS:
            self._clear()
        if len(self.picks) > MOST_PICKS:
            self.picks.clear()

    def sheet(self, languages: Iterable[str]) -> tuple[Sheet, set[int]]:
        """A sheet with `papers` in these languages, and the ids of those it lacks, because they cannot be rendered.

        Raises papers.poison.NothingSound when the fault is not in a paper.
        """
        sound = [paper for id, paper in self.papers.items() if id not in self._spoilt]
        try:
            self._sheet.add(sound, languages)
        except Exception:
            log.exception("sheet.failed")
            kept = sound_papers(sound, lambda paper: self._renderer.prepare([paper], languages))
            self._spoilt |= self.papers.keys() - kept
            self._sheet = self._renderer.prepare([self.papers[id] for id in kept], languages)
        return self._sheet, self._spoilt
