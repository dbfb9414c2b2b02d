from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from digest.db.tables import consents, deliveries, subscribers
from digest.subscribers import lifecycle, suppression, transfer
from digest.subscribers.address import own_mailboxes, parse
from digest.subscribers.export import export
from digest.subscribers.rows import find
from digest.subscribers.subscriber import Cadence, Preferences, Status
from digest.subscribers.transfer import BATCH, ImportReport, export_subscribers, import_subscribers

NOW = datetime(2026, 6, 9, 7, tzinfo=UTC)
OWN = own_mailboxes("digest@example.net", "", "example.net")
HEAD = "email,topics,cadence,hour,timezone,paused_until,status,confirmed_at,consent\n"


def take(engine: Engine, lines: list[str], is_active: bool = True) -> ImportReport:
    return import_subscribers(
        engine, lines, NOW, is_active=is_active, source="list of the old service", base=Preferences(), own=OWN
    )


def count(engine: Engine, table) -> int:  # type: ignore[no-untyped-def]
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_it_takes_readers_with_their_proof_of_consent(engine: Engine) -> None:
    lines = [
        HEAD,
        'ann@example.org,"graphs, agents",daily,6,Europe/Berlin,,active,2024-01-02T03:04:05Z,"box ticked on example.org"\n',
        "bob@example.org,,,,,2026-07-01,,,\n",
    ]
    report = take(engine, lines)
    assert (report.rows, report.added, report.bad_rows) == (2, 2, 0)
    with engine.connect() as connection:
        ann, bob = find(connection, parse("ann@example.org")), find(connection, parse("bob@example.org"))
        assert ann is not None
        assert bob is not None
        assert (ann.status, bob.status) == (Status.ACTIVE, Status.PAUSED)
        assert ann.preferences == Preferences(
            ("graphs", "agents"), cadence=Cadence.DAILY, hour=6, timezone="Europe/Berlin"
        )
        assert ann.confirmed_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
        proofs = connection.execute(
            select(consents.c.event, consents.c.wording).order_by(consents.c.subscriber_id)
        ).all()
        assert proofs == [("imported", "box ticked on example.org"), ("imported", "list of the old service")]
        due = connection.execute(select(subscribers.c.due_at).where(subscribers.c.id == ann.id)).scalar_one()
        assert due == datetime(2026, 6, 10, 4, tzinfo=UTC)
    assert count(engine, deliveries) == 0


def test_it_asks_the_others_to_confirm(engine: Engine) -> None:
    assert take(engine, [HEAD, "ann@example.org" + "," * 8 + "\n"], is_active=False).added == 1
    with engine.connect() as connection:
        assert connection.execute(select(subscribers.c.status)).scalar_one() == "pending"
        assert connection.execute(select(deliveries.c.mail)).scalar_one() == "confirm"


def test_it_keeps_out_who_left_or_must_not_be_mailed(engine: Engine) -> None:
    with engine.begin() as connection:
        suppression.add(connection, parse("ann@example.org"), suppression.Reason.COMPLAINT, NOW)
        lifecycle.subscribe(connection, parse("bob@example.org"), Preferences(), NOW, wording="")
    rows = ["Ann@Example.org", "bob@example.org", "cleo@example.org", "CLEO@example.org"]
    states = {"dora@example.org": "unsubscribed", "emil@example.org": "suppressed", "finn@example.org": "pending"}
    lines = ["email,status\n", *(f"{one},\n" for one in rows), *(f"{one},{state}\n" for one, state in states.items())]
    report = take(engine, lines)
    assert report.added == 1
    assert report.left_out == {"suppressed": 2, "already there": 2, "has unsubscribed": 1, "never confirmed": 1}
    assert report.rows == report.added + report.left_out.total() + report.bad_rows
    with engine.connect() as connection:
        assert suppression.is_suppressed(connection, parse("emil@example.org"), NOW)


def test_it_names_each_bad_row_and_takes_the_others(engine: Engine) -> None:
    lines = [
        "email,hour\n",
        "ann@example.org,7\n",
        "nonsense,7\n",
        "bob@example.org,25\n",
        "digest@example.net,7\n",
        "cleo@example.org,8\n",
    ]
    report = take(engine, lines)
    assert (report.added, report.bad_rows) == (2, 3)
    assert [bad.line for bad in report.bad] == [3, 4, 5]
    assert "hour" in report.bad[1].reason


