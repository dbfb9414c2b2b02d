"""Reading what a request gives: fields without control characters, numbers and days within bounds."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from werkzeug.datastructures import MultiDict

from digest.papers.paper import Paper

LONGEST = 2_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text(values: MultiDict[str, str], name: str, longest: int = LONGEST) -> str:
    """A field on one or more lines, in NFC, without what a database or a page cannot hold; `` where it is absent."""
    given = values.get(name, "").replace("\r\n", "\n").replace("\r", "\n")[: longest * 2]
    return unicodedata.normalize("NFC", _CONTROL.sub("", given)).strip()[:longest]


def line(values: MultiDict[str, str], name: str, longest: int = 300) -> str:
    return " ".join(text(values, name, longest * 2).split())[:longest]


def number(values: MultiDict[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    """A whole number within bounds; the default for anything else."""
    given = values.get(name, "").strip()
    if not re.fullmatch(r"-?[0-9]{1,18}", given):
        return default
    return min(max(int(given), lowest), highest)


def day(given: str) -> date | None:
    """YYYY-MM-DD of a year that a calendar page can show, else None."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        return None
    try:
        found = date.fromisoformat(given)
    except ValueError:
        return None
    return found if 1991 <= found.year <= 9998 else None


def week(given: str) -> date | None:
    """The Monday of YYYY-Www, else None."""
    found = re.fullmatch(r"([0-9]{4})-W([0-9]{2})", given)
    if not found or not 1991 <= int(found[1]) <= 9998:
        return None
    try:
        return date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        return None


def phrases(given: str, most: int = 50, longest: int = 120) -> tuple[str, ...]:
    """Words or phrases parted by commas, semicolons or lines; doubles are dropped, the order is kept."""
    parts = (" ".join(part.split())[:longest] for part in re.split(r"[,;\n]", given))
    return tuple(dict.fromkeys(part for part in parts if part))[:most]


def paper_name(paper: Paper) -> str:
    """How a paper is called in addresses: its arXiv id, else its number."""
    return paper.arxiv_id or str(paper.id)
