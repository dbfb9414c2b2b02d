"""Papers come in: once each, merged, revised, withdrawn, caught up, and never half."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from digest.db.tables import RunOutcome, listings, papers, readings, source_runs, watermarks
from digest.papers import record
from digest.papers.ingest import IngestReport, ingest, ingest_from
from digest.papers.store import load_papers, votes_gained
from digest.settings import Settings
from digest.sources.base import Fetch, RawPaper, Source, SourceError
from digest.sources.http import Http
from digest.sources.huggingface import HuggingFace
from digest.sources.pacing import Pace
from tests.integration.sources.feed_server import FeedServer, Reply

NOW = datetime(2026, 6, 9, 12, tzinfo=UTC)
DAY = NOW.date()
PAPER = RawPaper(
    id="2606.00001v1",
    title="LLMtimesReduce",
    abstract="Some text of a sentence.",
    authors=("Ann Lee",),
    votes=5,
    comments=1,
)


class Scripted:
    """A source whose answers are set by the test."""

    def __init__(self, name: str = "huggingface") -> None:
        self.name = name
        self.answers: dict[date, Fetch | SourceError] = {}
        self.due: list[date] = [DAY]

    def say(self, *given: RawPaper, day: date = DAY, **values: Any) -> Scripted:
        self.answers[day] = Fetch(given, **values)
        return self

    def fetch(self, day: date, now: datetime) -> Fetch:
        answer = self.answers.get(day, Fetch((), RunOutcome.QUIET, "nothing"))
        if isinstance(answer, SourceError):
            raise answer
        return answer

    def quiet_reason(self, day: date) -> str | None:
        return None

    def due_days(self, read: object, now: datetime) -> list[date]:
        return self.due


def run(engine: Engine, source: Source, *, days: Sequence[date] | None = (DAY,), now: datetime = NOW) -> IngestReport:
    return ingest_from(engine, source, days, now)


def rows(engine: Engine, table: Any = papers) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table)))


def test_it_stores_a_day_once_however_often_it_is_read(engine: Engine) -> None:
    source = Scripted().say(
        PAPER,
        replace(PAPER, id="2606.00002", title="Two"),
        replace(PAPER, id="https://arxiv.org/abs/2606.00001v2"),
        skipped={"no title": 1},
    )
    first, second = run(engine, source), run(engine, source, now=NOW + timedelta(hours=1))
    assert (first.days[0].fetched, first.new, first.days[0].skipped) == (4, 2, {"no title": 1, "twice in the list": 1})
    assert (second.new, second.days[0].known) == (0, 2)
    assert (len(rows(engine)), len(rows(engine, listings)), len(rows(engine, readings))) == (2, 2, 2)
    with engine.connect() as connection:
        paper = next(
            iter(load_papers(connection, [row.id for row in rows(engine) if row.key == "2606.00001"]).values())
        )
    assert (paper.title, paper.authors, paper.first_seen_at, paper.listed_on) == (
        "LLMtimesReduce",
        ("Ann Lee",),
        NOW,
        DAY,
    )


def test_it_follows_the_votes(engine: Engine) -> None:
    run(engine, Scripted().say(PAPER))
    run(engine, Scripted().say(replace(PAPER, votes=39)), now=NOW + timedelta(days=1))
    row = rows(engine)[0]
    with engine.connect() as connection:
        assert votes_gained(connection, [row.id], NOW + timedelta(days=1)) == {row.id: 34}
    assert row.votes == 39


def test_it_takes_a_revision_for_the_same_paper(engine: Engine) -> None:
    run(engine, Scripted("arxiv").say(PAPER))
    revision = replace(PAPER, id="2606.00001v2", title="LLM x Reduce", is_revision=True)
    tomorrow = DAY + timedelta(days=1)
    source = Scripted("arxiv").say(revision, day=tomorrow)
    report = run(engine, source, days=[tomorrow], now=NOW + timedelta(days=1))
    row = rows(engine)[0]
    assert (report.new, report.days[0].revised, len(rows(engine, listings))) == (0, 1, 1)
    assert (row.title, row.first_seen_at, row.revised_at) == ("LLM x Reduce", NOW, NOW + timedelta(days=1))
    ignored = run(engine, Scripted("arxiv").say(replace(PAPER, id="1706.03762v7", is_revision=True)))
    assert (len(rows(engine)), sum(ignored.days[0].skipped.values())) == (1, 1)


def test_it_marks_what_was_withdrawn_and_takes_in_nothing_withdrawn(engine: Engine) -> None:
    run(engine, Scripted("arxiv").say(PAPER))
    gone = replace(PAPER, title="LLMtimesReduce", abstract="This paper has been withdrawn.", is_withdrawn=True)
    report = run(engine, Scripted("arxiv").say(gone, replace(gone, id="2606.00009")))
    assert [(row.key, row.withdrawn_at) for row in rows(engine)] == [("2606.00001", NOW)]
    assert report.days[0].skipped == {"withdrawn": 1}


def test_it_merges_two_sources_and_keeps_the_better_text(engine: Engine) -> None:
    run(engine, Scripted().say(PAPER))
    run(
        engine,
        Scripted("arxiv").say(
            replace(PAPER, title=r"LLM$\times$Reduce", votes=None, comments=None, categories=("cs.CL", "68T50"))
        ),
    )
    run(engine, Scripted().say(replace(PAPER, votes=9)))
    row = rows(engine)[0]
    assert (row.title, row.source, row.votes, row.categories) == ("LLM×Reduce", "arxiv", 9, ["cs.CL"])
    assert {one.source for one in rows(engine, listings)} == {"huggingface", "arxiv"}


def test_it_stores_a_failure_with_its_reason_and_asks_again_later(engine: Engine) -> None:
    source = Scripted()
    source.answers[DAY] = SourceError("hf.example answered 503", retry_after_seconds=300)
    report = run(engine, source, days=None)
    assert not report.ok
    stored = rows(engine, source_runs)[0]
    assert (stored.outcome, stored.reason, stored.retry_at) == (
        RunOutcome.FAILED,
        "hf.example answered 503",
        NOW + timedelta(minutes=5),
    )
    waiting = run(engine, source.say(PAPER), days=None, now=NOW + timedelta(minutes=4))
    assert "503" in waiting.reason
    assert "digest ingest --source huggingface --date 2026-06-09" in waiting.reason
    assert (waiting.days, waiting.ok) == ((), False)
    assert run(engine, source, days=None, now=NOW + timedelta(minutes=6)).new == 1


def test_it_stops_after_three_failures_in_a_row(engine: Engine) -> None:
    source = Scripted()
    days = [DAY - timedelta(days=n) for n in range(8, 0, -1)]
    source.answers = {day: SourceError("down") for day in days}
    assert len(run(engine, source, days=days).days) == 3


def test_it_moves_the_watermark_over_days_without_a_gap(engine: Engine) -> None:
    days = [DAY - timedelta(days=n) for n in range(5, 0, -1)]
    source = Scripted()
    source.answers[days[2]] = SourceError("down")
    run(engine, source, days=days)
    assert rows(engine, watermarks)[0].complete_to_on == days[1]
    source.answers.clear()
    run(engine, source, days=[days[2]])
    assert rows(engine, watermarks)[0].complete_to_on == days[4]


def test_it_asks_on_after_a_mistyped_day_and_after_a_clock_that_ran_ahead(engine: Engine) -> None:
    source = Scripted()
    run(engine, source, days=[DAY])
    run(engine, source, days=[date(2062, 6, 9)])
    run(engine, source, days=[date(2030, 1, 1)], now=NOW.replace(year=2030))
    with engine.connect() as connection:
        read = record.days_read(connection, source.name, NOW + timedelta(days=1))
    assert list(read) == [DAY]
    with Http(engine, "https://digest.example.org") as http:
        due = HuggingFace(http, "https://huggingface.co").due_days(read, NOW + timedelta(days=1))
    assert due == [DAY, DAY + timedelta(days=1)]


def test_it_leaves_the_work_to_a_process_that_is_at_it(engine: Engine, database_url: str) -> None:
    settings = Settings(database_url=database_url)
    with Pace(engine, "ingest:huggingface", 0.0).turn():
        report = ingest(engine, settings, "huggingface", None, NOW, unless_busy=True)
    assert (report.days, report.reason) == ((), "another process is reading it")


def entry(key: str) -> dict[str, Any]:
    return {"paper": {"id": key, "title": f"Paper {key}", "summary": "Text.", "upvotes": 1}, "numComments": 0}


@pytest.mark.parametrize("size", [20, 50, 1000])
def test_it_reads_all_pages_whatever_their_size(engine: Engine, size: int) -> None:
    entries = [entry(f"2606.{n:05}") for n in range(1, 63)]

    def page(path: str, _number: int) -> Reply:
        at = int(path.rpartition("p=")[2]) * size if size < 1000 else 0  # a server that gives all ignores the page
        return Reply(json.dumps(entries[at : at + size]).encode())

    with FeedServer(page) as server, Http(engine, "https://digest.example.org") as http:
        assert ingest_from(engine, HuggingFace(http, server.url), [DAY], NOW).new == 62


class Library(Scripted):
    """A scripted arXiv, which knows papers by id and long spans."""

    def __init__(self, *known: RawPaper) -> None:
        super().__init__("arxiv")
        self.known, self.asked, self.spans = known, list[str](), list[tuple[date, date]]()

    def look_up(self, keys: Sequence[str]) -> Fetch:
        self.asked.extend(keys)
        return Fetch(tuple(paper for paper in self.known if paper.id in keys))

    def harvest(self, first: date, last: date) -> Any:
        self.spans.append((first, last))
        yield Fetch(tuple(replace(paper, listed_on=first) for paper in self.known))


def test_it_completes_another_sources_papers_once(engine: Engine) -> None:
    run(engine, Scripted().say(PAPER, replace(PAPER, id="2606.00002")))
    library = Library(replace(PAPER, id="2606.00001", title="LLM×Reduce"))
    assert run(engine, library, days=[]).completed == 1
    assert {row.key: row.title for row in rows(engine)} == {"2606.00001": "LLM×Reduce", "2606.00002": "LLMtimesReduce"}
    run(engine, library, days=[])
    assert sorted(library.asked) == ["2606.00001", "2606.00002"]


def test_it_harvests_a_long_gap_in_one_go(engine: Engine) -> None:
    library = Library(PAPER)
    days = [DAY - timedelta(days=n) for n in range(30)]
    report = run(engine, library, days=days)
    assert library.spans == [(days[-1], days[2])]
    assert report.new == 1
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(source_runs)) == 30


def test_it_never_counts_a_paper_twice_when_another_process_was_first(engine: Engine) -> None:
    run(engine, Scripted().say(PAPER))
    with engine.begin() as connection:
        connection.execute(update(papers).values(votes=None))
    assert run(engine, Scripted().say(replace(PAPER, votes=5))).new == 0
