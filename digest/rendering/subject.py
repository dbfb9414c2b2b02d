"""The subject line: today's first title and how many more there are."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from digest.editions.edition import Kind
from digest.papers.text import clip
from digest.rendering.wording import Words

SUBJECT_MAX = 59
PREHEADER_TITLE_MAX = 48
_MARKS = re.compile(r"\{\{|\}\}|\{%|%\(\w+\)s|&(?:amp|lt|gt|quot|#\d+);|!!|^\s*(?:re|fwd?|aw):|[\\$^]", re.IGNORECASE)
_EMPTY = re.compile(r"\b(?:None|undefined|null)\b")


def subject_of(words: Words, kind: Kind, day: date, shown: int, title: str) -> str:
    """`<title> and 9 more`, under 60 letters; a title that would look broken, shouted or faked gives way to the count and the day."""
    title = _one_line(title)
    start, end = words.marked_subject(kind), words.and_more(shown - 1) if shown > 1 else ""
    subject = start + clip(title, SUBJECT_MAX - len(start) - len(end)) + end
    return subject if _reads_well(title) and len(subject) >= 10 else words.plain_subject(shown, day)


def _one_line(text: str) -> str:
    """Without what has no place in a header: controls, line breaks, and marks that turn the direction."""
    kept = (
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") or c == "\u200d" else " "
        for c in text
    )
    return " ".join("".join(kept).split())


def _reads_well(title: str) -> bool:
    letters = [c for c in title if c.upper() != c.lower()]
    is_shouted = len(letters) > 8 and sum(c.isupper() for c in letters) > 0.6 * len(letters)
    return bool(title) and not (is_shouted or _MARKS.search(title) or _EMPTY.search(title))
