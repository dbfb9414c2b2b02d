"""What a stored paper takes over from a new record of it: the better text, the newer counts, and nothing emptier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from digest.papers.clean import CleanPaper

# arXiv has the author's own text; Hugging Face's clean-up takes dollars and backslashes out of it, and meaning with them
# (`LLM$\times$MapReduce` became LLMtimesMapReduce).
_TRUST = {"arxiv": 2}
_NEWER = ("gist", "organization", "keywords", "votes", "comments", "code_url", "code_stars", "project_url")


def changes(row: Mapping[str, Any], new: CleanPaper, source: str) -> dict[str, Any]:
    """Column -> value for what differs; empty when the record says nothing new. `row` is the stored paper."""
    found: dict[str, Any] = {}
    trust = _TRUST.get(source, 1) - _TRUST.get(row["source"], 1)
    for column in ("title", "abstract"):
        if _is_better(row[column], getattr(new, column), trust):
            found[column] = getattr(new, column)
    if trust > 0 and (found.get("abstract") or not row["abstract"]):
        found["source"] = source
    found |= {column: _stored(value) for column in _NEWER if (value := getattr(new, column)) not in (None, ())}
    if new.authors and _are_better_names(row["authors"], new.authors, trust):
        found["authors"] = list(new.authors)
    if new.categories and (trust >= 0 or not row["categories"]):
        found["categories"] = list(new.categories)
    if new.published_on and (trust > 0 or row["published_on"] is None):
        found["published_on"] = new.published_on
    return {column: value for column, value in found.items() if row[column] != value}


def _is_better(old: str, new: str, trust: int) -> bool:
    """An empty or much shorter text never replaces one, whoever sends it: that is a withdrawal or a broken record."""
    return bool(new) and (not old or (trust >= 0 and 2 * len(new) >= len(old)))


def _are_better_names(old: list[str], new: tuple[str, ...], trust: int) -> bool:
    """arXiv spells names better, but it also lists those who hid themselves elsewhere: then there are more of them."""
    return not old or (trust == 0) or (trust > 0 and len(new) <= len(old))


def _stored(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
