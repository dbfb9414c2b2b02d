from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, Engine, select

from digest.db.tables import deliveries, editions, subscribers, votes
from digest.feedback import record
from digest.feedback.mailed import Mailed, find
from digest.feedback.reasons import turn_down
from digest.ranking.choice import Reason, ReasonKind
from digest.subscribers.tokens import VoteLink
from tests.builders import NOW, TODAY, add_paper, add_subscriber


def add_edition(connection: Connection, reader: int, paper: int, reasons: list[list[object]]) -> int:
    row = {
        "subscriber_id": reader,
        "mail": "digest",
        "dated_on": TODAY,
        "status": "submitted",
        "planned_at": NOW,
        "next_try_at": NOW,
    }
    delivery = int(connection.execute(deliveries.insert().values(row)).inserted_primary_key[0])
    connection.execute(
        editions.insert().values(
            delivery_id=delivery,
            subscriber_id=reader,
            dated_on=TODAY,
            kind="daily",
            picks=[[paper, 5, None, False, reasons]],
            weighed=1,
            covers_from=TODAY,
            covers_to=TODAY,
            frozen_at=NOW,
        )
    )
    return delivery


def test_it_drops_the_topic_that_a_reason_names(engine: Engine) -> None:
    with engine.begin() as connection:
        reader, paper = add_subscriber(connection, topics=["Robotics", "speech"]), add_paper(connection)
        delivery = add_edition(
            connection, reader, paper, [["topic", 0.6, "robotics", None], ["trending", 0.2, "5", None]]
        )
        found = find(connection, VoteLink(reader, delivery, paper, False))
        assert found
        assert turn_down(connection, found, 0, NOW)
        assert connection.execute(select(subscribers.c.topics)).scalar_one() == ["speech"]
        assert connection.execute(select(votes)).all() == []


def test_it_takes_the_vote_back_that_a_reason_rests_on(engine: Engine) -> None:
    with engine.begin() as connection:
        reader, paper, liked = add_subscriber(connection), add_paper(connection), add_paper(connection, "2606.00002")
        record.vote(connection, reader, liked, True, NOW)
        delivery = add_edition(connection, reader, paper, [["liked", 0.6, "An older paper", liked]])
        found = find(connection, VoteLink(reader, delivery, paper, False))
        assert found
        assert turn_down(connection, found, 0, NOW)
        assert record.votes_of(connection, reader) == []


def test_it_votes_for_less_where_the_reason_is_nobodys_choice(engine: Engine) -> None:
    with engine.begin() as connection:
        reader, paper = add_subscriber(connection), add_paper(connection)
        delivery = add_edition(connection, reader, paper, [["trending", 0.2, "5", None]])
        found = find(connection, VoteLink(reader, delivery, paper, False))
        assert found
        assert turn_down(connection, found, 0, NOW)
        assert [vote.is_more for vote in record.votes_of(connection, reader)] == [False]


def test_it_finds_what_a_mail_said_of_a_paper(engine: Engine) -> None:
    with engine.begin() as connection:
        reader, other, paper = (
            add_subscriber(connection),
            add_subscriber(connection, "bob@example.org"),
            add_paper(connection),
        )
        delivery = add_edition(connection, reader, paper, [["liked", 0.2, "An older paper", 3, "2026-06-01"]])
        told = (Reason(ReasonKind.LIKED, 0.2, "An older paper", 3, date(2026, 6, 1)),)
        assert find(connection, VoteLink(reader, delivery, paper, True)) == Mailed(reader, paper, True, told)
        assert find(connection, VoteLink(reader, delivery, paper + 1, True)) is None
        assert find(connection, VoteLink(other, delivery, paper, True)) is None
        assert find(connection, VoteLink(reader, delivery + 1, paper, True)) is None
