"""Every hostile record goes from the source's reader to a mail, which is judged; a runner for examples that lie outside."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from digest.editions.edition import Edition, Kind, Pick
from digest.papers.clean import CleanPaper, clean
from digest.papers.paper import Paper
from digest.ranking.choice import Reason, ReasonKind
from digest.rendering.renderer import Renderer
from digest.sources.base import Skips
from digest.sources.huggingface import read_entry
from tests.conftest import shared_dir
from tests.unit.rendering.samples import MESSAGE_ID, SENDER, links_of

DAY = date(2026, 11, 23)
AT = datetime(2026, 11, 23, 7, tzinfo=UTC)
SOUND = ("Sparse attention, revisited with care", "What a small model remembers of its data")
SECONDS_AT_MOST = 2.0


@cache
def renderer() -> Renderer:
    return Renderer(SENDER)


def record(number: int, title: str) -> dict[str, Any]:
    paper = {
        "id": f"2511.1{number:04}",
        "title": title,
        "summary": "We measure it. It works.",
        "upvotes": 40,
        "authors": [{"name": "Ann"}],
    }
    return {"paper": paper, "title": title, "numComments": 1}


def papers(records: list[Any]) -> Iterator[Paper]:
    """As ingestion makes them: one for each key, the first record's."""
    seen: set[str] = set()
    for number, given in enumerate(records, 1):
        raw = read_entry(given, Skips())
        one = clean(raw, "huggingface", DAY) if raw else ""
        if isinstance(one, CleanPaper) and one.key not in seen and not one.is_withdrawn:
            seen.add(one.key)
            values = {name: getattr(one, name) for name in CleanPaper.__slots__ if not name.startswith("is_")}
            yield Paper(id=number, first_seen_at=AT, source="huggingface", **values)


def mail(records: list[Any]) -> bytes:
    """A digest with the records first, so that the subject is made of a hostile title, and sound papers after them."""
    found = list(papers([*records, *(record(number, title) for number, title in enumerate(SOUND))]))
    picks = tuple(Pick(paper, (Reason(ReasonKind.TRENDING, 1.0, "3"),), paper.votes) for paper in found)
    edition = Edition(1, 1, DAY, Kind.DAILY, picks, len(picks), DAY, DAY, None, AT)
    return renderer().prepare(found, ["en"]).fill(edition, "ann@example.com", "en", links_of(edition), MESSAGE_ID, AT)


def checker() -> ModuleType:
    path = shared_dir("tools/check_hostile.py")
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location("check_hostile", path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def cases() -> list[dict[str, Any]]:
    lines = Path(shared_dir("hostile/papers.jsonl")).read_text(encoding="ascii").splitlines()
    return [json.loads(line) for line in lines]


def test_it_makes_a_sound_mail_of_every_hostile_record() -> None:
    check = checker().check
    failed = {}
    for case in cases():
        if case["verdict"] == "merge":
            continue
        start = time.process_time()
        bad, _, _ = check(case, mail([case["record"]]), SOUND)
        seconds = time.process_time() - start
        if bad or seconds > case["expect"].get("seconds_max", SECONDS_AT_MOST):
            failed[case["case"]] = (case["why"], bad, round(seconds, 2))
    assert failed == {}


def test_it_shows_a_paper_once_however_often_it_is_listed() -> None:
    twins = [case for case in cases() if case["verdict"] == "merge"]
    if not twins:
        pytest.skip("no case of this kind")
    shown = checker().view(mail([case["record"] for case in twins]))["visible"]
    assert sum(case["marker"] in shown for case in twins) == 1