def test_it_names_a_time_of_consent_that_no_calendar_has(engine: Engine) -> None:
    times = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "soon")
    report = take(engine, ["email,confirmed_at\n", *(f"r{n}@example.org,{at}\n" for n, at in enumerate(times))])
    assert (report.added, report.bad_rows) == (0, len(times))
    assert all("confirmed_at" in bad.reason for bad in report.bad)


def test_it_goes_on_after_an_interruption(engine: Engine) -> None:
    lines = ["email\n", *(f"reader{n}@example.org\n" for n in range(BATCH + 10))]

    def breaking() -> Iterator[str]:
        yield from lines[: BATCH + 5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_subscribers(engine, breaking(), NOW, is_active=True, source="x", base=Preferences())
    assert count(engine, subscribers) == count(engine, consents) == BATCH
    told: list[int] = []
    report = import_subscribers(
        engine, lines, NOW, is_active=True, source="x", base=Preferences(), progress=told.append
    )
    assert (report.added, report.left_out["already there"]) == (10, BATCH)
    assert told == [0, BATCH, BATCH + 10]
    assert count(engine, consents) == BATCH + 10


def test_it_stores_readers_with_their_letters_or_not_at_all(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(transfer, "_write_letters", fail)
    with pytest.raises(RuntimeError, match="disk is full"):
        take(engine, ["email\n", *(f"reader{n}@example.org\n" for n in range(3 * BATCH))], is_active=False)
    assert count(engine, subscribers) == count(engine, consents) == 0


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_it_reads_back_what_it_writes(engine: Engine, form: str) -> None:
    topics = ["=1+1", "'quoted", "graph learning", "-x", "@y"]
    emails = [
        "=1+1@example.org",
        "+1+1@example.org",
        "'or'1'='1@example.org",
        "ann@xn--bcher-kva.example",
        "josé@example.org",
    ]
    rows = [
        json.dumps({"email": one, "topics": topics, "authors": ["Lee, Ann"], "hour": 0, "consent": "yes"}) + "\n"
        for one in emails
    ]
    assert take(engine, rows).added == 5
    with engine.connect() as connection:
        first = list(export_subscribers(connection, form))
        before = connection.execute(
            select(subscribers.c.email, subscribers.c.topics, subscribers.c.authors, subscribers.c.hour)
        ).all()
    if form == "csv":
        assert not any(cell.startswith(tuple("=+-@")) for line in first for cell in line.replace('"', "").split(","))
    with engine.begin() as connection:
        for id in connection.execute(select(subscribers.c.id)).scalars().all():
            lifecycle.forget(connection, id, NOW)
    assert take(engine, first).added == 5
    with engine.connect() as connection:
        after = connection.execute(
            select(subscribers.c.email, subscribers.c.topics, subscribers.c.authors, subscribers.c.hour)
        ).all()
        assert after == before
        assert connection.execute(select(consents.c.wording).distinct()).scalars().all() == ["yes"]


def test_it_shows_a_person_everything_that_is_stored(engine: Engine) -> None:
    with engine.begin() as connection:
        lifecycle.subscribe(
            connection, parse("ann@example.org"), Preferences(("graphs",)), NOW, wording="one mail a day"
        )
        ann = find(connection, parse("ann@example.org"))
        assert ann is not None
        lifecycle.unsubscribe(connection, ann.id, NOW + timedelta(hours=1), how="page")
        told = export(connection, ann.id)
        assert export(connection, 999) is None
    assert told is not None
    assert json.loads(json.dumps(told)) == told
    assert (told["email"], told["status"], told["preferences"]["topics"]) == (
        "ann@example.org",
        "unsubscribed",
        ["graphs"],
    )
    assert [one["wording"] for one in told["consents"]] == ["one mail a day", "page"]
    assert [(one["mail"], one["status"]) for one in told["mails"]] == [("confirm", "skipped")]


def test_it_makes_no_reader_of_a_status_that_it_does_not_know(engine: Engine) -> None:
    lines = [
        "email,status,paused_until\n",
        "ann@example.org,Bounced,\n",
        "bob@example.org,paused,\n",
        "cid@example.org,Active,\n",
        "dan@example.org,paused,2020-01-01\n",
    ]
    report = take(engine, lines)
    assert (report.added, [one.line for one in report.bad]) == (2, [2, 3])
    assert "status: use one of pending, active" in report.bad[0].reason
    assert report.bad[1].reason.startswith("paused_until:")


def test_it_names_the_columns_that_it_does_not_read(engine: Engine) -> None:
    report = take(engine, ["email,topcis,created_at,\n", "ann@example.org,robots,2024-01-01,\n"])
    assert (report.added, report.unread) == (1, {"topcis"})
