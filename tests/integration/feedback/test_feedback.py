from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, select, update

from digest import pipeline
from digest.db.tables import bounces, clicks, deliveries, papers, subscribers
from digest.feedback import passport, record
from digest.feedback.returns import Report, Taken, take_in
from digest.feedback.signals import told_by
from digest.ranking.votes import Signal, Vote, said
from digest.subscribers import lifecycle
from digest.subscribers.address import parse
from digest.subscribers.rows import get, new_row
from digest.subscribers.signer import Signer
from digest.subscribers.subscriber import Preferences, Status
from digest.subscribers.suppression import is_suppressed
from digest.subscribers.tokens import Links

NOW = datetime(2026, 6, 9, 7, tzinfo=UTC)
DAY = timedelta(days=1)
ANN = parse("ann@example.org")
PAPERS = {"2606.00001": 1, "2606.00002": 2, "hep-th/9901001": 3}


@pytest.fixture
def ann(connection: Connection) -> int:
    for key, id in PAPERS.items():
        lists: dict[str, Any] = {"authors": [], "categories": [], "keywords": []}
        times = {"listed_on": NOW.date(), "first_seen_at": NOW}
        connection.execute(
            insert(papers).values(id=id, key=key, title=key, abstract="a", source="file", **lists, **times)
        )
    row = new_row(ANN, Preferences(topics=("graphs",)), Status.ACTIVE, NOW) | {"confirmed_at": NOW - 9 * DAY}
    return connection.execute(insert(subscribers).values(row).returning(subscribers.c.id)).scalar_one()


def mail(connection: Connection, subscriber_id: int, at: datetime = NOW) -> int:
    row = {"subscriber_id": subscriber_id, "mail": "digest", "dated_on": at.date(), "status": "submitted"}
    times = {"planned_at": at, "next_try_at": at, "finished_at": at}
    return connection.execute(insert(deliveries).values(row | times).returning(deliveries.c.id)).scalar_one()


def status_of(connection: Connection, subscriber_id: int) -> Status:
    reader = get(connection, subscriber_id)
    assert reader is not None
    return reader.status


def test_it_keeps_the_last_vote_on_a_paper(connection: Connection, ann: int) -> None:
    assert record.vote(connection, ann, 1, True, NOW)
    assert record.vote(connection, ann, 1, False, NOW + DAY)
    (voted,) = record.votes_of(connection, ann)
    assert (voted.key, voted.is_more, voted.at) == ("2606.00001", False, NOW + DAY)
    assert connection.execute(select(subscribers.c.feedback_at)).scalar_one() == NOW + DAY


def test_it_takes_a_vote_back(connection: Connection, ann: int) -> None:
    record.vote(connection, ann, 1, True, NOW)
    assert record.undo_vote(connection, ann, 1, NOW + DAY)
    assert not record.undo_vote(connection, ann, 1, NOW + DAY)
    assert record.votes_of(connection, ann) == []


def test_it_takes_no_vote_of_a_forgotten_reader_or_on_an_unknown_paper(connection: Connection, ann: int) -> None:
    assert not record.vote(connection, ann, 99, True, NOW)
    lifecycle.forget(connection, ann, NOW)
    assert not record.vote(connection, ann, 1, True, NOW)


def test_it_counts_clicks_of_people_only(connection: Connection, ann: int) -> None:
    delivery_id = mail(connection, ann)
    assert not record.click(connection, ann, 1, delivery_id, NOW + timedelta(seconds=9))
    assert record.click(connection, ann, 1, delivery_id, NOW + timedelta(seconds=60))
    later = NOW + timedelta(minutes=5)
    assert [record.click(connection, ann, paper, delivery_id, later) for paper in (2, 3, 1)] == [True, True, False]
    assert connection.execute(select(clicks.c.at)).scalars().all() == [NOW + timedelta(seconds=60)]


