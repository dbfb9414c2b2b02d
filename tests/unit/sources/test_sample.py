"""The bundled papers: enough for ten days, and fields that the source `file` knows."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from digest.sources.base import RawPaper
from digest.sources.file import File
from digest.sources.sample import write_sample

TODAY = date(2026, 3, 2)


def test_it_fills_ten_days_up_to_today(tmp_path: Path) -> None:
    count = write_sample(tmp_path / "papers.jsonl", TODAY)
    papers = [json.loads(line) for line in (tmp_path / "papers.jsonl").read_text(encoding="utf-8").splitlines()]
    days = Counter(paper["listed_on"] for paper in papers)
    assert count == len(papers) == len({paper["id"] for paper in papers})
    assert (min(days), max(days), len(days)) == ("2026-02-21", "2026-03-02", 10)
    assert min(days.values()) >= 5


def test_it_uses_the_fields_of_a_paper_and_real_arxiv_ids(tmp_path: Path) -> None:
    write_sample(tmp_path / "papers.jsonl", TODAY)
    known = {field.name for field in fields(RawPaper)}
    for line in (tmp_path / "papers.jsonl").read_text(encoding="utf-8").splitlines():
        paper = json.loads(line)
        assert set(paper) <= known
        assert re.fullmatch(r"\d{4}\.\d{4,5}", paper["id"])
        assert paper["votes"] > paper["comments"] > 0
        assert len(paper["abstract"]) > 200


def test_it_is_read_by_the_file_source_day_by_day(tmp_path: Path) -> None:
    count = write_sample(tmp_path / "papers.jsonl", TODAY)
    source = File(tmp_path / "papers.jsonl")
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    days = source.due_days({}, noon)
    assert days == [TODAY - timedelta(days=9 - back) for back in range(10)]
    fetched = [source.fetch(day, noon) for day in days]
    assert sum(len(fetch.papers) for fetch in fetched) == count
    assert not any(fetch.skipped for fetch in fetched)
