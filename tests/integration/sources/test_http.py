"""The polite client against a server that misbehaves."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.db.tables import pacing
from digest.sources import http
from digest.sources.base import BrokenAnswer, SourceError
from digest.sources.http import Answer, Http, retry_after
from digest.sources.pacing import Pace
from tests.integration.sources.feed_server import FeedServer, Reply


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(request: pytest.FixtureRequest, tmp_path: Path, waits: list[float]) -> Iterator[Http]:
    """One that waits half a minute for an answer, or as long as the test says."""
    engine, patience = make_engine(f"sqlite:///{tmp_path}/client.db"), getattr(request, "param", 30.0)
    migrate(engine)
    with Http(engine, "https://digest.example.org", sleep=waits.append, total_seconds=patience) as made:
        yield made
    engine.dispose()


def body(answer: Answer) -> bytes:
    return answer.body


def failure(client: Http, reply: Reply) -> tuple[str, int]:
    with FeedServer(lambda _path, _number: reply) as server:
        with pytest.raises(SourceError) as caught:
            client.get(server.url, body)
        return str(caught.value), len(server.asked)


def test_it_says_who_asks_and_asks_once_when_all_is_well(client: Http) -> None:
    with FeedServer(lambda _path, _number: Reply(b"[1]")) as server:
        assert client.get(server.url + "/x", body, {"date": "2026-06-09"}) == b"[1]"
        assert server.asked[0].path == "/x?date=2026-06-09"
        assert "https://digest.example.org" in server.asked[0].headers["User-Agent"]
        assert len(server.asked) == 1


def test_it_tries_again_with_growing_pauses_and_honours_retry_after(client: Http, waits: list[float]) -> None:
    replies = [
        Reply(b"", 500),
        Reply(b"Rate exceeded.", 429, "text/plain", {"Retry-After": "7"}),
        Reply(b"{}", promised_bytes=999),
        Reply(b"[1]"),
    ]
    with FeedServer(lambda _path, number: replies[number]) as server:
        assert client.get(server.url, body) == b"[1]"
    assert len(waits) == 3
    assert waits[1] == 7.0
    assert 0 < waits[0] <= 1.0
    assert waits[2] <= 4.0


def test_it_gives_up_with_what_the_server_said(client: Http) -> None:
    reason, asked = failure(client, Reply(b"Rate exceeded.", 429, "text/plain"))
    assert "429" in reason
    assert "Rate exceeded." in reason
    assert asked == http.ATTEMPTS


def test_it_does_not_wait_when_asked_to_wait_long(client: Http, waits: list[float]) -> None:
    with (
        FeedServer(lambda _path, _number: Reply(b"", 503, headers={"Retry-After": "3600"})) as server,
        pytest.raises(SourceError) as caught,
    ):
        client.get(server.url, body)
    assert caught.value.retry_after_seconds == 3600
    assert waits == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_it_does_not_ask_again_what_was_refused(client: Http, status: int) -> None:
    assert failure(client, Reply(b"no", status))[1] == 1


def test_it_asks_again_for_an_answer_that_cannot_be_used(client: Http) -> None:
    def read(answer: Answer) -> bytes:
        if not answer.body:
            raise BrokenAnswer("it is empty")
        return answer.body

    with FeedServer(lambda _path, number: Reply(b"" if number == 0 else b"x")) as server:
        assert client.get(server.url, read) == b"x"


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:6379/",
        "https://evil.example/",
        "//evil.example/x",
        "file:///etc/passwd",
        "http://[::1]/",
        "http://x@127.0.0.1/",
        "ftp://127.0.0.1/",
    ],
)
def test_it_follows_nobody_to_another_host(client: Http, target: str) -> None:
    reason, asked = failure(client, Reply(b"", 302, headers={"Location": target}))
    assert "another host" in reason
    assert asked == 1


@pytest.mark.parametrize(
    "target", ["http://[", "javascript:x", "http:///x", "\\\\evil.example", "http://127.0.0.1:x/", "?" * 9000, "\x01"]
)
def test_it_survives_a_redirect_to_what_is_no_address(client: Http, target: str) -> None:
    assert failure(client, Reply(b"", 302, headers={"Location": target}))[0]


def test_it_follows_to_a_page_of_the_same_host_but_not_in_circles(client: Http) -> None:
    with FeedServer(
        lambda path, _number: Reply(b"[2]") if path == "/new" else Reply(b"", 301, headers={"Location": "/new"})
    ) as server:
        assert client.get(server.url + "/old", body) == b"[2]"
    assert "circles" in failure(client, Reply(b"", 302, headers={"Location": "/again"}))[0]


def test_it_waits_its_turn_for_a_redirect_too(client: Http) -> None:
    paused: list[float] = []

    def end_of_pause(seconds: float) -> None:
        paused.append(seconds)
        with client._engine.begin() as connection:
            connection.execute(update(pacing).values(free_at=0.0))

    pace = Pace(client._engine, "arxiv", 3.0, sleep=end_of_pause)
    with FeedServer(
        lambda path, _number: Reply(b"[2]") if path == "/new" else Reply(b"", 301, headers={"Location": "/new"})
    ) as server:
        assert client.get(server.url + "/old", body, pace=pace) == b"[2]"
    assert len(paused) == 1


def test_it_keeps_no_more_than_its_cap(client: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BYTES", 1_000_000)
    assert "more than 1 MB" in failure(client, Reply(b"x" * 1_000_001))[0]
    assert (
        "more than 1 MB"
        in failure(client, Reply(gzip.compress(b"x" * 50_000_000), headers={"Content-Encoding": "gzip"}))[0]
    )


def test_it_unpacks_what_is_whole_and_refuses_the_rest(client: Http) -> None:
    packed = gzip.compress(b"[1]" * 100)
    with FeedServer(lambda _path, _number: Reply(packed, headers={"Content-Encoding": "gzip"})) as server:
        assert client.get(server.url, body) == b"[1]" * 100
    assert "ends too early" in failure(client, Reply(packed[:-12], headers={"Content-Encoding": "gzip"}))[0]
    assert "cannot be unpacked" in failure(client, Reply(b"plain", headers={"Content-Encoding": "gzip"}))[0]
    assert "not asked for" in failure(client, Reply(zlib.compress(b"x"), headers={"Content-Encoding": "gzip, gzip"}))[0]


@pytest.mark.parametrize("client", [1.0], indirect=True)
def test_it_ends_a_conversation_that_drips(client: Http) -> None:
    assert "took longer than" in failure(client, Reply(b"x" * 200, drip_seconds=0.02))[0]


def test_it_names_a_server_that_is_not_there(client: Http) -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9"):
        client.get("http://127.0.0.1:9/", body)


def test_it_asks_for_changes_only_and_gives_the_old_answer_for_none(engine: Engine) -> None:
    tagged = Reply(b"[1]", headers={"ETag": '"a1"', "Last-Modified": "Tue, 09 Jun 2026 07:00:00 GMT"})
    with (
        Http(engine, "https://digest.example.org") as client,
        FeedServer(lambda _path, number: Reply(b"", 304) if number else tagged) as server,
    ):
        first = client.get(server.url, lambda answer: answer)
        again = client.get(server.url, lambda answer: answer)
        assert server.asked[1].headers["If-None-Match"] == '"a1"'
    assert (first.is_unchanged, again.is_unchanged) == (False, True)
    assert first.body == again.body == b"[1]"


def test_it_reads_both_ways_of_saying_when() -> None:
    now = datetime(2026, 6, 9, 7, tzinfo=UTC)
    assert retry_after("30", now) == 30
    assert retry_after("Fri, 20 Nov 2026 00:00:00 +99999999999999", now) is None
    assert retry_after("Tue, 09 Jun 2026 07:02:00 GMT", now) == 120
    assert retry_after("Tue, 09 Jun 2026 06:00:00 GMT", now) == 0
    assert retry_after("soon", now) is None
    assert retry_after("", now) is None