def test_it_hands_votes_and_clicks_to_the_ranking(connection: Connection, ann: int) -> None:
    record.vote(connection, ann, 1, True, NOW)
    record.vote(connection, ann, 2, False, NOW)
    record.click(connection, ann, 3, None, NOW)
    record.click(connection, ann, 1, None, NOW + DAY)  # a vote outranks it
    told = told_by(connection, [ann, 999])
    assert list(told) == [ann]
    expected = said([Vote(1, Signal.UP, NOW), Vote(2, Signal.DOWN, NOW), Vote(3, Signal.CLICK, NOW)])
    assert told[ann].tolist() == expected.tolist()


def test_it_carries_a_taste_to_another_reader(connection: Connection, ann: int) -> None:
    record.vote(connection, ann, 1, True, NOW)
    record.vote(connection, ann, 2, False, NOW)
    text = json.dumps(passport.export(connection, ann))
    row = new_row(parse("bob@example.org"), Preferences(topics=("proteins",)), Status.ACTIVE, NOW)
    bob = connection.execute(insert(subscribers).values(row).returning(subscribers.c.id)).scalar_one()
    assert passport.take_in(connection, bob, passport.parse(text), NOW) == passport.Imported(2, ())
    reader = get(connection, bob)
    assert reader is not None
    assert reader.preferences.topics == ("proteins", "graphs")
    assert [(one.key, one.is_more) for one in record.votes_of(connection, bob)] == [
        ("2606.00002", False),
        ("2606.00001", True),
    ]


def test_it_stores_nothing_of_a_wrong_passport(connection: Connection, ann: int) -> None:
    wrong = passport.Passport({"topics": ["x" * 99]}, ("2606.00001",))
    assert set(passport.take_in(connection, ann, wrong, NOW)) == {"topics"}  # type: ignore[arg-type]
    assert record.votes_of(connection, ann) == []


def test_it_says_which_papers_it_does_not_know(connection: Connection, ann: int) -> None:
    given = passport.parse("2606.00001 2606.09999")
    assert passport.take_in(connection, ann, given, NOW) == passport.Imported(1, ("2606.09999",))


def test_it_suppresses_after_the_first_hard_bounce(connection: Connection, ann: int) -> None:
    report = Report("hard", "5.1.1", "no such user ann@example.org", "h1", mail(connection, ann))
    assert take_in(connection, report, NOW) is Taken.SUPPRESSED
    assert take_in(connection, report, NOW) is Taken.SEEN
    assert status_of(connection, ann) is Status.SUPPRESSED
    assert is_suppressed(connection, ANN, NOW)
    assert connection.execute(select(bounces.c.detail)).scalar_one() == "no such user a***@example.org"


def test_it_suppresses_after_a_complaint_even_a_late_one_and_writes_no_more(connection: Connection, ann: int) -> None:
    delivery_id = mail(connection, ann, NOW - 8 * DAY)
    lifecycle.unsubscribe(connection, ann, NOW, how="page")
    assert take_in(connection, Report("complaint", None, "abuse", "c1", delivery_id), NOW) is Taken.SUPPRESSED
    assert status_of(connection, ann) is Status.SUPPRESSED
    assert connection.execute(select(deliveries).where(deliveries.c.status == "waiting")).all() == []


def test_it_stops_after_soft_bounces_in_a_row_and_says_so(connection: Connection, ann: int) -> None:
    taken = [
        take_in(
            connection, Report("soft", "4.2.2", "full", f"s{n}", mail(connection, ann, NOW + n * DAY)), NOW + n * DAY
        )
        for n in range(5)
    ]
    assert taken == [Taken.COUNTED] * 4 + [Taken.STOPPED]
    assert status_of(connection, ann) is Status.UNSUBSCRIBED
    assert connection.execute(select(deliveries.c.mail).where(deliveries.c.status == "waiting")).scalars().all() == [
        "stopped"
    ]
    assert not is_suppressed(connection, ANN, NOW)


