from __future__ import annotations

from datetime import date

import pytest
from werkzeug.datastructures import MultiDict

from digest.web import given


def test_it_drops_what_a_database_cannot_hold() -> None:
    values = MultiDict({"q": "  a\x00b\ud800c\u2028 \u0301e\r\nd "})
    assert given.line(values, "q") == "abc ́e d"


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), ("-5", 1), ("99", 10), ("", 2), ("x", 2), ("1e9", 2), ("٣", 2), ("9" * 20, 2)]
)
def test_it_keeps_numbers_within_bounds(text: str, number: int) -> None:
    assert given.number(MultiDict({"n": text}), "n", 2, 1, 10) == number


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-06-09", date(2026, 6, 9)),
        ("2026-02-30", None),
        ("9999-12-31", None),
        ("0001-01-01", None),
        ("2026-6-9", None),
        ("20260609", None),
    ],
)
def test_it_reads_days_of_a_calendar(text: str, day: date | None) -> None:
    assert given.day(text) == day


@pytest.mark.parametrize(
    ("text", "monday"), [("2026-W24", date(2026, 6, 8)), ("2026-W54", None), ("2026-W00", None), ("2026-24", None)]
)
def test_it_reads_iso_weeks(text: str, monday: date | None) -> None:
    assert given.week(text) == monday


def test_it_parts_phrases_and_drops_doubles() -> None:
    assert given.phrases(" video diffusion, robots;\nrobots\n , ") == ("video diffusion", "robots")
