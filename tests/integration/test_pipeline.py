"""The stages together, on both databases, against a mail server that takes what it is given or says no."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from digest import outgoing, pipeline
from digest.db.tables import deliveries, editions, papers, seen_papers, subscribers
from digest.delivery import ledger, tally
from digest.delivery.journal import Journal
from digest.delivery.outcomes import Against, Outcome, Phase, Verdict
from digest.editions.plan import MISSED
from digest.feedback import record, signals
from digest.feedback.mailed import find
from digest.install import Install
from digest.papers.paper import Paper
from digest.ranking.features import TextModel
from digest.rendering.sheet import Sheet
from digest.subscribers import lifecycle
from digest.subscribers.subscriber import Preferences
from digest.subscribers.tokens import ConfirmLink
from tests.builders import NOW, TODAY, add_subscriber, list_paper
from tests.conftest import free_port
from tests.integration.delivery.fake_server import CLOSE, FakeServer, fake_server
from tests.simulated import Ticking, settings
from tests.unit.rendering.samples import part

YESTERDAY = TODAY - timedelta(days=1)


@contextmanager
def install_of(engine: Engine, folder: Path, smtp_port: int, **values: Any) -> Iterator[Install]:
    url = engine.url.render_as_string(hide_password=False)
    wanted = settings(url, folder / "var", "http://127.0.0.1:9", smtp_port, **{"sources": ()} | values)
    install = Install(wanted, clock=Ticking(NOW))
    yield install
    install.close()


@pytest.fixture
def mails() -> Iterator[FakeServer]:
    with fake_server() as fake:
        yield fake


@pytest.fixture
def install(engine: Engine, tmp_path: Path, mails: FakeServer) -> Iterator[Install]:
    with install_of(engine, tmp_path, mails.port) as install:
        yield install


def readers(engine: Engine, *names: str, **values: Any) -> list[int]:
    with engine.begin() as connection:
        return [add_subscriber(connection, f"{name}@example.org", **values) for name in names]


def listed(engine: Engine, count: int, on: date = TODAY, first: int = 1, **values: Any) -> list[int]:
    with engine.begin() as connection:
        return [list_paper(connection, f"2606.{first + n:05}", on, **values) for n in range(count)]


def row(engine: Engine, subscriber_id: int, on: date = TODAY) -> Any:
    with engine.connect() as connection:
        mine = (deliveries.c.subscriber_id == subscriber_id) & (deliveries.c.dated_on == on)
        return connection.execute(select(deliveries).where(mine)).one()


def sent_papers(engine: Engine, subscriber_id: int) -> list[list[int]]:
    """The papers of each submitted digest, oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(editions.c.picks)
            .join(deliveries, deliveries.c.id == editions.c.delivery_id)
            .where(deliveries.c.subscriber_id == subscriber_id, deliveries.c.status == "submitted")
            .order_by(deliveries.c.dated_on)
        )
        return [sorted(pick[0] for pick in picks) for (picks,) in rows]


def later(install: Install, **span: float) -> datetime:
    assert isinstance(install.clock, Ticking)
    install.clock.at += timedelta(**span)
    return install.clock.at


def test_it_brings_each_reader_one_digest_a_day_and_no_paper_twice(install: Install, mails: FakeServer) -> None:
    ann, bob = readers(install.engine, "ann", "bob")
    first = listed(install.engine, 3)
    assert all(one.ok for one in pipeline.run(install))
    pipeline.run(install)
    assert len(mails.mails) == 2
    later(install, days=1)
    second = listed(install.engine, 2, TODAY + timedelta(days=1), first=10)
    pipeline.run(install)
    assert sent_papers(install.engine, ann) == sent_papers(install.engine, bob) == [first, second]
    assert len(mails.mails) == 4
    assert tally.totals(install.engine).closes


def test_it_looks_no_further_than_it_calls_workers(install: Install) -> None:
    readers(install.engine, "ann", "bob", "cleo")
    listed(install.engine, 1)
    pipeline.plan(install)
    assert pipeline.work(install.engine, NOW) == pipeline.Work(3, 0, 0)
    assert pipeline.work(install.engine, NOW, 2) == pipeline.Work(2, 0, 0)
    pipeline.rank(install)
    assert pipeline.work(install.engine, install.now(), 2) == pipeline.Work(0, 2, 0)


