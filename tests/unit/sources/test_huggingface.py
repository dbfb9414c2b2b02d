"""What the daily list says, entry by entry, and which days are asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from digest.sources.base import BrokenAnswer, DayRead, Skips
from digest.sources.huggingface import HuggingFace, count, loads, read_entry

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)  # a Wednesday


def entry(**paper: Any) -> dict[str, Any]:
    return {
        "title": "Outer $L_2$",
        "numComments": 2,
        "paper": {"id": "2606.00001", "title": "Inner", "summary": "S", "upvotes": 7} | paper,
    }


def test_it_reads_what_an_entry_says() -> None:
    given = entry(
        authors=[
            {"name": "Ann Lee", "hidden": False},
            {"name": "Bob Ray", "hidden": True},
            {"name": "Cy", "hidden": "true"},
        ],
        publishedAt="2026-06-08T00:00:00.000Z",
        ai_keywords=["x"],
        githubRepo="https://github.com/a/b",
        githubStars=0,
        organization={"name": "lab", "fullname": "The Lab"},
    )
    paper = read_entry(given, Skips())
    assert paper is not None
    assert (paper.id, paper.title, paper.authors, paper.organization) == (
        "2606.00001",
        "Outer $L_2$",
        ("Ann Lee",),
        "The Lab",
    )
    assert (paper.votes, paper.comments, paper.code_stars, paper.published_on) == (7, 2, 0, date(2026, 6, 8))
    assert (paper.gist, paper.project_url) == (None, None)


@pytest.mark.parametrize(
    ("given", "reason"),
    [(None, "not a paper record"), ([], "not a paper record"), ({"paper": []}, "not a paper record"), ({"paper": {"id": 2606.1, "title": "x"}}, "id is not text"),
     ({"paper": {"title": "x"}}, "no id"), ({"title": " ", "paper": {"id": "2606.00001", "title": ["x"]}}, "no title")],
)  # fmt: skip
def test_it_leaves_out_what_names_no_paper_and_says_why(given: object, reason: str) -> None:
    skips = Skips()
    assert read_entry(given, skips) is None
    assert skips == {reason: 1}


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        (0, 0),
        (17, 17),
        ("17", 17),
        (3.0, 3),
        (-5, None),
        ("many", None),
        (True, None),
        (None, None),
        (float("inf"), None),
        (10**30, None),
        ([], None),
    ],
)
def test_it_counts_only_what_is_a_count(given: object, counted: int | None) -> None:
    assert count(given) == counted


@pytest.mark.parametrize("body", [b"", b"[{", b"<html>", b"[" * 100_000, b"[1]x", b"\x00"])
def test_it_says_what_is_no_json(body: bytes) -> None:
    with pytest.raises(BrokenAnswer, match="not valid JSON"):
        loads(body, "it")


def test_it_takes_json_that_others_stumble_over() -> None:
    assert loads(b"\xef\xbb\xbf[]", "it") == []
    assert loads("[]".encode("utf-16"), "it") == []
    assert loads(b'["caf\xe9"]', "it") == ["caf\ufffd"]
    assert loads(b"[NaN, 1e999, " + b"9" * 5000 + b"]", "it")[2] is None


def due(read: dict[date, DayRead], now: datetime = NOW) -> list[int]:
    return [(now.date() - day).days for day in HuggingFace(None, "https://hf.example").due_days(read, now)]  # type: ignore[arg-type]


def test_it_starts_with_the_last_week() -> None:
    assert due({}) == [7, 6, 5, 4, 3, 2, 1, 0]


def test_it_reads_today_about_once_an_hour() -> None:
    today = NOW.date()
    assert due({today: DayRead(NOW - timedelta(minutes=30), False)}) == []
    assert due({today: DayRead(NOW - timedelta(minutes=60), False)}) == [0]


def test_it_reads_a_day_again_while_its_votes_move() -> None:
    day = date(2026, 6, 1)
    read_at = datetime(2026, 6, 1, 23, tzinfo=UTC)
    ages = []
    for age in range(21):
        now = datetime(2026, 6, 1, 2, tzinfo=UTC) + timedelta(days=age)
        read = {day + timedelta(days=n): DayRead(now, False) for n in range(1, age + 1)} | {
            day: DayRead(read_at, age > 0)
        }
        if age and age in due(read, now):
            ages.append(age)
            read_at = now
    assert ages == [1, 2, 3, 5, 7, 14]


def test_it_catches_up_with_missed_days_but_not_for_ever() -> None:
    fresh = DayRead(NOW, True)
    assert due({NOW.date() - timedelta(days=3): fresh}) == [2, 1, 0]
    assert max(due({NOW.date() - timedelta(days=300): fresh})) == 60


def test_it_never_asks_for_a_day_that_has_not_begun_in_utc() -> None:
    fetch = HuggingFace(None, "https://hf.example").fetch(date(2026, 6, 11), NOW)  # type: ignore[arg-type]
    assert not fetch.papers
    assert "not begun" in fetch.reason
