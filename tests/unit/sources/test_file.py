"""A file of papers, some of its lines bad."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from digest.sources import file
from digest.sources.base import DayRead, SourceError
from digest.sources.file import File

NOW = datetime(2026, 6, 9, 7, tzinfo=UTC)
LINES = [
    '{"id": "2606.00001", "title": "One", "listed_on": "2026-06-09", "authors": ["Ann Lee"], "votes": 3}',
    "",
    "{broken",
    '{"title": "No id, another day", "listed_on": "2026-06-08"}',
    "[]",
    '{"id": "2606.00002"}',
    '{"paper": {"id": "2606.00003", "title": "As listed elsewhere"}}',
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "papers.jsonl"
    made.write_text("\n".join(LINES), encoding="utf-8")
    os.utime(made, (NOW.timestamp(), NOW.timestamp()))
    return made


def test_it_reads_a_day_and_names_bad_lines(path: Path) -> None:
    fetch = File(path).fetch(date(2026, 6, 9), NOW)
    assert [(paper.id, paper.title) for paper in fetch.papers] == [
        ("2606.00001", "One"),
        ("2606.00003", "As listed elsewhere"),
    ]
    assert set(fetch.skipped) == {"line 3: not valid JSON", "line 5: not an object", "line 6: no title"}


def test_it_is_due_until_read_since_it_was_written(path: Path) -> None:
    source = File(path)
    assert source.due_days({}, NOW) == [date(2026, 6, 8), date(2026, 6, 9)]
    read = {
        date(2026, 6, 8): DayRead(NOW + timedelta(hours=1), True),
        date(2026, 6, 9): DayRead(NOW - timedelta(hours=1), True),
    }
    assert source.due_days(read, NOW) == [date(2026, 6, 9)]


def test_it_reads_the_file_once_for_all_its_days_and_again_when_it_was_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[bytes] = []
    read_line = file._read_line
    monkeypatch.setattr(file, "_read_line", lambda line: (looked_at.append(line), read_line(line))[1])
    for day in (*File(path).due_days({}, NOW), date(2026, 1, 1)):
        File(path).fetch(day, NOW)
    assert len(looked_at) == 6 + 3  # every line that is not empty, and those of the days once more
    path.write_text(LINES[3] + "\n" + LINES[0], encoding="utf-8")
    assert [paper.title for paper in File(path).fetch(date(2026, 6, 9), NOW).papers] == ["One"]


def test_it_takes_a_paper_without_a_day_for_todays(tmp_path: Path) -> None:
    made = tmp_path / "papers.jsonl"
    made.write_text('{"title": "Undated"}')
    assert len(File(made).fetch(NOW.date(), NOW).papers) == 1
    assert not File(made).fetch(NOW.date() - timedelta(days=1), NOW).papers


def test_it_counts_a_line_that_is_too_long_as_one(tmp_path: Path) -> None:
    made = tmp_path / "papers.jsonl"
    made.write_text("x" * 4_100_000 + '\n{"title": "Next", "listed_on": "2026-06-09"}\n')
    fetch = File(made).fetch(NOW.date(), NOW)
    assert [paper.title for paper in fetch.papers] == ["Next"]
    assert fetch.skipped == {"line 1: longer than 2 MB": 1}


def test_it_says_which_setting_names_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="DIGEST_PAPERS_FILE"):
        File(None).fetch(NOW.date(), NOW)
    with pytest.raises(SourceError, match="no such file"):
        File(tmp_path / "absent").fetch(NOW.date(), NOW)