def test_it_tells_how_far_a_run_is(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "RANK_CHUNK", 2)
    monkeypatch.setattr(pipeline, "DELIVER_CHUNK", 2)
    told: list[tuple[str, int]] = []

    @contextmanager
    def progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
        yield lambda done, _of: told.append((what, done))

    readers(install.engine, "ann", "bob", "cleo")
    listed(install.engine, 1)
    pipeline.run(install, progress)
    assert list(dict.fromkeys(told)) == [("readers ranked", 2), ("readers ranked", 3), ("mails", 2), ("mails", 3)]


def test_it_skips_a_day_without_papers_with_its_reason(install: Install, mails: FakeServer) -> None:
    ann, bob = readers(install.engine, "ann") + readers(install.engine, "bob", quiet="tell")
    pipeline.run(install)
    assert (row(install.engine, ann).status, row(install.engine, ann).reason) == ("skipped", "nothing_new")
    assert row(install.engine, bob).status == "submitted"
    listed(install.engine, 1, title="On benchmarks")
    (cleo,) = readers(install.engine, "cleo", muted=["benchmarks"])
    pipeline.run(install)
    assert row(install.engine, cleo).reason == "no_match"
    assert tally.totals(install.engine).reasons == {"nothing_new": 1, "no_match": 1}
    assert len(mails.mails) == 1


def test_it_brings_a_paper_stored_during_ranking_the_next_day(install: Install) -> None:
    (ann,) = readers(install.engine, "ann")
    first = listed(install.engine, 1)
    pipeline.run(install)
    # Seen after the newest that could be read, yet before the edition was frozen: its transaction ended later.
    late = listed(install.engine, 1, first=20, first_seen_at=NOW - timedelta(seconds=5))
    later(install, days=1)
    pipeline.run(install)
    assert sent_papers(install.engine, ann) == [first, late]


@pytest.mark.parametrize(
    "leave",
    [
        lambda connection, id: lifecycle.unsubscribe(connection, id, NOW, how="page"),
        lambda connection, id: lifecycle.pause(connection, id, TODAY + timedelta(days=3), NOW),
    ],
    ids=["unsubscribed", "paused"],
)
@pytest.mark.parametrize("stages", [0, 1, 2], ids=["planned", "ranked", "claimed"])
def test_it_sends_nothing_to_who_left_meanwhile_and_frees_the_papers(
    install: Install, mails: FakeServer, monkeypatch: pytest.MonkeyPatch, leave: Callable[..., Any], stages: int
) -> None:
    (ann,) = readers(install.engine, "ann")
    listed(install.engine, 2)
    pipeline.plan(install)
    if stages:
        pipeline.rank(install)
    if stages == 2:  # between the claim and the sending
        made = outgoing.prepare

        def leave_then_make(*given: Any) -> Any:
            with install.engine.begin() as connection:
                leave(connection, ann)
            return made(*given)

        monkeypatch.setattr(outgoing, "prepare", leave_then_make)
    else:
        with install.engine.begin() as connection:
            leave(connection, ann)
    pipeline.rank(install)
    pipeline.deliver(install)
    assert mails.mails == []
    assert row(install.engine, ann).status == "skipped"
    with install.engine.connect() as connection:
        assert connection.execute(select(seen_papers)).all() == []
        assert connection.execute(select(editions.c.read_to_at).where(editions.c.read_to_at.is_not(None))).all() == []


def test_it_sends_who_comes_back_the_digest_that_did_not_leave(install: Install, mails: FakeServer) -> None:
    (ann,) = readers(install.engine, "ann")
    papers_of_today = listed(install.engine, 2)
    pipeline.plan(install)
    pipeline.rank(install)
    with install.engine.begin() as connection:
        lifecycle.unsubscribe(connection, ann, NOW, how="page")
        connection.execute(update(subscribers).values(status="pending"))
        lifecycle.confirm(connection, ConfirmLink(ann, 1, NOW), NOW, wording="test")
    pipeline.run(install)
    assert sent_papers(install.engine, ann) == [papers_of_today]
    with install.engine.begin() as connection:
        lifecycle.unsubscribe(connection, ann, NOW, how="page")
        connection.execute(update(subscribers).values(status="pending"))
        lifecycle.confirm(connection, ConfirmLink(ann, 2, NOW), NOW, wording="test")
    pipeline.run(install)
    assert sent_papers(install.engine, ann) == [papers_of_today]  # one digest a day, however often one comes back


