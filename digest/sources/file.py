"""A file of JSON lines: one paper a line, in the words of docs/operating.md or as Hugging Face writes an entry."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from digest.db.tables import RunOutcome
from digest.sources.base import BrokenAnswer, DayRead, Fetch, RawPaper, Skips, SourceError
from digest.sources.huggingface import count, day_of, loads, read_entry

_LINE_LONGEST = 2_000_000  # bytes
_LINES_NAMED = 20  # bad lines that are told by number; the rest is counted


class File:
    """Fields: id, title, abstract, gist, authors, organization, categories, keywords, published_on, listed_on, votes, comments,
    code_url, code_stars, project_url, withdrawn. Only title is needed; without id a paper is known by its title.
    """

    name = "file"

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def quiet_reason(self, _day: date) -> str | None:
        return None

    def due_days(self, read: Mapping[date, DayRead], now: datetime) -> list[date]:
        """The days named in the file that were not read since it was last written."""
        written_at = datetime.fromtimestamp(self._checked().stat().st_mtime, UTC)
        today = now.astimezone(UTC).date()
        days = {day or today for day in self._index().places}
        return sorted(day for day in days if day <= today and (day not in read or read[day].at < written_at))

    def fetch(self, day: date, now: datetime) -> Fetch:
        index = self._index()
        places = [
            *index.places.get(day, ()),
            *(index.places.get(None, ()) if day == now.astimezone(UTC).date() else ()),
        ]
        if not places:
            return Fetch((), RunOutcome.QUIET, f"{self._checked().name} lists no paper for that day", index.skipped)
        return Fetch(tuple(self._papers_at(sorted(places))), skipped=index.skipped)

    def _checked(self) -> Path:
        if self._path is None:
            raise SourceError(
                "no file was named. Set DIGEST_PAPERS_FILE to a file of JSON lines, or take `file` out of DIGEST_SOURCES"
            )
        if not self._path.is_file():
            raise SourceError(f"{self._path}: there is no such file. Correct DIGEST_PAPERS_FILE")
        return self._path

    def _index(self) -> _Index:
        found = self._checked().stat()
        return _indexed(self._checked(), found.st_mtime_ns, found.st_size)

    def _papers_at(self, places: Sequence[int]) -> Iterator[RawPaper]:
        with self._checked().open("rb") as file:
            for place in places:
                file.seek(place)
                paper = _read_line(file.readline())
                if isinstance(paper, RawPaper):
                    yield paper


@dataclass(frozen=True, slots=True)
class _Index:
    """Where in a file the lines of each day begin (None: of papers that name no day), and which lines are bad."""

    places: Mapping[date | None, Sequence[int]]
    skipped: Mapping[str, int]


@lru_cache(maxsize=1)
def _indexed(path: Path, _written_ns: int, _size: int) -> _Index:
    """Read once for all its days, and again when it was written: a file may be long, and is asked for every minute."""
    places: dict[date | None, array[int]] = defaultdict(lambda: array("Q"))
    skips, bad = Skips(), 0
    for number, (place, line) in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        paper = _read_line(line)
        if isinstance(paper, RawPaper):
            places[paper.listed_on].append(place)
            continue
        bad += 1
        skips.add(f"line {number}: {paper}" if bad <= _LINES_NAMED else "more bad lines")
    return _Index(dict(places), dict(skips))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(where it begins, line); of one that is too long, only so much that it can be seen."""
    with path.open("rb") as file:
        place = 0
        while line := file.readline(_LINE_LONGEST + 1):
            yield place, line
            while not line.endswith(b"\n") and (line := file.readline(_LINE_LONGEST)):
                pass
            place = file.tell()


def _read_line(line: bytes) -> RawPaper | str:
    """The paper, or what is wrong with the line."""
    if len(line) > _LINE_LONGEST:
        return f"longer than {_LINE_LONGEST // 1_000_000} MB"
    try:
        given = loads(line, "it")
    except BrokenAnswer:
        return "not valid JSON"
    if not isinstance(given, dict):
        return "not an object"
    found = Skips()
    paper = read_entry(given, found) if "paper" in given else _plain(given)
    return paper or next(iter(found), "no title")


def _plain(given: Mapping[str, Any]) -> RawPaper | None:
    title = given.get("title")
    if not isinstance(title, str) or not title.strip():
        return None
    key = given.get("id")
    return RawPaper(
        id=key if isinstance(key, str) else "",
        title=title,
        abstract=_text(given, "abstract") or "",
        gist=_text(given, "gist"),
        authors=_texts(given, "authors"),
        organization=_text(given, "organization"),
        categories=_texts(given, "categories"),
        keywords=_texts(given, "keywords"),
        published_on=day_of(given.get("published_on")),
        listed_on=day_of(given.get("listed_on")) or day_of(given.get("published_on")),
        votes=count(given.get("votes")),
        comments=count(given.get("comments")),
        code_url=_text(given, "code_url"),
        code_stars=count(given.get("code_stars")),
        project_url=_text(given, "project_url"),
        is_withdrawn=given.get("withdrawn") is True,
    )


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _texts(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = given.get(name)
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
