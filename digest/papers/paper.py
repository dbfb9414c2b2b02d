"""A paper as every later stage sees it: a frozen value, already repaired and safe to show as plain text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Paper:
    """A work; one value however many sources list it and however often it is revised.

    `key` is the arXiv id without version, always text (`2503.02130`, `hep-th/9901001`), or `file:<name>` for a paper
    that has none. Texts are Unicode in NFC on one line (the abstract may hold paragraphs). Counts that a source did
    not give are None, which is not zero.
    """

    id: int
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
    first_seen_at: datetime
    votes: int | None
    comments: int | None
    code_url: str | None
    code_stars: int | None
    project_url: str | None
    source: str
    withdrawn_at: datetime | None = None

    @property
    def arxiv_id(self) -> str | None:
        return None if ":" in self.key else self.key