def test_it_counts_the_rows_of_a_forgotten_reader_and_sends_nothing(install: Install, mails: FakeServer) -> None:
    (ann,) = readers(install.engine, "ann")
    listed(install.engine, 1)
    pipeline.plan(install)
    pipeline.rank(install)
    assert len(ledger.claim(install.engine, "dead", NOW, 10)) == 1
    with install.engine.begin() as connection:
        lifecycle.forget(connection, ann, NOW)
        assert ledger.willing(connection, [ann]) == set()
    ledger.release(install.engine, "dead")
    pipeline.run(install)
    totals = tally.totals(install.engine)
    assert (totals.planned, totals.reasons, mails.mails) == (1, {"forgotten": 1}, [])


# --- when something is broken -----------------------------------------------------------------------------------------


def test_it_loses_only_time_to_a_server_that_is_away(engine: Engine, tmp_path: Path, mails: FakeServer) -> None:
    (ann,) = readers(engine, "ann")
    listed(engine, 1)
    with install_of(engine, tmp_path, free_port()) as away:
        away.pool._pauses_s = ()  # does not wait for it to come back
        report = pipeline.run(away)[-1]
    assert not report.ok
    assert "cannot be used" in report.reason
    assert "digest doctor" in report.reason
    assert (row(engine, ann).status, row(engine, ann).attempts) == ("waiting", 0)
    with install_of(engine, tmp_path, mails.port) as back:
        pipeline.run(back)
    assert row(engine, ann).status == "submitted"
    assert len(mails.mails) == 1


