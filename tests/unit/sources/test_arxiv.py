"""arXiv's feeds, answers and harvests, and the calendar behind them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from digest.sources import arxiv_calendar as calendar
from digest.sources.arxiv import Arxiv
from digest.sources.arxiv_xml import read_feed, read_harvest, read_query
from digest.sources.base import BrokenAnswer, DayRead, Skips, SourceError

RSS = """<rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" version="2.0"><channel>
<title>cs.CL updates</title><link>x</link><pubDate>Tue, 09 Jun 2026 00:00:00 -0400</pubDate>{}</channel></rss>"""
ITEM = """<item><title>On {n}</title><link>https://arxiv.org/abs/2606.0000{n}</link><description>arXiv:2606.0000{n}v{v} Announce Type: {kind}
Abstract: We &lt;think&gt; about {n}.</description><guid isPermaLink="false">oai:arXiv.org:2606.0000{n}v{v}</guid><category>cs.CL</category>
<pubDate>Tue, 09 Jun 2026 00:00:00 -0400</pubDate><arxiv:announce_type>{kind}</arxiv:announce_type>
<dc:creator>Ann Lee,  Bob Ray (Lab, Town), Jos\\'e Paz</dc:creator></item>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">
<title>arXiv Query</title><id>x</id><opensearch:totalResults>{total}</opensearch:totalResults>{entries}</feed>"""
ENTRY = """<entry><id>http://arxiv.org/abs/hep-th/9901001v2</id><title>A
  title</title><summary>Text.</summary><published>1999-01-01T00:00:00Z</published><author><name>José Paz</name></author>
<category term="hep-th"/><arxiv:comment>{comment}</arxiv:comment></entry>"""
OAI = """<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">{}</OAI-PMH>"""
RECORD = """<record><header><identifier>oai:arXiv.org:2606.00001</identifier><datestamp>2026-06-09</datestamp></header><metadata>
<arXiv xmlns="http://arxiv.org/OAI/arXiv/"><id>2606.00001</id><created>2026-06-08</created><authors><author><keyname>Lee</keyname>
<forenames>Ann</forenames><suffix>Jr.</suffix></author></authors><title>T</title><categories>cs.CL math.CO</categories><abstract>A</abstract></arXiv></metadata></record>"""


def test_it_reads_an_announcement_feed() -> None:
    items = (
        ITEM.format(n=1, v=1, kind="new")
        + ITEM.format(n=2, v=3, kind="cross")
        + ITEM.format(n=3, v=1, kind="cross")
        + ITEM.format(n=4, v=2, kind="replace")
    )
    page = read_feed(RSS.format(items).encode(), Skips())
    first = page.papers[0]
    assert page.listed_on == first.listed_on == date(2026, 6, 9)
    assert (first.id, first.abstract, first.categories) == (
        "oai:arXiv.org:2606.00001v1",
        "We <think> about 1.",
        ("cs.CL",),
    )
    assert first.authors == ("Ann Lee", "Bob Ray", "Jos\\'e Paz")
    assert [paper.is_revision for paper in page.papers] == [False, True, False, True]


def test_it_reads_an_empty_feed_as_empty() -> None:
    assert read_feed(RSS.format("").encode(), Skips()).papers == ()


def test_it_reads_an_answer_to_a_query() -> None:
    page = read_query(ATOM.format(total=1, entries=ENTRY.format(comment="12 pages")).encode(), Skips())
    paper = page.papers[0]
    assert (page.total, paper.id, paper.authors, paper.published_on) == (
        1,
        "http://arxiv.org/abs/hep-th/9901001v2",
        ("José Paz",),
        date(1999, 1, 1),
    )
    assert not paper.is_withdrawn


def test_it_takes_an_error_in_disguise_for_an_error() -> None:
    error = "<entry><id>https://arxiv.org/api/errors#incorrect_id_format_for_abc</id><title>Error</title><summary>incorrect id format for abc</summary></entry>"
    with pytest.raises(SourceError, match="incorrect id format for abc"):
        read_query(ATOM.format(total=1, entries=error).encode(), Skips())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Rate exceeded.",
        b"<html><body>503</body></html>",
        b"<feed><entry>",
        b"\x00",
        b'<!DOCTYPE x [<!ENTITY a "b">]><feed>&a;</feed>',
    ],
)
def test_it_refuses_what_is_no_feed(body: bytes) -> None:
    for read in (read_feed, read_query, read_harvest):
        with pytest.raises(BrokenAnswer):
            read(body, Skips())


@pytest.mark.parametrize(
    "stray",
    [b"\x00", b"\x0b", b"\x1b", b"\xe9", b"\xed\xa0\x80", b"&#0;", b"&#x1B;", b"&#11;", b"&#xD800;", b"\xef\xbf\xbf"],
)
def test_it_loses_no_list_to_a_character_that_xml_does_not_know(stray: bytes) -> None:
    start, end = RSS.format(ITEM.format(n=1, v=1, kind="new")).encode().split(b"We &lt;")
    for declared in (b"", b'<?xml version="1.0" encoding="UTF-8"?>\n'):
        (paper,) = read_feed(declared + start + b"We " + stray + b"&lt;" + end, Skips()).papers
        assert "<think> about 1." in paper.abstract


