"""No recurring query reads a whole table that grows: each is run on a filled database, then explained."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from digest import overview, pipeline
from digest.db.engine import inserting, is_postgresql, make_engine
from digest.db.tables import (
    bounces,
    clicks,
    consents,
    deliveries,
    editions,
    listings,
    papers,
    readings,
    seen_papers,
    stage_runs,
    subscribers,
    votes,
)
from digest.delivery import ledger, tally
from digest.delivery.retention import drop_old
from digest.editions import plan, store
from digest.editions.calendar import last_asked
from digest.feedback import profiles, record, returns, signals
from digest.feedback.rates import rates
from digest.papers import archive, search
from digest.papers.query import parse
from digest.papers.record import store as store_papers
from digest.papers.store import papers_first_seen, votes_gained
from digest.ranking.space import Space
from digest.ranking.votes import Signal, Vote
from digest.ranking_report import ranking_report
from digest.sources.base import RawPaper
from digest.subscribers import letters, lifecycle, rows, standing, suppression, upkeep
from digest.subscribers.address import parse as address
from digest.subscribers.subscriber import Preferences
from digest.web.metrics import exposition
from tests.conftest import scratch_database
from tests.unit.ranking.papers import themed

NOW = datetime(2026, 6, 9, 7, tzinfo=UTC)
DAY = timedelta(days=1)
READERS, DAYS, PAPERS = 1_500, 4, 300
LARGER = 1_000
GROWING = {
    table.name
    for table in (
        papers,
        listings,
        readings,
        subscribers,
        consents,
        votes,
        clicks,
        deliveries,
        editions,
        seen_papers,
        bounces,
        stage_runs,
    )
}
ONE = address("reader7@example.org")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with scratch_database(request, request.param, tmp_path_factory.mktemp("plans")) as url:
        engine = make_engine(url)
        with engine.begin() as connection:
            _fill(connection)
            connection.execute(text("ANALYZE"))
        if not is_postgresql(engine):
            _seem_large(engine)
        yield engine
        engine.dispose()


def _fill(connection: Connection) -> None:
    def put(table: Any, values: list[dict[str, Any]]) -> None:
        connection.execute(*inserting(connection, table, values))

    lists: dict[str, Any] = {"authors": [], "categories": [], "keywords": []}
    put(papers, [{"id": n, "key": f"2606.{n:05}", "title": "A paper", "abstract": "Words.", "source": "file", **lists, "listed_on": NOW.date() - n % 90 * DAY, "first_seen_at": NOW - n % 90 * DAY} for n in range(1, PAPERS)])  # fmt: skip
    put(listings, [{"source": "file", "listed_on": NOW.date() - n % 90 * DAY, "paper_id": n, "first_seen_at": NOW} for n in range(1, PAPERS)])  # fmt: skip
    empty: dict[str, Any] = {"topics": [], "muted": [], "authors": [], "organisations": []}
    readers = [{"id": n, "email": f"reader{n}@example.org", "email_key": f"reader{n}@example.org", "limit_key": f"reader{n}@example.org", "status": "active", **empty, "cadence": "daily", "hour": 7, "timezone": "UTC", "size": 10, "language": "en", "quiet": "skip", "due_at": NOW + (n % 50 - 1) * DAY, "planned_to_on": NOW.date() - DAY, "created_at": NOW, "confirmed_at": NOW} for n in range(1, READERS)]  # fmt: skip
    put(subscribers, readers)
    ledger_rows, frozen = [], []
    for n in range(1, READERS):
        for back in range(DAYS):
            id, on = n * DAYS + back, NOW.date() - (back + 1) * DAY
            status = "submitted" if id % 40 else ("planned", "waiting", "claimed", "deferred")[id // 40 % 4]
            ledger_rows.append({"id": id, "subscriber_id": n, "mail": "digest", "dated_on": on, "status": status, "planned_at": NOW, "next_try_at": NOW, "mailed_at": NOW, "worker": "dead" if status == "claimed" else None, "edition_kind": "daily"})  # fmt: skip
            frozen.append({"delivery_id": id, "subscriber_id": n, "dated_on": on, "kind": "daily", "picks": [], "weighed": 9, "covers_from": on, "covers_to": on, "frozen_at": NOW})  # fmt: skip
    put(deliveries, ledger_rows)
    put(editions, [row for row in frozen if row["delivery_id"] % 40])
    put(seen_papers, [{"subscriber_id": n, "paper_id": p, "delivery_id": n * DAYS, "seen_on": NOW.date() - p * DAY} for n in range(1, READERS) for p in range(1, 6)])  # fmt: skip
    put(consents, [{"subscriber_id": n, "at": NOW - n * DAY / 9, "event": "confirmed", "wording": "yes"} for n in range(1, READERS)])  # fmt: skip
    said = [{"subscriber_id": n, "paper_id": n % 90 + 1, "at": NOW - n * DAY / 9} for n in range(1, READERS)]
    put(votes, [row | {"direction": 1} for row in said])
    put(clicks, said)
    put(bounces, [{"subscriber_id": n, "kind": "hard", "at": NOW - n * DAY / 9, "digest": str(n)} for n in range(1, READERS)])  # fmt: skip
    put(stage_runs, [{"stage": "plan", "started_at": NOW - n * DAY / 9, "finished_at": NOW, "seconds": 1.0, "ok": True, "counts": {}} for n in range(1, READERS)])  # fmt: skip
    if is_postgresql(connection):
        for table in ("papers", "subscribers", "deliveries"):
            connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1000000)"))


def _seem_large(engine: Engine) -> None:
    """SQLite weighs an index against a scan by what ANALYZE wrote: with tables this small they nearly tie, and its
    choice would change from version to version. As if there were a thousand times as many rows, it never does."""
    with engine.begin() as connection:
        for table, index, counted in connection.execute(text("SELECT tbl, idx, stat FROM sqlite_stat1")).all():
            rows, *same = (int(word) for word in counted.split() if word.isdigit())
            grown = [rows * LARGER, *(one if one == 1 else one * LARGER for one in same)]
            values = {"stat": " ".join(map(str, grown)), "table": table, "index": index}
            connection.execute(
                text("UPDATE sqlite_stat1 SET stat = :stat WHERE tbl = :table AND idx IS :index"), values
            )
    engine.dispose()  # each connection reads the figures when it is opened


def _on_connection(ask: Callable[[Connection], Any]) -> Callable[[Engine], Any]:
    def run(engine: Engine) -> None:
        with engine.begin() as connection:
            ask(connection)

    return run


IDS = list(range(1, 40))
SPACE = Space.unfitted(themed(9))
ASKED: dict[str, Callable[[Engine], Any]] = {
    "who is due": lambda e: plan.plan(e, NOW),
    "who is back from a pause": _on_connection(lambda c: upkeep.resume_paused(c, NOW)),
    "what to rank": lambda e: store.claim_planned(e, "w", 50, NOW),
    "what there is to rank": store.count_planned,
    "what was seen": _on_connection(lambda c: store.load_seen(c, IDS, NOW.date() - DAY)),
    "what was said": _on_connection(lambda c: signals.told_by(c, IDS)),
    "what anybody said": _on_connection(signals.voted_papers),
    "profiles": lambda e: profiles.profiles_of(e, IDS, SPACE, SPACE.shelf(), NOW),
    "a vote folded in": _on_connection(lambda c: profiles.fold_in(c, 7, Vote(7, Signal.UP, NOW), NOW, NOW)),
    "new papers": _on_connection(lambda c: papers_first_seen(c, NOW - DAY, NOW)),
    "votes gained": _on_connection(lambda c: votes_gained(c, IDS, NOW)),
    "what to send": lambda e: ledger.claim(e, "v", NOW, 50),
    "letters to send": lambda e: ledger.claim(e, "v", NOW, 50, letters=True),
    "what there is to send": lambda e: ledger.count_claimable(e, NOW),
    "whether there is work": lambda e: pipeline.work(e, NOW, 10),
    "editions": lambda e: store.load_editions(e, IDS),
    "who left meanwhile": _on_connection(lambda c: ledger.willing(c, IDS)),
    "leases": lambda e: ledger.renew(e, "dead"),
    "what went out": lambda e: ledger.record(e, "dead", [120], (), NOW),
    "what is given back": lambda e: ledger.release(e, "v"),
    "whose lease ended": ledger.lapsed_workers,
    "what came too late": lambda e: ledger.expire(e, NOW),
    "seen long ago": lambda e: store.drop_old_seen(e, NOW.date() - 60 * DAY),
    "old rows": lambda e: drop_old(e, NOW - 400 * DAY),
    "forgotten mail": _on_connection(lambda c: upkeep.close_forgotten(c, NOW)),
    "unconfirmed": _on_connection(lambda c: upkeep.drop_unconfirmed(c, NOW)),
    "how many mails to a mailbox": _on_connection(lambda c: letters.is_within_limit(c, ONE, NOW)),
    "one reader": _on_connection(lambda c: rows.find(c, ONE)),
    "how a reader stands": _on_connection(lambda c: standing.standing(c, 7)),
    "a reader's history": _on_connection(lambda c: overview.history(c, 7)),
    "the report of a day": lambda e: tally.totals(e, NOW.date()),
    "the ledger's pages": _on_connection(lambda c: overview.ledger_rows(c, None, "", 900)),
    "the ledger's pages of a day": _on_connection(lambda c: overview.ledger_rows(c, NOW.date(), "skipped")),
    "stages": _on_connection(lambda c: overview.stages(c, NOW - DAY)),
    "growth": _on_connection(lambda c: overview.joined_and_left(c, NOW.date(), 5)),
    "sent by day": _on_connection(lambda c: overview.sent_per_day(c, NOW.date(), 5)),
    "returned by day": _on_connection(lambda c: overview.bounced_per_day(c, NOW.date(), 5)),
    "returned mail": _on_connection(overview.recent_bounces),
    "the daily list": _on_connection(lambda c: archive.papers_between(c, NOW.date(), NOW.date())),
    "all metrics": _on_connection(lambda c: exposition(c, NOW, pipeline.Work(0, 0, 0))),
    "what came back": _on_connection(lambda c: overview.bounced_per_day(c, NOW.date(), 5)),
    "votes by day": _on_connection(lambda c: overview.voted_per_day(c, NOW.date(), 5)),
    "most voted": _on_connection(lambda c: overview.most_voted(c, NOW - 9 * DAY)),
    "how welcome the mail is": _on_connection(lambda c: rates(c, NOW)),
    "what a new sender sent today": lambda e: ledger.count_left(e, ledger.Cap(50, NOW)),
    "whether a digest is on its way": _on_connection(lambda c: ledger.is_on_its_way(c, 7)),
    "whether readers liked their digests": lambda e: ranking_report(e, NOW.date() - DAY),
    "a vote": _on_connection(lambda c: record.vote(c, 7, 9, is_more=True, now=NOW)),
    "a reader's votes": _on_connection(lambda c: record.votes_of(c, 7)),
    "a click": _on_connection(lambda c: record.click(c, 7, 9, 29, NOW)),
    "a returned mail": _on_connection(
        lambda c: returns.take_in(c, returns.Report("hard", "5.1.1", "", "new", 30), NOW)
    ),
    "who subscribes": _on_connection(
        lambda c: lifecycle.subscribe(c, address("new@example.org"), Preferences(), NOW, wording="yes")
    ),
    "who changes their mind": _on_connection(lambda c: lifecycle.change_preferences(c, 11, Preferences(hour=9), NOW)),
    "who moves": _on_connection(lambda c: lifecycle.request_address_change(c, 11, address("moved@example.org"), NOW)),
    "who leaves": _on_connection(lambda c: lifecycle.unsubscribe(c, 12, NOW, how="page")),
    "who is forgotten": _on_connection(lambda c: lifecycle.forget(c, 13, NOW)),
    "who is suppressed": _on_connection(lambda c: suppression.is_suppressed(c, ONE, NOW)),
    "days with papers": _on_connection(lambda c: archive.days_listed(c, NOW.date() - 9 * DAY, NOW.date())),
    "the last days": _on_connection(lambda c: archive.recent_days(c, NOW.date(), 5)),
    "the day before": _on_connection(lambda c: archive.day_before(c, NOW.date())),
    "one paper": _on_connection(lambda c: archive.find_paper(c, "2606.00001")),
    "its days": _on_connection(lambda c: archive.days_of(c, 7)),
    "what was asked": _on_connection(lambda c: last_asked(c, NOW)),
    "papers that come in": _on_connection(
        lambda c: store_papers(c, "file", [RawPaper(id="2606.00002", title="New words")], NOW.date(), NOW)
    ),
    "search": _on_connection(lambda c: search.find(c, parse("words"), search.Filters())),
}


@pytest.mark.parametrize("name", ASKED)
def test_it_finds_by_an_index(filled: Engine, name: str) -> None:
    asked = _asked(filled, ASKED[name])
    with filled.connect() as connection:
        scanned = {statement: found for statement, given in asked if (found := _scanned(connection, statement, given))}
    assert not scanned


@pytest.mark.parametrize("name", ["who is due", "what to rank", "what to send", "letters to send"])
def test_it_reads_a_page_without_sorting_all_that_waits(filled: Engine, name: str) -> None:
    with filled.connect() as connection:
        pages = [(one, given) for one, given in _asked(filled, ASKED[name]) if "LIMIT" in one and "ORDER BY" in one]
        assert pages
        assert not [one for one, given in pages if _is_sorted(connection, one, given)]


def _asked(engine: Engine, ask: Callable[[Engine], Any]) -> list[tuple[str, Any]]:
    """What is asked of the database then, and with which values."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if re.match(r"\s*(SELECT|UPDATE|DELETE|WITH)", statement):
            asked.append((statement, parameters[0] if many else parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        ask(engine)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert asked
    return asked


def _scanned(connection: Connection, statement: str, parameters: Any) -> set[str]:
    """Growing tables that the database would read from one end to the other."""
    if not is_postgresql(connection):
        plan_rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        if "LIMIT" in statement and not any("TEMP B-TREE" in row[3] for row in plan_rows):
            return set()  # it walks along the key and stops
        found = [re.fullmatch(r"SCAN (\w+)", row[3]) for row in plan_rows]
        named = dict(re.findall(r"(\w+) AS (\w+)", statement))
        aliases = {alias: table for table, alias in named.items()}
        return {aliases.get(one[1], one[1]) for one in found if one} & GROWING
    connection.exec_driver_sql("SET enable_seqscan = off")  # so that what is scanned still has no index that serves
    steps = _steps(connection, statement, parameters)
    return {step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"} & GROWING


def _is_sorted(connection: Connection, statement: str, parameters: Any) -> bool:
    if not is_postgresql(connection):
        plan_rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        return any("TEMP B-TREE" in row[3] and "ORDER BY" in row[3] for row in plan_rows)
    connection.exec_driver_sql("SET enable_sort = off")  # so that what is sorted still has no index that serves
    return any("Sort" in step["Node Type"] for step in _steps(connection, statement, parameters))


def _steps(connection: Connection, statement: str, parameters: Any) -> list[dict[str, Any]]:
    """Every node of PostgreSQL's plan."""
    found = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    return list(_nodes(found if isinstance(found, list) else json.loads(found)))


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for one in node:
            yield from _nodes(one)
    elif isinstance(node, dict):
        if "Node Type" in node:
            yield node
        for value in node.values():
            yield from _nodes(value)
