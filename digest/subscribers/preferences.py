"""Preferences as people and files write them, turned into values or into plain words about what is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, TypeVar
from zoneinfo import available_timezones

from digest.subscribers.refusal import Refusal
from digest.subscribers.subscriber import Cadence, Preferences, Quiet

LANGUAGES = ("en", "de")
MAX_SIZE = 62
LONGEST_PAUSE = timedelta(days=366)
MOST = {"topics": 30, "muted": 100, "authors": 200, "organisations": 100}
MAX_LETTERS = 80
REMEMBERED_LETTERS = 200
NAMES = (*MOST, "cadence", "hour", "timezone", "size", "language", "quiet", "paused_until")
_KEPT_MARKS = "\u200c\u200d"  # joiners that some scripts need inside words
_Choice = TypeVar("_Choice", bound=StrEnum)


class Wrong(Refusal):
    """What is wrong with one field, for the person."""


def parse(fields: Mapping[str, object], base: Preferences, today: date) -> Preferences | dict[str, Wrong]:
    """`base` with the fields that are given, or field name -> what is wrong for each that cannot be used.

    A field that is missing or None stays as it is; so does an empty one, except for lists and `paused_until`, which it
    clears. Values are text or, from JSON, numbers and lists of text. Names that are no preference are left alone.
    """
    values: dict[str, Any] = {}
    wrong: dict[str, Wrong] = {}
    for name in NAMES:
        given = fields.get(name)
        if given is None or (given == "" and name not in (*MOST, "paused_until")):
            continue
        try:
            is_short = isinstance(given, str) and len(given) <= REMEMBERED_LETTERS
            values[name] = (_read_short if is_short else _read)(name, given, today)
        except Wrong as error:
            wrong[name] = error
    return wrong or replace(base, **values)


def _read(name: str, given: object, today: date) -> Any:
    return _READERS[name](given, today)


# A file of readers says the same few things again and again. What is long is not kept: forms may send half a megabyte.
_read_short = lru_cache(maxsize=16_384)(_read)


def as_fields(preferences: Preferences) -> dict[str, str]:
    """The same as text: what `parse` reads back, what forms show and files hold."""
    values = {name: getattr(preferences, name) for name in NAMES}
    return {name: _joined(value) if name in MOST else _text(value) for name, value in values.items()}


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _joined(parts: tuple[str, ...]) -> str:
    is_ambiguous = len(parts) == 1 and "," in parts[0]
    return "; ".join(parts) + (";" if is_ambiguous else "")


def clean(text: str) -> str:
    """NFC, blanks collapsed, without controls, invisible marks, direction overrides or broken letters."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = (
        letter for letter in text if letter in _KEPT_MARKS or unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
    )
    spaced = "".join(" " if letter.isspace() else letter for letter in kept)
    return unicodedata.normalize("NFC", " ".join(spaced.split()))


def _words(name: str) -> Callable[[object, date], tuple[str, ...]]:
    def read(given: object, _today: date) -> tuple[str, ...]:
        is_list = isinstance(given, list | tuple)
        items: list[object] = list(given) if isinstance(given, list | tuple) else [given]
        texts = [item for item in items if isinstance(item, str)]
        if len(texts) < len(items):
            raise Wrong("Use words or names, separated by commas.")
        parts = [part for text in texts for part in _split(name, text, is_list)]
        found: dict[str, str] = {}
        for part in map(clean, parts):
            if len(part) > MAX_LETTERS:
                raise Wrong(
                    "“{it}…” is longer than {most} letters. Use a few words for each.", it=part[:20], most=MAX_LETTERS
                )
            if part:
                found.setdefault(part.casefold(), part)
        if len(found) > MOST[name]:
            raise Wrong("There are {n}; at most {most} can be kept. Remove some.", n=len(found), most=MOST[name])
        return tuple(found.values())

    return read


def _split(name: str, text: str, is_item: bool) -> list[str]:
    # "Lee, Ann" is one author in a list, and where authors stand on lines of their own or between semicolons.
    if name in ("authors", "organisations") and (is_item or re.search(r"[;\r\n]", text.strip(" \r\n"))):
        return re.split(r"[;\r\n]", text)
    return re.split(r"[,;\r\n]", text)


def _choice(kind: type[_Choice]) -> Callable[[object, date], _Choice]:
    def read(given: object, _today: date) -> _Choice:
        try:
            return kind(str(given).strip().lower())
        except ValueError:
            raise Wrong("Choose one of these: {choices}.", choices=", ".join(kind)) from None

    return read


def _number(low: int, high: int) -> Callable[[object, date], int]:
    def read(given: object, _today: date) -> int:
        found = re.fullmatch(r"(\d{1,3})(?::00)?", str(given).strip(), re.ASCII)
        if not found or not low <= int(found[1]) <= high:
            raise Wrong("Use a whole number from {low} to {high}.", low=low, high=high)
        return int(found[1])

    return read


def _timezone(given: object, _today: date) -> str:
    known = _timezones().get(str(given).strip().replace(" ", "_").lower())
    if known is None:
        raise Wrong("This time zone is not known. Use a name like Europe/Berlin or America/New_York.")
    return known


@cache
def _timezones() -> dict[str, str]:
    """Names in lower case -> IANA names; without those that mean this machine's own setting."""
    return {name.lower(): name for name in available_timezones() - {"localtime", "Factory"}}


def timezones() -> list[str]:
    """Every time zone a reader may choose."""
    return sorted(_timezones().values())


def _language(given: object, _today: date) -> str:
    text = str(given).strip().lower()
    if text not in LANGUAGES:
        raise Wrong("Choose one of these: {choices}.", choices=", ".join(LANGUAGES))
    return text


def _day(given: object, today: date) -> date | None:
    text = str(given).strip()
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError(text)
        day = date.fromisoformat(text)
    except ValueError:
        raise Wrong("Use a day like 2026-07-31, or nothing for no pause.") from None
    if day > today + LONGEST_PAUSE:
        raise Wrong("A pause can last a year at most. Choose an earlier day, or unsubscribe.")
    return day if day > today else None


_READERS: dict[str, Callable[[object, date], Any]] = {
    **{name: _words(name) for name in MOST},
    "cadence": _choice(Cadence),
    "hour": _number(0, 23),
    "timezone": _timezone,
    "size": _number(1, MAX_SIZE),
    "language": _language,
    "quiet": _choice(Quiet),
    "paused_until": _day,
}
