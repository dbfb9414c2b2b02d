"""A German page is German to the last word, also where something went wrong."""

from __future__ import annotations

import html
import json
import re

import pytest
from werkzeug.test import TestResponse

from digest.feedback.passport import MOST_PAPERS
from tests.builders import add_subscriber
from tests.integration.web.conftest import World
from tests.integration.web.test_preferences import page_of
from tests.integration.web.test_subscriptions import ask

# Words that hardly an English sentence does without, and that no German one has.
ENGLISH = re.compile(
    r"\b(the|is|are|and|of|or|you|your|not|with|please|this|that|these|there|use|choose|send|at most|too|be|been|it|"
    r"from|must|try|again|we|our|have|has|page|address|could|does)\b",
    re.IGNORECASE,
)
ADDRESSES = ["", "ann", "ann@", "@example.org", "ann@@example.org", "a b@example.org", "ann@exa mple.org", "ann@-.org"]
ADDRESSES += ["ann..lee@example.org", "x" * 65 + "@example.org", "ann@" + "x" * 300, "ann\u200b@example.org", "a" * 600]
ADDRESSES += ["digest@example.org", "é" * 40 + "@example.org", "ann@localhost", "ann@[127.0.0.1]"]
FIELDS = [
    ("topics", "x" * 81),
    ("topics", ",".join(f"t{n}" for n in range(31))),
    ("muted", ",".join(f"t{n}" for n in range(101))),
    ("authors", "y" * 100),
    ("cadence", "hourly"),
    ("hour", "24"),
    ("size", "0"),
    ("timezone", "Mars/Olympus"),
    ("language", "xx"),
    ("quiet", "loud"),
    ("paused_until", "soon"),
    ("paused_until", "9999-12-31"),
]
TASTES = [
    "",
    "nichts",
    "{",
    "{}",
    json.dumps({"format": "digest-taste", "more": "2503.02130"}),
    json.dumps({"format": "digest-taste", "topics": ["x" * 81]}),
    json.dumps({"format": "digest-taste", "topics": [7]}),
    " ".join(f"2503.{n:05}" for n in range(MOST_PAPERS + 1)),
]


@pytest.fixture
def reader(world: World) -> int:
    return int(world.stored(add_subscriber, language="de"))


def said(answer: TestResponse, *typed: str) -> str:
    """The text of a page's middle, without what a person typed and without what fields offer to choose from."""
    middle = re.sub(
        r"(?s)<(select|textarea|title)\b.*?</\1>", " ", answer.text.partition("<main")[2].partition("</main>")[0]
    )
    text = html.unescape(re.sub(r"<[^>]+>", " ", "<" + middle))
    for word in filter(None, typed):
        text = text.replace(word, " ")
    return " ".join(text.split())


def assert_german(answer: TestResponse, status: int, *typed: str) -> None:
    text = said(answer, *typed)
    assert answer.status_code == status
    assert '<html lang="de"' in answer.text
    assert len(text) > 40
    assert ENGLISH.findall(text) == []


def german(world: World, path: str, **data: str) -> TestResponse:
    return world.client.post(path, data=data, headers={"Accept-Language": "de"})


@pytest.mark.parametrize("email", ADDRESSES)
def test_it_refuses_an_address_in_german(world: World, email: str) -> None:
    answer = german(world, "/subscribe", email=email)
    assert 'id="email-wrong"' in answer.text
    assert_german(answer, 400, email)


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_it_says_in_german_what_is_wrong_with_a_preference(world: World, reader: int, name: str, value: str) -> None:
    answer = world.client.post(page_of(world, reader), data={name: value})
    assert 'class="hint failed"' in answer.text
    assert_german(answer, 400, value, "English", "daily, weekdays, weekly", "en, de", "skip, tell")


@pytest.mark.parametrize(("name", "value"), FIELDS[:2] + FIELDS[4:8])
def test_it_says_in_german_what_is_wrong_with_a_request(world: World, name: str, value: str) -> None:
    answer = german(world, "/subscribe", email="ann@example.org", **{name: value})
    assert f'id="{name}-wrong"' in answer.text
    assert_german(answer, 400, value, "ann@example.org", "daily, weekdays, weekly")


def test_it_refuses_a_new_address_in_german(world: World, reader: int) -> None:
    answer = world.client.post(page_of(world, reader), data={"do": "address", "email": "ann@"})
    assert 'id="email-wrong"' in answer.text
    assert_german(answer, 400, "ann@example.org", "English")


@pytest.mark.parametrize("taste", TASTES)
def test_it_refuses_a_taste_in_german(world: World, reader: int, taste: str) -> None:
    answer = world.client.post(f"{page_of(world, reader)}/passport", data={"taste": taste})
    assert 'id="taste-wrong"' in answer.text
    assert_german(answer, 400, "English", "more", "less")


@pytest.mark.parametrize("topics", ["x" * 81, ",".join(f"t{n}" for n in range(31))])
def test_it_says_in_german_why_topics_cannot_be_tried(world: World, topics: str) -> None:
    answer = world.client.get("/preview", query_string={"topics": topics, "lang": "de"})
    assert 'id="topics-wrong"' in answer.text
    assert_german(answer, 200, topics)


def test_it_answers_errors_in_german(world: World, reader: int) -> None:
    here, headers = world.client, {"Accept-Language": "de"}
    assert_german(here.get("/nope", headers=headers), 404)
    assert_german(here.get("/u/nope", headers=headers), 404)
    assert_german(here.delete("/subscribe", headers=headers), 405)
    assert_german(here.post("/subscribe", data=b"a" * 20_000, headers=headers), 413)
    assert_german(here.post("/subscribe", headers=headers | {"Origin": "https://evil.example"}), 403)
    for _ in range(20):
        answer = ask(world, "bob@example.org", seconds=3)
    answer = german(world, "/subscribe", email="bob@example.org")
    assert_german(answer, 429)
