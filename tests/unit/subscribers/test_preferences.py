from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.subscribers import preferences
from digest.subscribers.preferences import as_fields, clean, parse, timezones
from digest.subscribers.subscriber import Cadence, Preferences, Quiet

TODAY = date(2026, 6, 9)
BASE = Preferences(topics=("graphs",), timezone="Europe/Berlin")


def test_it_reads_a_form() -> None:
    form = {
        "topics": "graph learning, LLM agents;\r\n protein design ,, Graph Learning",
        "muted": "survey",
        "authors": "Lee, Ann\r\nBob Stone",
        "organisations": "Example Lab, Other Lab",
        "cadence": "weekly",
        "hour": "07:00",
        "timezone": "america/new york",
        "size": "5",
        "language": "de",
        "quiet": "tell",
        "paused_until": "2026-07-01",
        "email": "ann@example.org",
    }
    assert parse(form, BASE, TODAY) == Preferences(
        ("graph learning", "LLM agents", "protein design"),
        ("survey",),
        ("Lee, Ann", "Bob Stone"),
        ("Example Lab", "Other Lab"),
        Cadence.WEEKLY,
        7,
        "America/New_York",
        5,
        "de",
        Quiet.TELL,
        date(2026, 7, 1),
    )


def test_it_keeps_what_is_not_given_and_clears_what_is_empty() -> None:
    assert parse({}, BASE, TODAY) == BASE
    assert parse({"hour": "", "cadence": None}, BASE, TODAY) == BASE
    assert parse({"topics": ""}, BASE, TODAY) == replace(BASE, topics=())
    assert parse({"paused_until": ""}, replace(BASE, paused_until=date(2026, 7, 1)), TODAY) == BASE


def test_it_reads_json_values() -> None:
    assert parse({"topics": ["a, b", "c"], "authors": ["Lee, Ann"], "hour": 9, "size": 62}, BASE, TODAY) == replace(
        BASE, topics=("a", "b", "c"), authors=("Lee, Ann",), hour=9, size=62
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cadence", "hourly"),
        ("hour", "24"),
        ("hour", "-1"),
        ("hour", "noon"),
        ("hour", 7.5),
        ("hour", True),
        ("size", "0"),
        ("size", "63"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "localtime"),
        ("timezone", "../../etc/passwd"),
        ("language", "xx"),
        ("quiet", "loud"),
        ("paused_until", "soon"),
        ("paused_until", "20260701"),
        ("paused_until", "2026-02-30"),
        ("paused_until", "9999-12-31"),
        ("topics", ",".join(f"t{n}" for n in range(31))),
        ("topics", "x" * 81),
        ("topics", [1]),
        ("topics", [["a"]]),
        ("authors", "y" * 100),
    ],
)
def test_it_says_what_is_wrong_with_a_field(name: str, value: object) -> None:
    wrong = parse({name: value}, BASE, TODAY)
    assert isinstance(wrong, dict)
    assert list(wrong) == [name]
    assert str(wrong[name]).endswith(".")


def test_it_names_every_wrong_field_at_once() -> None:
    wrong = parse({"hour": "x", "size": "x", "topics": "fine"}, BASE, TODAY)
    assert isinstance(wrong, dict)
    assert set(wrong) == {"hour", "size"}


def test_it_takes_a_pause_that_is_over_as_none() -> None:
    assert parse({"paused_until": "2026-06-09"}, BASE, TODAY) == BASE


def test_it_drops_what_nobody_can_see() -> None:
    assert clean(" a\u202eb\u0000c\ud800\u200b  d\n") == "abc d"
    assert clean("می\u200cخواهم") == "می\u200cخواهم"
    assert clean("e\u0301") == "é"


@given(
    st.dictionaries(
        st.sampled_from(["topics", "authors", "hour", "timezone", "size", "paused_until"]), st.text(max_size=60)
    )
)
@settings(max_examples=100)
def test_it_withstands_any_text(fields: dict[str, str]) -> None:
    result = parse(fields, BASE, TODAY)
    if isinstance(result, Preferences):
        assert all(topic == clean(topic) and topic.encode() for topic in result.topics)


@given(st.lists(st.text(st.characters(exclude_characters=",;"), max_size=20), max_size=5))
@settings(max_examples=50)
def test_it_writes_what_it_can_read_back(topics: list[str]) -> None:
    first = parse({"topics": topics, "authors": ["Lee, Ann"], "hour": 0}, BASE, TODAY)
    assert isinstance(first, Preferences)
    text = as_fields(first)
    assert parse(text, BASE, TODAY) == first


def test_it_offers_real_time_zones() -> None:
    assert {"Europe/Berlin", "UTC", "Asia/Kolkata"} <= set(timezones())
    assert "localtime" not in timezones()


def test_it_keeps_nothing_long_that_somebody_sent_in_memory() -> None:
    remembered = preferences._read_short.cache_info
    before = remembered().misses
    assert isinstance(parse({"topics": ", ".join(f"topic number {n}" for n in range(20))}, BASE, TODAY), Preferences)
    assert remembered().misses == before
    parse({"topics": "a topic of this test alone"}, BASE, TODAY)
    assert remembered().misses == before + 1
