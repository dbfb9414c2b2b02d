"""What a reader asked for outright: mutes and follows, matched on words and without regard to case or accents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from digest.papers.paper import Paper
from digest.ranking.words import LONGEST_TOPIC, plain, stem

_WORD = re.compile(r"[^\W_]+")
_SPACELESS = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-๿]")
KEPT_WISHES = 50_000  # people can type more than that
_EDGE = "\x1f"  # between fields: no phrase matches across


@dataclass(frozen=True, slots=True)
class Searchable:
    """A paper as one line of bare words (and one of their stems), fields kept apart, for phrase search."""

    text: str
    stems: str
    authors: str
    organisation: str


Match = Callable[[Searchable, str], bool]


class Board:
    """A day's papers, searched once for each distinct phrase or name however many readers wish for it."""

    def __init__(self, papers: Iterable[Paper]) -> None:
        self._papers = tuple(searchable(paper) for paper in papers)
        self._found: dict[tuple[Match, str], tuple[int, ...]] = {}

    def places(self, match: Match, wish: str) -> tuple[int, ...]:
        """Positions of the papers for which `match` (`mentions`, `is_by` or `is_from`) says yes."""
        found = self._found.get((match, wish))
        if found is None:
            if len(self._found) > KEPT_WISHES:
                self._found.clear()
            found = tuple(place for place, paper in enumerate(self._papers) if match(paper, wish))
            self._found[match, wish] = found
        return found


def searchable(paper: Paper) -> Searchable:
    names = (_words(name) for name in paper.authors)
    fields = (paper.title, paper.abstract, *paper.keywords, *paper.categories)
    authors = f"{_EDGE}{_EDGE.join(names)}{_EDGE}"
    organisation = f"{_EDGE}{_words(paper.organization or '')}{_EDGE}"
    text = _EDGE.join(_words(field) for field in fields)
    return Searchable(
        f"{_EDGE}{text}{authors}{organisation}", _EDGE + _EDGE.join(_stems(f) for f in fields), authors, organisation
    )


@lru_cache(maxsize=16_384)
def _words(text: str) -> str:
    return f" {' '.join(_WORD.findall(plain(text)))} "


@lru_cache(maxsize=16_384)
def _stems(text: str) -> str:
    return f" {' '.join(stem(word) for word in _WORD.findall(plain(text)))} "


def mentions(paper: Searchable, phrase: str) -> bool:
    """Whether the phrase stands in the paper as whole words, in any field; plural and singular are one."""
    wanted = _words(phrase[:LONGEST_TOPIC])
    if not wanted.strip():
        return False
    if _SPACELESS.search(wanted):
        return wanted.strip() in paper.text
    return wanted in paper.text or _stems(phrase[:LONGEST_TOPIC]) in paper.stems


def is_by(paper: Searchable, name: str) -> bool:
    """Whether one of the authors is this one: the same words in order, middle names and initials aside."""
    wanted = _words(name[:LONGEST_TOPIC]).split()
    if not wanted:
        return False
    return any(_same_person(wanted, author.split()) for author in paper.authors.split(_EDGE))


def _same_person(wanted: Sequence[str], author: Sequence[str]) -> bool:
    if not author or wanted[-1] != author[-1]:
        return False
    if len(wanted) == 1:
        return len(author) == 1
    return wanted[0] == author[0] and set(wanted[1:-1]) <= set(author) | {word[0] for word in author}


def is_from(paper: Searchable, name: str) -> bool:
    """Whether the organisation's name holds this one as whole words."""
    wanted = _words(name[:LONGEST_TOPIC])
    return bool(wanted.strip()) and wanted in paper.organisation
