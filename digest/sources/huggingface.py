"""Hugging Face daily papers: GET /api/daily_papers?date=, page by page, read to the end of the day's list."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from digest.db.tables import RunOutcome
from digest.sources.base import (
    AGAIN_AFTER,
    CATCH_UP_DAYS,
    FIRST_LOOK_BACK_DAYS,
    BrokenAnswer,
    DayRead,
    Fetch,
    RawPaper,
    Skips,
)
from digest.sources.http import Answer, Http

PAGE = 50  # the documented size: were a larger one cut down, the next page would begin too late
_PAGES_AT_MOST = 50
_REREAD_AT_DAYS = (1, 2, 3, 5, 7, 14)  # votes move for one or two weeks


class HuggingFace:
    """The day that a paper belongs to is the day that was asked for: the dates inside are a day early (4 h, as a `Z`)."""

    name = "huggingface"

    def __init__(self, http: Http, url: str) -> None:
        self._http, self._url = http, url if url.endswith("/daily_papers") else f"{url}/api/daily_papers"

    def fetch(self, day: date, now: datetime) -> Fetch:
        if day > now.astimezone(UTC).date():
            return Fetch((), RunOutcome.QUIET, f"{day} has not begun in UTC, so there is no list yet", is_final=False)
        entries, is_unchanged = self._entries(day)
        skips = Skips()
        papers = tuple(paper for entry in entries if (paper := read_entry(entry, skips)) is not None)
        is_final = day < now.astimezone(UTC).date()
        if not entries:
            return Fetch((), RunOutcome.QUIET, self.quiet_reason(day) or "the list is empty", is_final=is_final)
        return Fetch(papers, RunOutcome.UNCHANGED if is_unchanged else RunOutcome.OK, "", dict(skips), is_final)

    def _entries(self, day: date) -> tuple[list[Any], bool]:
        """Pages until one is empty or brings nothing new; a server that ignores `p` repeats itself."""
        entries: list[Any] = []
        known: set[str] = set()
        is_unchanged = True
        for page in range(_PAGES_AT_MOST):
            found, same = self._http.get(
                self._url, _read_list, {"date": day.isoformat(), "limit": str(PAGE), "p": str(page)}
            )
            is_unchanged &= same
            keys = {json.dumps(_id_of(entry), default=str) for entry in found}
            if page and keys <= known:
                break
            entries.extend(found)
            known |= keys
            if not found:
                break
        return entries, is_unchanged

    def quiet_reason(self, day: date) -> str | None:
        return "weekend: papers are listed from Monday to Friday" if day.weekday() >= 5 else None

    def due_days(self, read: Mapping[date, DayRead], now: datetime) -> list[date]:
        """Today about once an hour, each day again after 1, 2, 3, 5, 7 and 14 days, and every day that was missed."""
        today = now.astimezone(UTC).date()
        first = min(read, default=today - timedelta(days=FIRST_LOOK_BACK_DAYS))
        first = max(first, today - timedelta(days=CATCH_UP_DAYS))
        days = (first + timedelta(days=n) for n in range((today - first).days + 1))
        return [day for day in days if _is_due(day, read.get(day), now)]


def _is_due(day: date, last: DayRead | None, now: datetime) -> bool:
    if last is None:
        return True
    if not last.is_final:
        return now - last.at >= AGAIN_AFTER
    midnight = datetime.combine(day, time(1), UTC)
    return any(last.at < midnight + timedelta(days=age) <= now for age in _REREAD_AT_DAYS)


def _read_list(answer: Answer) -> tuple[list[Any], bool]:
    given = loads(answer.body, "the list of papers")
    if not isinstance(given, list):
        raise BrokenAnswer(f"Hugging Face answered with {type(given).__name__} in place of a list of papers")
    return given, answer.is_unchanged


def loads(body: bytes, what: str) -> Any:
    """JSON from outside. Numbers too long to be counts become None instead of an error.

    Raises BrokenAnswer for what is not JSON.
    """
    text = _decoded(body)
    try:
        return json.loads(text, parse_int=_int, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        start = " ".join(text[:60].split())
        seen = f"it begins with {start!r}" if start else "it is empty"
        raise BrokenAnswer(f"{what} is not valid JSON: {seen}") from error


def _decoded(body: bytes) -> str:
    """JSON is UTF-8 (RFC 8259), others by its first bytes; a stray byte spoils its own character only."""
    encoding = json.detect_encoding(body)
    return body.decode(encoding, "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "replace")


def _int(digits: str) -> int | None:
    return int(digits) if len(digits) < 19 else None


def _id_of(entry: object) -> object:
    paper = entry.get("paper") if isinstance(entry, dict) else None
    return paper.get("id") if isinstance(paper, dict) else entry


def read_entry(entry: object, skips: Skips) -> RawPaper | None:
    """One entry of the list; None, with the reason counted, for one that names no paper."""
    paper = entry.get("paper") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(paper, dict):
        skips.add("not a paper record")
        return None
    key = paper.get("id")
    if not isinstance(key, str):
        skips.add("no id" if key is None else "id is not text")
        return None
    title = _text(entry.get("title")) or _text(paper.get("title"))  # the outer one still had its TeX in 2024
    if not title:
        skips.add("no title")
        return None
    organization = paper.get("organization") or entry.get("organization") or entry.get("submitterOrganization")
    return RawPaper(
        id=key,
        title=title,
        abstract=_text(paper.get("summary")) or _text(entry.get("summary")),
        gist=_text(paper.get("ai_summary")) or None,
        authors=_authors(paper.get("authors")),
        organization=(_text(organization.get("fullname")) or _text(organization.get("name")) or None)
        if isinstance(organization, dict)
        else None,
        keywords=tuple(filter(None, map(_text, _listed(paper.get("ai_keywords"))))),
        published_on=day_of(paper.get("publishedAt")),
        votes=count(paper.get("upvotes")),
        comments=count(entry.get("numComments")),
        code_url=_text(paper.get("githubRepo")) or None,
        code_stars=count(paper.get("githubStars")),
        project_url=_text(paper.get("projectPage")) or None,
        is_withdrawn=bool(paper.get("withdrawnAt") or entry.get("withdrawnAt")),
    )


def _authors(given: object) -> tuple[str, ...]:
    """Names of those who did not hide themselves, however that is written."""
    if isinstance(given, str):
        return (given,)
    people = (person if isinstance(person, dict) else {"name": person} for person in _listed(given))
    return tuple(name for person in people if not person.get("hidden") and (name := _text(person.get("name"))))


def _listed(given: object) -> Iterable[object]:
    return given if isinstance(given, list) else ()


def _text(given: object) -> str:
    return given if isinstance(given, str) and given.strip() else ""


def count(given: object) -> int | None:
    """A count of zero or more; None for what is none. A count written as text is taken."""
    if isinstance(given, bool):
        return None
    if isinstance(given, str) and given.strip().isascii() and given.strip().isdigit() and len(given) < 12:
        given = int(given)
    if isinstance(given, float) and math.isfinite(given) and given.is_integer():
        given = int(given)
    return given if isinstance(given, int) and 0 <= given < 2_000_000_000 else None


def day_of(given: object) -> date | None:
    """The day of an ISO time, which no paper has before 1990 or far ahead of us."""
    if not isinstance(given, str):
        return None
    try:
        day = date.fromisoformat(given.strip()[:10])
    except ValueError:
        return None
    return day if 1990 <= day.year < 2100 else None
