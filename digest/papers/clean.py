"""One record as its source gave it -> the values of a row, every text repaired and every link checked."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import structlog

from digest.papers import identity, links, text
from digest.sources.base import RawPaper

log = structlog.get_logger(__name__)

UNREADABLE = "this program failed on it, see the log"
_CATEGORY = re.compile(r"[a-z-]{2,20}(?:\.[A-Za-z-]{2,12})?", re.ASCII)
_FILE_KEY = re.compile(r"[A-Za-z0-9._-]{1,80}", re.ASCII)
_AUTHORS_AT_MOST = 2_000
_KEYWORDS_AT_MOST = 30


@dataclass(frozen=True, slots=True)
class CleanPaper:
    """A record fit to be stored; what each field means is told by `Paper`."""

    key: str
    title: str
    abstract: str
    gist: str | None
    authors: tuple[str, ...]
    organization: str | None
    categories: tuple[str, ...]
    keywords: tuple[str, ...]
    published_on: date | None
    listed_on: date
    votes: int | None
    comments: int | None
    code_url: str | None
    code_stars: int | None
    project_url: str | None
    is_revision: bool
    is_withdrawn: bool


def clean(raw: RawPaper, source: str, asked_on: date) -> CleanPaper | str:
    """The paper, or why it is left out. A record that our own code fails on must not cost readers its neighbours."""
    try:
        return _clean(raw, source, asked_on)
    except Exception:
        log.exception("record.left_out", source=source, id=ascii(raw.id)[:80])
        return UNREADABLE


def _clean(raw: RawPaper, source: str, asked_on: date) -> CleanPaper | str:
    key = _key(raw, source)
    if key is None:
        return "no arXiv id"
    title = text.title(raw.title)
    if not _is_visible(title) and not raw.is_withdrawn:
        return "no title"
    return CleanPaper(
        key=key,
        title=title,
        abstract=text.abstract(raw.abstract),
        gist=text.abstract(raw.gist or "") or None,
        authors=names(raw.authors[: 2 * _AUTHORS_AT_MOST]),
        organization=text.name(raw.organization or "") or None,
        categories=tuple(_unique(one for one in raw.categories[:100] if _CATEGORY.fullmatch(one))),
        keywords=tuple(_unique(text.name(one) for one in raw.keywords[:100]))[:_KEYWORDS_AT_MOST],
        published_on=raw.published_on,
        listed_on=raw.listed_on or asked_on,
        votes=raw.votes,
        comments=raw.comments,
        code_url=links.code(raw.code_url),
        code_stars=raw.code_stars,
        project_url=links.page(raw.project_url),
        is_revision=raw.is_revision,
        is_withdrawn=raw.is_withdrawn,
    )


def _is_visible(title: str) -> bool:
    return any(unicodedata.category(character)[0] in "LNPS" for character in title)


def _key(raw: RawPaper, source: str) -> str | None:
    if (found := identity.parse(raw.id)) is not None:
        return found.key
    if source != "file":
        return None
    given = raw.id.strip() or raw.title
    name = given if _FILE_KEY.fullmatch(given) else hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:16]
    return f"file:{name}"


def names(given: Iterable[str]) -> tuple[str, ...]:
    """Authors' names, odd ones set right gently: `and Lei Bai` is Lei Bai, `:` nobody, and each stands once."""
    tidy = (re.sub(r"^and\s+|[\s,;:]+$", "", text.name(one)) for one in given)
    return tuple(_unique(one for one in tidy if any(c.isalpha() for c in one)))[:_AUTHORS_AT_MOST]


def _unique(given: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    for one in given:
        folded = one.casefold()
        if one and folded not in seen:
            seen.add(folded)
            yield one
