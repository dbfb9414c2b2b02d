"""What the services really sent: every record is read, and no word of a title or abstract is lost."""

from __future__ import annotations

import gzip
import html
import json
import re
import unicodedata
from collections.abc import Iterator

import pytest

from digest.papers import text
from digest.papers.clean import CleanPaper, clean
from digest.sources.arxiv_xml import read_feed, read_harvest, read_query
from digest.sources.base import RawPaper, Skips
from digest.sources.huggingface import day_of, read_entry
from tests.conftest import shared_dir

_ACCENT = re.compile(r"""\\['"`^~=.]\{?\\?([A-Za-z])\}?|\\[cvHkrud]\{(\w)\}""")
_POSSESSIVE = re.compile(r"\\'(?=(?:s|t|re|ll|m|d|ve)\b)")
_COMMAND = re.compile(r"\\[A-Za-z]+\*?|\\.", re.DOTALL)


def bare(given: str) -> str:
    """Letters without their accents, so that an accent said in TeX and one said in Unicode compare."""
    return "".join(c for c in unicodedata.normalize("NFD", given) if not unicodedata.combining(c))


def lost(source: str, shown: str) -> list[str]:
    plain = _POSSESSIVE.sub("' ", html.unescape(source))
    plain = _ACCENT.sub(lambda found: found[1] or found[2], plain)
    at, target, missing = 0, bare(shown), []
    for run in re.findall(r"[^\W_]{2,}", bare(_COMMAND.sub(" ", plain))):
        found = target.find(run, at)
        if found < 0:
            missing.append(run)
        else:
            at = found + len(run)
    return missing


def daily() -> Iterator[RawPaper]:
    for path in sorted((shared_dir("payloads") / "hf" / "daily").glob("*.json.gz")):
        for entry in json.loads(gzip.decompress(path.read_bytes())):
            paper = read_entry(entry, skips := Skips())
            assert paper is not None, skips
            yield paper


def arxiv() -> Iterator[RawPaper]:
    root = shared_dir("payloads")
    for path in sorted((root / "arxiv-atom").glob("*.xml")):
        yield from read_query(path.read_bytes(), Skips()).papers
    for path in sorted((root / "arxiv-rss").glob("*.xml")):
        yield from read_feed(path.read_bytes(), Skips()).papers
    for path in sorted((root / "arxiv-oai").glob("*_arXiv_cs_page*.xml.gz")):
        yield from read_harvest(gzip.decompress(path.read_bytes()), Skips()).papers


@pytest.mark.parametrize("source", ["huggingface", "arxiv"])
def test_it_reads_every_recorded_paper_and_loses_no_word(source: str) -> None:
    records = list(daily() if source == "huggingface" else arxiv())
    day = day_of("2026-06-09")
    assert day is not None
    cleaned = [clean(raw, source, day) for raw in records]
    sound = [paper for paper in cleaned if isinstance(paper, CleanPaper)]
    assert len(sound) == len(records) > 2000
    losses = [
        (raw.id, missing)
        for raw, paper in zip(records, sound, strict=True)
        for given, shown in ((raw.title, paper.title), (raw.abstract, paper.abstract))
        if (missing := lost(given, shown))
    ]
    assert losses == []
    assert all(text.clip(paper.abstract, 600) for paper in sound if paper.abstract)
