"""Feed answers and records that try to break things: what ingestion must make of each. Skipped where the examples are absent."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.db.tables import RunOutcome, papers, source_runs
from digest.papers.ingest import IngestReport, ingest_from
from digest.sources.http import Http
from digest.sources.huggingface import HuggingFace
from tests.conftest import shared_dir
from tests.integration.sources.feed_server import FeedServer, Reply

DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shared_dir("hostile") / name).read_text(encoding="ascii").splitlines()]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("hostile") / "empty.db"
    engine = make_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()  # the last connection to close writes the journal into the file
    return path.read_bytes()


@pytest.fixture
def new_engine(empty: bytes, tmp_path: Path) -> Iterator[Any]:
    made: list[Engine] = []

    def make() -> Engine:
        path = tmp_path / f"{len(made)}.db"
        path.write_bytes(empty)
        made.append(make_engine(f"sqlite:///{path}"))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def ingest_reply(engine: Engine, reply: Reply) -> tuple[IngestReport, FeedServer]:
    with (
        FeedServer(
            lambda path, _number: reply if "p=0" in path else Reply(b"[]") if reply.status == 200 else reply
        ) as server,
        Http(engine, "https://digest.example.org", sleep=lambda _s: None) as http,
    ):
        return ingest_from(engine, HuggingFace(http, server.url), [DAY], NOW), server


def body_of(case: dict[str, Any]) -> bytes:
    if "body_repeat" in case:
        given = case["body_repeat"]
        unit, count = (given["unit"], given["count"]) if isinstance(given, dict) else given
        return str(unit).encode() * int(count)
    return base64.b64decode(case.get("body_b64", ""))


def test_it_gives_every_feed_answer_its_verdict(new_engine: Any) -> None:
    for case in cases("feeds.jsonl"):
        engine, began = new_engine(), time.process_time()
        reply = Reply(body_of(case), case["status"], case["content_type"], case.get("headers", {}))
        report, server = ingest_reply(engine, reply)
        with engine.connect() as connection:
            stored = connection.scalar(select(func.count()).select_from(papers))
            run = connection.execute(select(source_runs)).one()
        if case["verdict"] == "papers":
            assert (case["case"], stored) == (case["case"], case["expect"]["papers"])
            assert report.ok, case["case"]
        if case["verdict"] == "error":
            assert (case["case"], stored, run.outcome) == (case["case"], 0, RunOutcome.FAILED)
            assert run.retry_at is not None
        assert time.process_time() - began < case["expect"].get("seconds_max", 60)
        assert all(asked.path.startswith("/api/daily_papers") for asked in server.asked)


def sound(number: int) -> dict[str, Any]:
    return {
        "paper": {
            "id": f"2511.1000{number}",
            "title": f"A sound paper {number}",
            "summary": "It is sound.",
            "upvotes": 3,
            "authors": [],
        }
    }


def test_it_gives_every_record_its_verdict_and_keeps_its_neighbours(new_engine: Any) -> None:
    for case in cases("papers.jsonl"):
        engine, began = new_engine(), time.process_time()
        feed = [sound(1), case["record"], sound(2)]
        report, _ = ingest_reply(engine, Reply(json.dumps(feed).encode()))
        with engine.connect() as connection:
            rows = connection.execute(select(papers)).all()
        shown = [row for row in rows if not row.title.startswith("A sound paper")]
        assert len(rows) - len(shown) == 2, case["case"]
        assert report.ok
        judge(case, shown)
        assert time.process_time() - began < 10


def judge(case: dict[str, Any], shown: list[Any]) -> None:
    expect, name = case["expect"], case["case"]
    if case["verdict"] == "drop":
        assert not shown, name
    if case["verdict"] in ("show", "clean", "merge"):
        assert len(shown) == 1, name
    for row in shown:
        texts = f"{row.title}\n{row.abstract}\n" + "\n".join(row.authors)
        assert case["marker"] in row.title or len(row.title) > 300, name
        assert "\n" not in row.title
        assert not any(bad in texts for bad in expect.get("char_forbid", ())), name
        assert all(
            wanted in texts for key in ("visible", "visible_prefer", "visible_nfc") for wanted in expect.get(key, ())
        ), (name, texts[:200])
        assert all(link is None or link.startswith("https://") for link in (row.code_url, row.project_url)), name
        assert not {"None", "null", "nan"} & set(row.authors), name
        texts.encode("utf-8")


def test_it_shows_one_of_all_records_with_one_id(new_engine: Any) -> None:
    engine = new_engine()
    records = [case["record"] for case in cases("papers.jsonl") if case["verdict"] == "merge"]
    ingest_reply(engine, Reply(json.dumps(records).encode()))
    with engine.connect() as connection:
        keys = list(connection.scalars(select(papers.c.key)))
    assert len(keys) == len(set(keys)) == 1
