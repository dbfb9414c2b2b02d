"""The two sentences that stand for an abstract."""

from __future__ import annotations

import re

from digest.papers.text import clip, sentences

GIST_MAX = 420  # letters; about 65 words
SHORT_MAX = 220

_SAYS_WHAT = re.compile(
    r"\b(?:we|this (?:paper|work|article|study)|our)\b.{0,40}\b(?:propos|introduc|present|develop|show|demonstrat|find|prov|study|"
    r"investigat|release|provide|describe|address|report)|\b(?:is|are) (?:introduced|proposed|presented)\b",
    re.IGNORECASE,
)
_SAYS_RESULT = re.compile(
    r"\b(?:outperform|achiev|improv|surpass|state-of-the-art|experiment|reduc|faster|accuracy)|\bresults? (?:show|indicate|demonstrate|suggest)",
    re.IGNORECASE,
)


# Six words of eight letters in a row, nine of six or ten of five: hard to read, and what spam filters call word salad.
_HEAVY = re.compile(r"\b(?:(?:[a-z]{8,}[\s.]+){6}|(?:[a-z]{6,}[\s.]+){9}|(?:[a-z]{5,}[\s.]+){10})")


def gist(summary: str | None, abstract: str) -> str:
    """The source's own summary where there is one, else the two sentences that say what was done and what came of it."""
    if summary and not _HEAVY.search(own := " ".join(sentences(summary)[:2]) + " "):
        return clip(own.strip(), GIST_MAX)
    found = sentences(abstract)
    light = [one for one in found if not _HEAVY.search(one + " ")]
    chosen = _best(light or found) or sentences(summary or "")[:2]
    return clip(" ".join(chosen), GIST_MAX)


def shortened(text: str) -> str:
    """The first sentence of a gist."""
    return clip(next(iter(sentences(text)), ""), SHORT_MAX)


def _best(found: list[str]) -> list[str]:
    """What was done, then what came of it, in the order of the text."""
    if len(found) <= 2:
        return found
    done = next((i for i, one in enumerate(found) if _SAYS_WHAT.search(one)), 0)
    later = range(done + 1, len(found))
    result = next((i for i in reversed(later) if _SAYS_RESULT.search(found[i])), min(done + 1, len(found) - 1))
    return [found[i] for i in sorted({done, result})]
