"""A taste that a reader can take along: topics, mutes, follows and votes as JSON, or a start from BibTeX or arXiv ids."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from digest.db.tables import papers
from digest.feedback.record import vote, votes_of
from digest.papers import identity
from digest.subscribers import lifecycle, preferences
from digest.subscribers.preferences import Wrong
from digest.subscribers.refusal import Refusal
from digest.subscribers.rows import LISTS, get
from digest.subscribers.subscriber import Preferences

FORMAT = "digest-taste"
MOST_PAPERS = 2000
MOST_LETTERS = 2_000_000
_ENTRY = re.compile(r"@\s*(?!comment|string|preamble)[a-zA-Z]+\s*[{(]", re.IGNORECASE)
_ID = r"(\d{4}\.\d{4,5}|[a-z]{2,12}(?:-[a-z]{2,4})?(?:\.[a-z]{2})?/\d{7})(?:v\d{1,4})?(?![\d.]\d)"
_IN_BIBTEX = re.compile(
    rf"(?:\beprint\s{{0,9}}=\s{{0,9}}[{{\"]{{0,2}}\s{{0,9}}(?:arxiv:\s?)?|arxiv\.org/(?:abs|pdf|html)/|arxiv:\s?|10\.48550/arxiv\.){_ID}",
    re.IGNORECASE,
)


class PassportRefused(Refusal):
    """The text holds no taste. Says why and what to do, for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Passport:
    """What a text told of a taste. `more` and `less` are arXiv ids without version; `lists` as in preferences."""

    lists: dict[str, object]
    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """How many votes were stored, and which papers are not known here."""

    votes: int
    unknown: tuple[str, ...]


def export(connection: Connection, subscriber_id: int) -> dict[str, Any] | None:
    """The passport of a reader, ready for JSON; None when there is no such reader."""
    reader = get(connection, subscriber_id)
    if reader is None:
        return None
    voted = votes_of(connection, subscriber_id)
    return {
        "format": FORMAT,
        "version": 1,
        **{name: list(getattr(reader.preferences, name)) for name in LISTS},
        "more": [one.key for one in voted if one.is_more],
        "less": [one.key for one in voted if not one.is_more],
    }


def parse(text: str) -> Passport:
    """Read a passport, a BibTeX file or a list of arXiv ids, whichever it is. Raises PassportRefused."""
    if len(text) > MOST_LETTERS:
        raise PassportRefused("This is too long to be a taste. Send fewer papers.")
    passport = _from_json(text) if text.lstrip("\ufeff \t\r\n").startswith("{") else _from_papers(text)
    if len(passport.more) + len(passport.less) > MOST_PAPERS:
        raise PassportRefused("There are more than {most} papers. Send those that matter most.", most=MOST_PAPERS)
    return passport


def _from_json(text: str) -> Passport:
    try:
        given = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        raise PassportRefused("This is not valid JSON. Send the file as it was exported.") from None
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise PassportRefused(
            'This is no taste file: "format" is not "{format}". Send the file as it was exported.', format=FORMAT
        )
    return Passport(
        {name: given[name] for name in LISTS if name in given}, _keys(given.get("more")), _keys(given.get("less"))
    )


def _keys(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise PassportRefused('"more" and "less" must be lists of arXiv ids. Send the file as it was exported.')
    return _unique([one.key for item in given if (one := identity.parse(item))])


def _from_papers(text: str) -> Passport:
    if _ENTRY.search(text):
        found = [one.key for match in _IN_BIBTEX.finditer(text) if (one := identity.parse(match[1]))]
    else:
        found = [one.key for word in re.split(r"[\s,;]+", text) if (one := identity.parse(word))]
    if not found:
        raise PassportRefused(
            "No arXiv id was found. Send a list like 2503.02130, or a BibTeX file whose entries name theirs."
        )
    return Passport({}, _unique(found))


def _unique(keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(keys))


def take_in(
    connection: Connection, subscriber_id: int, passport: Passport, now: datetime
) -> Imported | dict[str, Wrong]:
    """Add a passport to a reader's taste, or say what is wrong with its lists; then nothing is stored."""
    reader = get(connection, subscriber_id)
    if reader is None:
        return {"taste": Wrong("This subscription is no longer there. Subscribe again to begin anew.")}
    merged = _merged(passport, reader.preferences, now)
    if isinstance(merged, dict):
        return merged
    lifecycle.change_preferences(connection, subscriber_id, merged, now)
    known = _ids(connection, [*passport.more, *passport.less])
    stored = [
        vote(connection, subscriber_id, known[key], is_more, now)
        for keys, is_more in ((passport.more, True), (passport.less, False))
        for key in keys
        if key in known
    ]
    return Imported(sum(stored), tuple(key for key in (*passport.more, *passport.less) if key not in known))


def _merged(passport: Passport, before: Preferences, now: datetime) -> Preferences | dict[str, Wrong]:
    read = preferences.parse(passport.lists, Preferences(), now.date())
    if isinstance(read, dict):
        return read
    both = {name: [*getattr(before, name), *getattr(read, name)] for name in LISTS}
    return preferences.parse(both, before, now.date())


def _ids(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    pages = [keys[at : at + 500] for at in range(0, len(keys), 500)]
    return {
        row.key: row.id
        for page in pages
        for row in connection.execute(select(papers.c.id, papers.c.key).where(papers.c.key.in_(page)))
    }
