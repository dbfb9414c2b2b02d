"""What the sources really sent, out of the folder of recorded answers; and which words of it are lost on the way."""

from __future__ import annotations

import gzip
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from digest.papers.clean import CleanPaper, clean
from digest.sources.arxiv_xml import read_feed, read_harvest, read_query
from digest.sources.base import RawPaper, Skips
from digest.sources.huggingface import read_entry

_ACCENT = re.compile(r"""\\['"`^~=.]\{?\\?([A-Za-z])\}?|\\[cvHkrud]\{(\w)\}""")
_POSSESSIVE = re.compile(r"\\'(?=(?:s|t|re|ll|m|d|ve)\b)")
_COMMAND = re.compile(r"\\[A-Za-z]+\*?|\\.", re.DOTALL)
ANY_DAY = date(2026, 6, 9)  # for records that carry no day of their own


def days(payloads: Path) -> Iterator[tuple[date, list[RawPaper]]]:
    """Every recorded day of Hugging Face's list. Raises ValueError for a record that cannot be read."""
    for path in sorted((payloads / "hf" / "daily").glob("*.json.gz")):
        entries, skips = json.loads(gzip.decompress(path.read_bytes())), Skips()
        papers = [paper for entry in entries if (paper := read_entry(entry, skips)) is not None]
        if len(papers) < len(entries):
            raise ValueError(f"{path.name} has a record that is no paper: {skips}")
        yield date.fromisoformat(path.name[:10]), papers


def arxiv(payloads: Path) -> Iterator[RawPaper]:
    """Every recorded paper of arXiv's three interfaces."""
    for path in sorted((payloads / "arxiv-atom").glob("*.xml")):
        yield from read_query(path.read_bytes(), Skips()).papers
    for path in sorted((payloads / "arxiv-rss").glob("*.xml")):
        yield from read_feed(path.read_bytes(), Skips()).papers
    for path in sorted((payloads / "arxiv-oai").glob("*_arXiv_cs_page*.xml.gz")):
        yield from read_harvest(gzip.decompress(path.read_bytes()), Skips()).papers


def by_source(payloads: Path) -> dict[str, list[RawPaper]]:
    """Every recorded paper of each source."""
    return {"huggingface": [paper for _, papers in days(payloads) for paper in papers], "arxiv": [*arxiv(payloads)]}


def lost_words(source: str, papers: list[RawPaper]) -> list[tuple[str, list[str]]]:
    """(id, lost words) for each title or abstract that loses some; a paper that is left out loses all of its title."""
    losses = []
    for raw in papers:
        kept = clean(raw, source, ANY_DAY)
        shown = (kept.title, kept.abstract) if isinstance(kept, CleanPaper) else ("", "")
        for given, said in zip((raw.title, raw.abstract), shown, strict=True):
            if missing := lost(given, said):
                losses.append((raw.id, missing))
    return losses


def lost(given: str, shown: str) -> list[str]:
    """Runs of two or more letters or digits outside a TeX command's name that do not stand in `shown`, in order."""
    plain = _POSSESSIVE.sub("' ", html.unescape(given))
    plain = _ACCENT.sub(lambda found: found[1] or found[2], plain)
    at, target, missing = 0, _bare(shown), []
    for run in re.findall(r"[^\W_]{2,}", _bare(_COMMAND.sub(" ", plain))):
        found = target.find(run, at)
        if found < 0:
            missing.append(run)
        else:
            at = found + len(run)
    return missing


def _bare(text: str) -> str:
    """Letters without their accents, so that an accent said in TeX and one said in Unicode compare."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