@pytest.mark.parametrize(
    "stamp",
    [
        "Fri, 20 Nov 2026 00:00:00 +99999999999999",
        "Fri, 20 Nov 99999 00:00:00 GMT",
        "9999-12-31T23:59:59Z",
        "0001-01-01",
        "9" * 500,
        "soon",
        "",
    ],
)
def test_it_takes_no_day_that_no_list_can_have(stamp: str) -> None:
    item = ITEM.format(n=1, v=1, kind="new").replace("Tue, 09 Jun 2026 00:00:00 -0400", stamp)
    (paper,) = read_feed(RSS.format(item).encode(), Skips()).papers
    assert paper.listed_on is None


def test_it_reads_a_million_blanks_before_an_abstract() -> None:
    """Looked for at each blank anew, the announcement before it kept a worker busy for hours."""
    item = ITEM.format(n=1, v=1, kind="new").replace("arXiv:2606.00001v1 Announce", " " * 1_000_000 + "arXiv: Announce")
    (paper,) = read_feed(RSS.format(item).encode(), Skips()).papers
    assert "We <think>" in paper.abstract


def test_it_opens_no_file_and_expands_nothing() -> None:
    bomb = b'<!DOCTYPE f [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]><feed><title>&b;&c;</title></feed>'
    with pytest.raises(BrokenAnswer, match="document type"):
        read_query(bomb, Skips())


def test_it_reads_a_harvest_page_by_page() -> None:
    deleted = '<record><header status="deleted"><identifier>oai:arXiv.org:2606.00002</identifier></header></record>'
    page = read_harvest(
        OAI.format(f"<ListRecords>{RECORD}{deleted}<resumptionToken>9|2</resumptionToken></ListRecords>").encode(),
        Skips(),
    )
    assert (page.token, page.papers[0].authors, page.papers[0].categories) == (
        "9|2",
        ("Ann Lee Jr.",),
        ("cs.CL", "math.CO"),
    )
    assert page.papers[1].is_withdrawn
    last = read_harvest(OAI.format("<ListRecords><resumptionToken/></ListRecords>").encode(), Skips())
    assert last.token is None
    assert read_harvest(OAI.format('<error code="noRecordsMatch"/>').encode(), Skips()).papers == ()
    with pytest.raises(SourceError, match="badResumptionToken"):
        read_harvest(OAI.format('<error code="badResumptionToken">old</error>').encode(), Skips())


def test_it_knows_when_arxiv_is_quiet() -> None:
    assert "weekend" in (calendar.quiet_reason(date(2026, 6, 6)) or "")
    assert calendar.quiet_reason(date(2026, 6, 9)) is None
    holidays = [
        "2026-01-01",
        "2026-01-19",
        "2026-06-19",
        "2026-07-03",
        "2026-09-07",
        "2026-11-26",
        "2026-12-25",
        "2026-12-29",
        "2026-12-31",
    ]
    assert all(calendar.is_holiday(date.fromisoformat(day)) for day in holidays)
    assert not calendar.is_holiday(date(2026, 6, 9))


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        ("2026-06-08", "2026-06-04", "2026-06-05"),
        ("2026-06-09", "2026-06-05", "2026-06-08"),
        ("2026-06-10", "2026-06-08", "2026-06-09"),
        ("2026-06-12", "2026-06-10", "2026-06-11"),
    ],
)
def test_it_knows_which_submissions_a_list_announces(day: str, opens: str, closes: str) -> None:
    begin, end = calendar.submissions(date.fromisoformat(day))
    assert (begin, end) == (datetime.fromisoformat(f"{opens}T18:00Z"), datetime.fromisoformat(f"{closes}T18:00Z"))
    assert calendar.today(datetime(2026, 6, 9, 2, tzinfo=UTC)) == date(2026, 6, 8)


def test_it_asks_for_a_stale_feed_hourly_while_it_is_rebuilt_and_seldom_after() -> None:
    source = Arxiv(None, None, feed_url="u", api_url="u", oai_url="u", categories=["cs.CL"])  # type: ignore[arg-type]
    day = date(2026, 6, 9)

    def is_due(at: datetime, hours: int, is_final: bool = False) -> bool:
        return source.due_days({day: DayRead(at - timedelta(hours=hours), is_final)}, at) == [day]

    rebuilding, later = datetime(2026, 6, 9, 5, 30, tzinfo=UTC), datetime(2026, 6, 9, 15, tzinfo=UTC)
    assert is_due(rebuilding, 1)
    assert not is_due(later, 1)
    assert is_due(later, 6)
    assert not is_due(later, 6, is_final=True)
    assert source.due_days({}, datetime(2026, 6, 7, 15, tzinfo=UTC))[-1] == date(2026, 6, 5)
