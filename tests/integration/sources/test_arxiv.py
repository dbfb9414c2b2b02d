"""arXiv asked over HTTP: retries of empty answers, pages, ids, harvests that go in circles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine

from digest.db.tables import RunOutcome
from digest.sources.arxiv import Arxiv
from digest.sources.base import SourceError
from digest.sources.http import Http
from digest.sources.pacing import Pace
from tests.integration.sources.feed_server import FeedServer, Reply

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)  # a Wednesday
TUESDAY, WEDNESDAY = date(2026, 6, 9), date(2026, 6, 10)
FEED = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:o="http://a9.com/-/spec/opensearch/1.1/"><o:totalResults>{}</o:totalResults>{}</feed>"""
ENTRY = "<entry><id>http://arxiv.org/abs/{}v1</id><title>On {}</title><summary>S</summary><published>{}T09:00:00Z</published></entry>"
RSS = """<rss version="2.0"><channel><title>t</title><pubDate>{day} 00:00:00 -0400</pubDate>{items}</channel></rss>"""
ITEM = "<item><title>T</title><guid>oai:arXiv.org:2606.00001v1</guid><description>d</description><pubDate>{day} 00:00:00 -0400</pubDate></item>"
Replies = Callable[[str, int], Reply]


def entries(*found: tuple[str, str], total: int | None = None) -> Reply:
    body = FEED.format(
        len(found) if total is None else total, "".join(ENTRY.format(key, key, day) for key, day in found)
    )
    return Reply(body.encode(), content_type="application/atom+xml")


def feed(day: str, items: int = 1) -> Reply:
    return Reply(RSS.format(day=day, items=ITEM.format(day=day) * items).encode(), content_type="application/rss+xml")


@contextmanager
def opened(engine: Engine, replies: Replies) -> Iterator[tuple[Arxiv, FeedServer]]:
    with FeedServer(replies) as server, Http(engine, "https://digest.example.org", sleep=lambda _seconds: None) as http:
        pace = Pace(engine, "arxiv", 0.0)
        yield (
            Arxiv(
                http, pace, feed_url=server.url, api_url=server.url, oai_url=server.url, categories=["cs.CL", "hep-th"]
            ),
            server,
        )


@pytest.fixture
def arxiv(engine: Engine) -> Callable[[Replies], AbstractContextManager[tuple[Arxiv, FeedServer]]]:
    return lambda replies: opened(engine, replies)


Opened = Callable[[Replies], AbstractContextManager[tuple[Arxiv, FeedServer]]]


def test_it_reads_todays_list_from_the_feed(arxiv: Opened) -> None:
    with arxiv(lambda _path, _number: feed("Wed, 10 Jun 2026")) as (source, server):
        fetch = source.fetch(WEDNESDAY, NOW)
    assert (len(fetch.papers), fetch.is_final, fetch.papers[0].listed_on) == (1, True, WEDNESDAY)
    assert server.asked[0].path == "/rss/cs.CL+hep-th"


def test_it_says_when_the_feed_is_still_yesterdays(arxiv: Opened) -> None:
    with arxiv(lambda _path, _number: feed("Tue, 09 Jun 2026")) as (source, _):
        fetch = source.fetch(WEDNESDAY, NOW)
    assert (fetch.is_final, fetch.papers[0].listed_on) == (False, TUESDAY)
    assert "still the one of 2026-06-09" in fetch.reason


def test_it_asks_by_query_for_a_missed_day_and_keeps_to_it(arxiv: Opened) -> None:
    found = entries(("2606.00001", "2026-06-08"), ("2606.00002", "2018-02-05"))
    with arxiv(lambda _path, _number: found) as (source, server):
        fetch = source.fetch(TUESDAY, NOW)
    query = parse_qs(urlsplit(server.asked[0].path).query)["search_query"][0]
    assert query == "(cat:cs.CL OR cat:hep-th) AND submittedDate:[202606051800 TO 202606081800]"
    assert [paper.listed_on for paper in fetch.papers] == [TUESDAY]
    assert fetch.skipped == {"outside the asked days": 1}


def test_it_does_not_take_an_empty_answer_for_a_quiet_day(arxiv: Opened) -> None:
    replies = [entries(total=7), Reply(b"Rate exceeded."), entries(("2606.00001", "2026-06-08"))]
    with arxiv(lambda _path, number: replies[number]) as (source, _):
        assert len(source.fetch(TUESDAY, NOW).papers) == 1
    with (
        arxiv(lambda _path, _number: entries(total=7)) as (source, _),
        pytest.raises(SourceError, match="7 papers and sent none"),
    ):
        source.fetch(TUESDAY, NOW)


def test_it_reads_page_after_page(arxiv: Opened) -> None:
    with arxiv(
        lambda path, _number: entries(("2606.0000" + ("1" if "start=0" in path else "2"), "2026-06-08"), total=1500)
    ) as (source, server):
        assert len(source.fetch(TUESDAY, NOW).papers) == 2
    assert len(server.asked) == 2


def test_it_asks_nothing_on_a_weekend_or_for_a_day_that_has_not_begun(arxiv: Opened) -> None:
    with arxiv(lambda _path, _number: Reply(status=500)) as (source, server):
        weekend = source.fetch(date(2026, 6, 6), NOW)
        future = source.fetch(date(2026, 6, 11), NOW)
    assert (weekend.outcome, future.outcome, future.is_final, server.asked) == (
        RunOutcome.QUIET,
        RunOutcome.QUIET,
        False,
        [],
    )


def test_it_looks_papers_up_a_hundred_at_a_time(arxiv: Opened) -> None:
    with arxiv(lambda _path, _number: entries(("2606.00001", "2026-06-08"))) as (source, server):
        fetch = source.look_up([f"2606.{n:05}" for n in range(150)])
    assert (len(server.asked), len(fetch.papers)) == (2, 2)


def test_it_harvests_until_the_pages_repeat(arxiv: Opened) -> None:
    record = "<record><header><identifier>oai:arXiv.org:2606.0000{n}</identifier></header><metadata><arXiv><id>2606.0000{n}</id><created>{day}</created><title>T</title></arXiv></metadata></record>"

    def reply(path: str, _number: int) -> Reply:
        n, day = (2, "2020-01-01") if "resumptionToken" in path else (1, "2026-06-08")
        return Reply(
            f"<OAI-PMH><ListRecords>{record.format(n=n, day=day)}<resumptionToken>again</resumptionToken></ListRecords></OAI-PMH>".encode()
        )

    with arxiv(reply) as (source, server):
        pages = list(source.harvest(date(2026, 6, 1), WEDNESDAY))
    assert [paper.listed_on for page in pages for paper in page.papers] == [TUESDAY, TUESDAY]
    assert "set=cs%3Acs%3ACL" in server.asked[0].path
    assert len(server.asked) == 4