def test_it_leaves_the_claims_of_a_failed_delivery_to_the_next_sweep(
    install: Install, mails: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ann,) = readers(install.engine, "ann")
    listed(install.engine, 1)
    pipeline.plan(install)
    pipeline.rank(install)
    with monkeypatch.context() as broken:
        broken.setattr(outgoing, "prepare", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.deliver(install)
    assert row(install.engine, ann).status == "claimed"
    pipeline.sweep(install)
    pipeline.deliver(install)
    assert row(install.engine, ann).status == "submitted"
    assert len(mails.mails) == 1


def test_it_knows_what_a_dead_worker_sent_from_its_journal(install: Install, mails: FakeServer) -> None:
    ids = readers(install.engine, "ann", "bob", "cleo", "dora")
    listed(install.engine, 1)
    pipeline.plan(install)
    pipeline.rank(install)
    dead = Journal.create(install.journal_folder)
    sent, begun, doubtful, _ = ledger.claim(install.engine, dead.name, NOW, 10)
    for claim in (sent, begun, doubtful):
        dead.begin(claim.id)
    dead.before_dot(sent.id)
    dead.record(sent.id, Outcome(Verdict.SUBMITTED, Against.NOBODY, Phase.EOD, 250, "2.0.0"))
    dead.before_dot(doubtful.id)
    assert pipeline.sweep(install).counts["recovered"] == 0  # it lives: its claims are its own
    dead.close()
    assert pipeline.sweep(install).counts["recovered"] == 2
    assert [row(install.engine, id).status for id in ids] == ["submitted", "deferred", "deferred", "waiting"]
    assert [row(install.engine, id).doubts for id in ids] == [0, 0, 1, 0]
    assert [row(install.engine, id).crashes for id in ids] == [0, 1, 0, 0]
    pipeline.deliver(install)
    later(install, minutes=2)
    pipeline.deliver(install)
    assert [row(install.engine, id).status for id in ids] == ["submitted"] * 4
    assert len(mails.mails) == 3


def test_it_gives_the_papers_of_a_held_mail_to_the_next_digest(engine: Engine, tmp_path: Path) -> None:
    (ann,) = readers(engine, "ann")
    first = listed(engine, 2)
    with (
        fake_server(dot=[CLOSE, "250 taken"]) as fake,
        install_of(engine, tmp_path, fake.port, in_doubt="hold") as install,
    ):
        pipeline.run(install)
        assert (row(engine, ann).status, tally.totals(engine).uncertain) == ("uncertain", 1)
        later(install, days=1)
        pipeline.run(install)
        assert len(fake.mails) == 2  # the one whose reply never came, and the next day's
    assert sent_papers(engine, ann) == [first]


def test_it_sends_a_mail_in_doubt_again_as_the_same_bytes(engine: Engine, tmp_path: Path) -> None:
    (ann,) = readers(engine, "ann")
    listed(engine, 2)
    with fake_server(dot=[CLOSE, "250 taken"]) as fake, install_of(engine, tmp_path, fake.port) as install:
        pipeline.run(install)
        assert row(engine, ann).status == "deferred"
        later(install, minutes=2)
        pipeline.run(install)
        assert row(engine, ann).status == "submitted"
        assert fake.mails[0] == fake.mails[1]


def test_it_brings_a_digest_that_was_given_up_with_the_next_one(engine: Engine, tmp_path: Path) -> None:
    (ann,) = readers(engine, "ann")
    first = listed(engine, 2)
    with fake_server(RCPT=["451 4.3.0 later", "250 ok"]) as fake, install_of(engine, tmp_path, fake.port) as install:
        pipeline.run(install)
        assert row(engine, ann).status == "deferred"
        later(install, days=1)
        second = listed(engine, 1, TODAY + timedelta(days=1), first=10)
        pipeline.run(install)
        assert len(list(filter(None, fake.mails))) == 1
    assert row(engine, ann).status == "refused"
    assert row(engine, ann).reason.startswith("given up")
    assert sent_papers(engine, ann) == [sorted(first + second)]


def test_it_sends_no_unranked_day_beside_the_next(install: Install, mails: FakeServer) -> None:
    (ann,) = readers(install.engine, "ann")
    listed(install.engine, 1)
    pipeline.plan(install)
    later(install, days=1)
    pipeline.run(install)
    assert (row(install.engine, ann).status, row(install.engine, ann).reason) == ("skipped", MISSED)
    assert row(install.engine, ann, TODAY + timedelta(days=1)).edition_kind == "catch_up"
    assert len(mails.mails) == 1


def test_it_sends_nothing_more_to_an_address_that_does_not_exist(engine: Engine, tmp_path: Path) -> None:
    (ann,) = readers(engine, "ann")
    listed(engine, 1)
    with fake_server(RCPT="550 5.1.1 no such user") as fake, install_of(engine, tmp_path, fake.port) as install:
        pipeline.run(install)
        later(install, days=1)
        listed(engine, 1, TODAY + timedelta(days=1), first=10)
        pipeline.run(install)
        assert sum(line.startswith("RCPT") for lines in fake.heard for line in lines) == 1
    with engine.connect() as connection:
        assert (
            connection.execute(select(subscribers.c.status).where(subscribers.c.id == ann)).scalar_one() == "suppressed"
        )


def test_it_stops_at_refusals_of_our_site_and_blames_nobody(engine: Engine, tmp_path: Path) -> None:
    readers(engine, *(f"reader{n}" for n in range(40)))
    listed(engine, 1)
    with fake_server(RCPT="550 5.7.1 blocked by policy") as fake, install_of(engine, tmp_path, fake.port) as install:
        report = pipeline.run(install)[-1]
        assert not report.ok
        assert "in a row" in report.reason
        tried = sum(line.startswith("RCPT") for lines in fake.heard for line in lines)
        assert tried < 40
        assert pipeline.deliver(install).reason.startswith("sending is paused")
        later(install, minutes=16)
        assert "in a row" in pipeline.deliver(install).reason  # it tries again, without being started anew
    with engine.connect() as connection:
        assert set(connection.execute(select(subscribers.c.status)).scalars()) == {"active"}
        assert set(connection.execute(select(deliveries.c.status)).scalars()) <= {"deferred", "waiting"}


# --- what is poison ---------------------------------------------------------------------------------------------------


def test_it_leaves_out_a_paper_that_cannot_be_rendered(
    install: Install, mails: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers(install.engine, "ann", "bob")
    listed(install.engine, 1, votes=9)
    listed(install.engine, 1, first=9, title="Poison", votes=5)  # in the middle, so that others follow it
    listed(install.engine, 2, first=2, votes=1)
    add = Sheet.add

    def strict(self: Sheet, given: Any, *rest: Any) -> Any:
        given = list(given)
        if any(paper.title == "Poison" for paper in given):
            raise ValueError("cannot be rendered")
        return add(self, given, *rest)

    monkeypatch.setattr(Sheet, "add", strict)
    pipeline.run(install)
    assert len(mails.mails) == 2
    assert not any(b"Poison" in mail for mail in mails.mails)
    assert [voted_in(install, mail) for mail in mails.mails] == [shown_in(mail) for mail in mails.mails]


def shown_in(mail: bytes) -> list[str]:
    """Keys of the papers in the text part, in order."""
    return re.findall(r"arxiv\.org/abs/([0-9.]+)", part(mail, "plain"))


def voted_in(install: Install, mail: bytes) -> list[str]:
    """Keys of the papers that the links for more vote for, in order."""
    tokens = re.findall(r"/v/([\w-]+)", part(mail, "plain"))[::2]
    with install.engine.connect() as connection:
        links = [link for token in tokens if (link := install.links.read_vote(token))]
        assert all(link.is_more for link in links)
        found = [mailed for link in links if (mailed := find(connection, link))]
        keys = {row.id: row.key for row in connection.execute(select(papers.c.id, papers.c.key))}
    return [keys[one.paper_id] for one in found]


def test_it_leaves_out_a_paper_that_cannot_be_ranked(
    install: Install, mails: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = readers(install.engine, "ann", "bob")
    sound = listed(install.engine, 2)
    listed(install.engine, 1, first=9, title="Poison")
    vectors = TextModel.vectors

    def strict(self: TextModel, given: Any) -> Any:
        if any(isinstance(paper, Paper) and paper.title == "Poison" for paper in given):
            raise ValueError("cannot be ranked")
        return vectors(self, given)

    monkeypatch.setattr(TextModel, "vectors", strict)
    pipeline.run(install)
    assert sent_papers(install.engine, ann) == sent_papers(install.engine, bob) == [sound]


def test_it_parks_a_reader_who_cannot_be_ranked_and_serves_the_others(
    install: Install, mails: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob, cleo = readers(install.engine, "ann", "bob", "cleo")
    listed(install.engine, 1)
    draft = pipeline.draft

    def strict(planned: Any, *rest: Any) -> Any:
        if any(one.subscriber_id == bob for one in planned):
            raise ValueError("cannot be read")
        return draft(planned, *rest)

    monkeypatch.setattr(pipeline, "draft", strict)
    pipeline.run(install)
    assert [row(install.engine, id).status for id in (ann, bob, cleo)] == ["submitted", "skipped", "submitted"]
    assert row(install.engine, bob).reason == "parked: ValueError: cannot be read"


def test_it_keeps_nobody_waiting_for_a_reader_in_an_unknown_time_zone(install: Install, mails: FakeServer) -> None:
    readers(install.engine, "ann", timezone="Mars/Olympus", due_at=NOW - timedelta(hours=1))
    readers(install.engine, "cleo", timezone="Mars/Olympus", status="paused", paused_until=YESTERDAY)
    (bob,) = readers(install.engine, "bob")
    listed(install.engine, 1)
    assert pipeline.plan(install).counts["failed"] == 2
    pipeline.run(install)
    assert row(install.engine, bob).status == "submitted"


# --- the clock --------------------------------------------------------------------------------------------------------


def test_it_doubles_nothing_when_the_clock_jumps_back(install: Install, mails: FakeServer) -> None:
    (_ann,) = readers(install.engine, "ann")
    listed(install.engine, 1)
    pipeline.run(install)
    later(install, days=-1)
    pipeline.run(install)
    later(install, hours=25)
    pipeline.run(install)
    assert len(mails.mails) == 1


def test_it_brings_what_was_missed_in_one_digest_after_two_days_without_beat(
    install: Install, mails: FakeServer
) -> None:
    (ann,) = readers(install.engine, "ann")
    for n in range(3):
        listed(install.engine, 1, TODAY + timedelta(days=n), first=n + 1)
    later(install, days=2, hours=3)
    pipeline.run(install)
    assert [row(install.engine, ann, TODAY + timedelta(days=n)).reason for n in range(3)] == [MISSED, MISSED, None]
    assert row(install.engine, ann, TODAY + timedelta(days=2)).edition_kind == "catch_up"
    with install.engine.connect() as connection:
        everything = sorted(connection.execute(select(papers.c.id)).scalars())
    assert sent_papers(install.engine, ann) == [everything]


def test_it_tells_a_pause_that_ended_while_beat_was_down_as_a_pause(install: Install) -> None:
    (ann,) = readers(install.engine, "ann")
    with install.engine.begin() as connection:
        lifecycle.pause(connection, ann, TODAY + timedelta(days=2), NOW)
    listed(install.engine, 1, TODAY + timedelta(days=3))
    later(install, days=3)
    pipeline.run(install)
    reasons = [row(install.engine, ann, TODAY + timedelta(days=n)).reason for n in range(4)]
    assert reasons == ["paused by the reader", "paused by the reader", MISSED, None]
    with install.engine.connect() as connection:
        assert connection.execute(select(subscribers.c.paused_until)).scalar_one() is None


# --- letters ----------------------------------------------------------------------------------------------------------


def test_it_keeps_back_a_letter_that_comes_too_late_to_be_of_use(
    engine: Engine, tmp_path: Path, mails: FakeServer
) -> None:
    (ann,) = readers(engine, "ann", planned_to_on=TODAY, due_at=NOW + timedelta(days=9))
    with install_of(engine, tmp_path, mails.port) as install:
        with engine.begin() as connection:
            lifecycle.unsubscribe(connection, ann, NOW, how="page", says_goodbye=True)
        later(install, days=3)
        pipeline.run(install)
    with engine.connect() as connection:
        reason = connection.execute(select(deliveries.c.reason)).scalar_one()
    assert mails.mails == []
    assert "too late" in reason


def test_it_leads_clicks_over_our_own_pages_where_they_are_tracked(
    engine: Engine, tmp_path: Path, mails: FakeServer
) -> None:
    readers(engine, "ann", language="de")
    listed(engine, 2)
    with install_of(engine, tmp_path, mails.port, click_tracking=True) as install:
        pipeline.run(install)
    (mail,) = mails.mails
    assert mail.replace(b"=\r\n", b"").count(b"https://digest.example.org/k/") >= 2
    assert b"Content-Language: de" in mail


def test_it_counts_a_back_fill_as_seen_on_its_days(install: Install, tmp_path: Path) -> None:
    file = tmp_path / "papers.jsonl"
    days = [TODAY - timedelta(days=n) for n in (0, 1, 40)]
    lines = [
        {"id": f"p{n}", "title": f"Paper {n}", "abstract": "We do.", "listed_on": str(day)}
        for n, day in enumerate(days)
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    reading = Install(Install(install.settings).settings.model_copy(update={"papers_file": file}), clock=install.clock)
    pipeline.ingest(reading, "file", days)
    with install.engine.connect() as connection:
        seen = [at.date() for (at,) in connection.execute(select(papers.c.first_seen_at).order_by(papers.c.key))]
    reading.close()
    assert seen == [TODAY, TODAY, days[2]]


def test_it_ranks_by_the_preferences_of_the_moment(install: Install) -> None:
    (ann,) = readers(install.engine, "ann", size=1)
    listed(install.engine, 3)
    pipeline.plan(install)
    with install.engine.begin() as connection:
        lifecycle.change_preferences(connection, ann, replace(Preferences(), cadence="daily", size=2), NOW)  # type: ignore[arg-type]
    pipeline.run(install)
    assert [len(found) for found in sent_papers(install.engine, ann)] == [2]


# --- learn ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "new_papers", "new_likes", "is_due"),
    [(0.9, 30, 0, False), (1, 0, 0, False), (1, 1, 0, False), (1, 2, 0, True), (1, 0, 1, True), (7, 0, 0, True)],
)
def test_it_learns_again_where_there_is_more_to_learn_from_and_each_week(
    install: Install, days: float, new_papers: int, new_likes: int, is_due: bool
) -> None:
    (ann,) = readers(install.engine, "ann")
    known = listed(install.engine, 60)
    assert pipeline.learn_if_due(install) is not None
    listed(install.engine, new_papers, first=100)
    with install.engine.begin() as connection:
        for paper_id in known[:new_likes]:
            record.vote(connection, ann, paper_id, True, install.now())
            record.click(connection, ann, paper_id, None, install.now())
    later(install, days=days)
    assert (pipeline.learn_if_due(install) is not None) == is_due
    assert pipeline.learn_if_due(install) is None


def test_it_counts_the_likes_that_it_learns_from(install: Install) -> None:
    ann, bob = readers(install.engine, "ann", "bob")
    first, second, third = listed(install.engine, 3)
    with install.engine.begin() as connection:
        for reader, paper_id, is_more in ((ann, first, True), (ann, second, False), (bob, first, True)):
            record.vote(connection, reader, paper_id, is_more, install.now())
        for paper_id in (first, second, third):
            record.click(connection, ann, paper_id, None, install.now() + timedelta(minutes=paper_id))
        assert signals.count_likes(connection) == len(signals.likes(connection)) == 4