def test_it_counts_one_soft_bounce_a_day_and_forgets_them_slowly(connection: Connection, ann: int) -> None:
    def bounce(at: datetime, name: str) -> Taken:
        return take_in(connection, Report("soft", "4.2.2", "full", name, mail(connection, ann, at)), at)

    assert bounce(NOW, "a") is Taken.COUNTED
    take_again = Report("soft", "4.2.2", "full", "b", None, ANN)
    assert take_in(connection, take_again, NOW + timedelta(hours=1)) is Taken.NOTED
    assert bounce(NOW + 30 * DAY, "c") is Taken.COUNTED
    assert connection.execute(select(subscribers.c.soft_bounces)).scalar_one() == pytest.approx(1.5)
    record.vote(connection, ann, 1, True, NOW + 31 * DAY)
    assert connection.execute(select(subscribers.c.soft_bounces)).scalar_one() == 0


def test_it_stops_a_weekly_reader_too(connection: Connection, ann: int) -> None:
    taken = [take_in(connection, Report("soft", None, "", f"s{n}", None, ANN), NOW + 7 * n * DAY) for n in range(6)]
    assert taken[-1] is Taken.STOPPED


@pytest.mark.parametrize("status", ["5.7.1", "5.7.515", "5.6.1", "5.3.4"])
def test_it_blames_no_reader_for_the_site_or_the_message(connection: Connection, ann: int, status: str) -> None:
    assert take_in(connection, Report("hard", status, "", "h", mail(connection, ann)), NOW) is Taken.NOTED
    assert status_of(connection, ann) is Status.ACTIVE


def test_it_only_notes_reports_about_another_time(connection: Connection, ann: int) -> None:
    before = mail(connection, ann, NOW - 10 * DAY)
    lifecycle.unsubscribe(connection, ann, NOW - 5 * DAY, how="page")
    lifecycle.undo_unsubscribe(connection, ann, NOW - 4 * DAY)
    assert take_in(connection, Report("hard", "5.1.1", "", "h1", before), NOW) is Taken.NOTED
    lifecycle.unsubscribe(connection, ann, NOW, how="page")
    assert take_in(connection, Report("hard", "5.1.1", "", "h2", mail(connection, ann)), NOW) is Taken.NOTED
    assert status_of(connection, ann) is Status.UNSUBSCRIBED


def test_it_ignores_what_ties_to_no_mail(connection: Connection, ann: int) -> None:
    assert take_in(connection, Report("hard", "5.1.1", "", "h1"), NOW) is Taken.UNKNOWN
    assert take_in(connection, Report("hard", "5.1.1", "", "h2", 999_999), NOW) is Taken.UNKNOWN
    assert (
        take_in(connection, Report("complaint", None, "", "h3", None, parse("bob@example.org")), NOW) is Taken.UNKNOWN
    )
    assert take_in(connection, Report("auto-reply", None, "", "h4", mail(connection, ann)), NOW) is Taken.IGNORED
    assert connection.execute(select(bounces)).all() == []


def test_it_forgives_a_reader_who_was_forgotten(connection: Connection, ann: int) -> None:
    delivery_id = mail(connection, ann)
    lifecycle.forget(connection, ann, NOW)
    assert take_in(connection, Report("hard", "5.1.1", "", "h", delivery_id), NOW) is Taken.UNKNOWN


def test_it_suppresses_an_address_whose_confirmation_came_back(connection: Connection, ann: int) -> None:
    connection.execute(update(subscribers).values(status=Status.PENDING, confirmed_at=None))
    assert take_in(connection, Report("hard", "5.1.1", "", "h", mail(connection, ann)), NOW) is Taken.SUPPRESSED


def test_it_takes_a_mail_to_the_unsubscribe_address_as_leaving(engine: Engine) -> None:
    with engine.begin() as connection:
        row = new_row(ANN, Preferences(), Status.ACTIVE, NOW)
        reader = connection.execute(insert(subscribers).values(row).returning(subscribers.c.id)).scalar_one()
    links = Links(Signer([b"k" * 32]), "bounces.example.org")
    wanted = links.unsubscribe_address(reader)
    forged = wanted.replace("u-", "u-00")
    for to, status in ((forged, Status.ACTIVE), (wanted, Status.UNSUBSCRIBED)):
        raw = f"From: ann@example.org\r\nTo: <{to}>\r\nSubject: unsubscribe\r\n\r\n".encode()
        pipeline.take_in_by(engine, links, raw, NOW)
        with engine.connect() as connection:
            assert status_of(connection, reader) is status
