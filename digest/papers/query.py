"""What a person types to find papers, as words; nothing typed is ever an error."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 300
MOST_WORDS = 16
# Both databases skip these; a query of nothing else finds nothing, as PostgreSQL has it.
STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "has",
        "have",
        "how",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "our",
        "so",
        "such",
        "than",
        "that",
        "the",
        "their",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "which",
        "while",
        "who",
        "why",
        "will",
        "with",
        "you",
        "your",
    ]
)
_PART = re.compile(r'(-?)"([^"]*)"|(\S+)')
_WORD = re.compile(r"[^\W_]+")
_SHORT_FORM = re.compile(r"(?!.*ss$)[b-df-hj-np-tv-xz]{3,}")  # LLM, CNNs: letters that no vowel joins
_ENDINGS = (
    "ations",
    "ation",
    "ings",
    "ing",
    "ions",
    "ion",
    "ies",
    "ied",
    "ers",
    "er",
    "ed",
    "es",
    "ly",
    "al",
    "s",
    "e",
    "y",
)


@dataclass(frozen=True, slots=True)
class Query:
    """Each phrase is one or more words that stand together; all of `wanted` and none of `unwanted` must be there."""

    wanted: tuple[tuple[str, ...], ...] = ()
    unwanted: tuple[tuple[str, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wanted)


def parse(typed: str) -> Query:
    """Words, "phrases in quotes", and -words to leave out."""
    wanted: list[tuple[str, ...]] = []
    unwanted: list[tuple[str, ...]] = []
    for found in _PART.finditer(typed[:LONGEST]):
        minus, phrase, word = found[1], found[2], found[3]
        if word is not None:
            minus = "-" if word.startswith("-") else ""
            phrase = word
        words = fold(phrase)
        if not words or (len(words) == 1 and words[0] in STOP_WORDS):
            continue
        (unwanted if minus else wanted).append(words)
    return Query(tuple(wanted[:MOST_WORDS]), tuple(unwanted[:MOST_WORDS]))


def fold(text: str) -> tuple[str, ...]:
    """The words of a text: small letters without accents."""
    plain = unicodedata.normalize("NFKD", text)
    return tuple(_WORD.findall("".join(c for c in plain if not unicodedata.combining(c)).casefold()))


def stem(word: str) -> str:
    """The beginning that the forms of a word share, for marking hits: training, trained -> train."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (3 if ending == "s" else 4):
            return word[: -len(ending)]
    return word


def other_number(phrase: tuple[str, ...]) -> tuple[str, ...]:
    """The phrase with its short forms in plural, or no longer in it: `llms agent` for `llm agent`; itself without any."""
    return tuple(_other_number(word) if _SHORT_FORM.fullmatch(word) else word for word in phrase)


def _other_number(word: str) -> str:
    return word[:-1] if word.endswith("s") else word + "s"


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text that is a hit or is not."""

    text: str
    is_hit: bool


def mark(text: str, query: Query) -> tuple[Run, ...]:
    """The text in pieces, those that the query wanted marked; joined they are the text again."""
    runs: list[Run] = []
    at = 0
    for found in _hits(text, query):
        if found.start() > at:
            runs.append(Run(text[at : found.start()], False))
        runs.append(Run(found[0], True))
        at = found.end()
    if at < len(text):
        runs.append(Run(text[at:], False))
    return tuple(runs)


def _hits(text: str, query: Query) -> Iterator[re.Match[str]]:
    """The words of a text that share a stem with a wanted one."""
    stems, candidate = _wanted(query)
    return (found for found in candidate.finditer(text) if not stems.isdisjoint(_stems(found[0])))


@lru_cache(maxsize=100)
def _wanted(query: Query) -> tuple[frozenset[str], re.Pattern[str]]:
    """The stems, and words that may have them: those that begin with one, and those with letters beyond ASCII."""
    stems = frozenset(stem(word) for phrase in query.wanted for word in phrase if word not in STOP_WORDS)
    begins = "|".join(map(re.escape, stems)) or "(?!)"
    return stems, re.compile(rf"(?<![^\W_])(?:(?i:{begins})[^\W_]*|[a-zA-Z0-9]*[^\W_a-zA-Z0-9][^\W_]*)")


@lru_cache(maxsize=20_000)
def _stems(word: str) -> tuple[str, ...]:
    return tuple(map(stem, fold(word)))


def excerpt(text: str, query: Query, length: int = 280) -> str:
    """The part of a text around its first hit, cut at words."""
    found = next(_hits(text, query), None)
    first = found.start() if found else 0
    start = 0 if first < length * 2 // 3 else text.rfind(" ", 0, first - length // 4) + 1
    end = len(text) if start + length >= len(text) else max(text.rfind(" ", start, start + length), start + length // 2)
    return ("… " if start else "") + text[start:end] + (" …" if end < len(text) else "")
