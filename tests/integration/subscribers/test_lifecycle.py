from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, update

from digest.db.tables import bounces, consents, deliveries, editions, papers, seen_papers, subscribers, votes
from digest.editions.plan import PAUSED
from digest.subscribers import lifecycle, suppression
from digest.subscribers.address import parse
from digest.subscribers.lifecycle import Outcome
from digest.subscribers.rows import find, get
from digest.subscribers.subscriber import Cadence, Preferences, Status
from digest.subscribers.tokens import ConfirmLink
from digest.subscribers.upkeep import close_forgotten, drop_unconfirmed, resume_paused

NOW = datetime(2026, 6, 9, 7, tzinfo=UTC)  # a Tuesday
TODAY = NOW.date()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ANN, BOB = parse("ann@example.org"), parse("bob@example.org")
WORDING = "one mail a day; one click ends it"
TASTE = Preferences(topics=("graph learning",), cadence=Cadence.DAILY, hour=7, timezone="Europe/Berlin")


def subscribe(connection: Connection, address=ANN, now=NOW, preferences=TASTE) -> None:  # type: ignore[no-untyped-def]
    lifecycle.subscribe(connection, address, preferences, now, wording=WORDING, client="c1")


def pending(connection: Connection, address=ANN, now=NOW) -> ConfirmLink:  # type: ignore[no-untyped-def]
    subscribe(connection, address, now)
    row = connection.execute(select(subscribers).where(subscribers.c.email_key == address.key)).one()
    return ConfirmLink(row.id, row.generation, now)


def active(connection: Connection, address=ANN, now=NOW) -> int:  # type: ignore[no-untyped-def]
    link = pending(connection, address, now)
    assert lifecycle.confirm(connection, link, now, wording=WORDING) is Outcome.DONE
    return link.subscriber_id


def mails(connection: Connection, status: str = "waiting") -> list[str]:
    query = select(deliveries.c.mail).where(deliveries.c.status == status, deliveries.c.mail != "digest")
    return list(connection.execute(query.order_by(deliveries.c.id)).scalars())


def events(connection: Connection) -> list[str]:
    return list(connection.execute(select(consents.c.event).order_by(consents.c.id)).scalars())


def row_of(connection: Connection, subscriber_id: int) -> Any:
    return connection.execute(select(subscribers).where(subscribers.c.id == subscriber_id)).one()


def add_digest(connection: Connection, subscriber_id: int, status: str = "waiting", on: date = TODAY) -> int:
    row = {"subscriber_id": subscriber_id, "mail": "digest", "dated_on": on, "status": status}
    times = {"planned_at": NOW, "next_try_at": NOW}
    return connection.execute(insert(deliveries).values(row | times).returning(deliveries.c.id)).scalar_one()


def status_of(connection: Connection, delivery_id: int) -> tuple[str, str | None]:
    row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one()
    return row.status, row.reason


def test_it_asks_before_it_subscribes(connection: Connection) -> None:
    link = pending(connection)
    subscriber = find(connection, ANN)
    assert subscriber is not None
    assert (subscriber.status, subscriber.preferences) == (Status.PENDING, TASTE)
    assert mails(connection) == ["confirm"]
    mail = connection.execute(select(deliveries)).one()
    assert (mail.context, mail.mailed_at, mail.next_try_at) == ({"generation": link.generation}, NOW, NOW)
    consent = connection.execute(select(consents)).one()
    assert (consent.event, consent.at, consent.wording, consent.client) == ("asked", NOW, WORDING, "c1")
    assert row_of(connection, link.subscriber_id).due_at is None


def test_it_activates_on_confirmation_and_owes_the_first_edition_at_once(connection: Connection) -> None:
    subscriber_id = active(connection)
    row = row_of(connection, subscriber_id)
    assert (row.status, row.due_at, row.confirmed_at, row.planned_to_on) == ("active", NOW, NOW, None)
    assert mails(connection) == ["confirm", "welcome"]
    assert events(connection) == ["asked", "confirmed"]


def test_it_confirms_once_however_often_the_button_is_pressed(connection: Connection) -> None:
    link = pending(connection)
    first = lifecycle.confirm(connection, link, NOW, wording=WORDING)
    again = lifecycle.confirm(connection, link, NOW + 72 * HOUR, wording=WORDING)
    assert (first, again) == (Outcome.DONE, Outcome.ALREADY)
    assert mails(connection) == ["confirm", "welcome"]


def test_it_lets_a_confirmation_link_lapse_after_48_hours(connection: Connection) -> None:
    link = pending(connection)
    assert lifecycle.confirm(connection, link, NOW + 48 * HOUR, wording=WORDING) is Outcome.EXPIRED
    assert get(connection, link.subscriber_id).status is Status.PENDING  # type: ignore[union-attr]


def test_it_kills_old_confirmation_links_when_a_person_leaves(connection: Connection) -> None:
    link = pending(connection)
    lifecycle.confirm(connection, link, NOW, wording=WORDING)
    lifecycle.unsubscribe(connection, link.subscriber_id, NOW, how="page")
    assert lifecycle.confirm(connection, link, NOW + HOUR, wording=WORDING) is Outcome.GONE
    subscribe(connection, now=NOW + DAY)
    assert lifecycle.confirm(connection, link, NOW + DAY, wording=WORDING) is Outcome.GONE


def test_it_mails_a_mailbox_at_most_once_in_15_minutes_and_three_times_a_day(connection: Connection) -> None:
    for minute in range(0, 24 * 60, 5):
        subscribe(connection, parse(f"a.nn+{minute}@example.org") if minute % 2 else ANN, NOW + minute * MINUTE)
    assert mails(connection) == ["confirm"] * 3
    at = list(connection.execute(select(deliveries.c.planned_at).order_by(deliveries.c.id)).scalars())
    assert at == [NOW, NOW + 15 * MINUTE, NOW + 30 * MINUTE]
    subscribe(connection, now=NOW + DAY + 31 * MINUTE)
    assert len(mails(connection)) == 4


def test_it_tells_an_active_reader_instead_of_asking_again(connection: Connection) -> None:
    subscriber_id = active(connection)
    subscribe(connection, now=NOW + HOUR, preferences=Preferences(topics=("spam",)))
    assert mails(connection) == ["confirm", "welcome", "already_subscribed"]
    assert get(connection, subscriber_id).preferences == TASTE  # type: ignore[union-attr]


def test_it_leaves_an_address_in_peace_after_not_me(connection: Connection) -> None:
    link = pending(connection)
    assert lifecycle.reject(connection, link, NOW) is Outcome.DONE
    assert lifecycle.confirm(connection, link, NOW, wording=WORDING) is Outcome.GONE
    assert lifecycle.reject(connection, link, NOW) is Outcome.GONE
    subscribe(connection, now=NOW + 23 * HOUR)
    assert mails(connection) == []
    subscribe(connection, now=NOW + 25 * HOUR)
    assert mails(connection) == ["confirm"]


def test_it_writes_something_for_every_state_of_an_address(engine: Engine) -> None:
    with engine.begin() as connection:
        lifecycle.suppress(connection, active(connection), suppression.Reason.COMPLAINT, NOW)
        before = connection.execute(select(func.count()).select_from(deliveries)).scalar_one()
    with engine.begin() as connection:
        subscribe(connection, now=NOW + DAY)
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar_one() == before
    with engine.connect() as connection:
        noted = connection.exec_driver_sql("SELECT count(*) FROM states WHERE name = 'unanswered_request'").scalar_one()
        assert noted == 1


@pytest.mark.parametrize("status", ["planned", "waiting", "deferred"])
def test_it_stops_open_mail_when_a_reader_leaves(connection: Connection, status: str) -> None:
    subscriber_id = active(connection)
    digest = add_digest(connection, subscriber_id, status)
    connection.execute(
        insert(seen_papers).values(subscriber_id=subscriber_id, paper_id=5, delivery_id=digest, seen_on=NOW.date())
    )
    assert lifecycle.unsubscribe(connection, subscriber_id, NOW, how="one-click") is Outcome.DONE
    assert status_of(connection, digest) == ("skipped", "unsubscribed")
    assert mails(connection) == []
    assert connection.execute(select(seen_papers)).first() is None
    assert row_of(connection, subscriber_id).due_at is None


def test_it_leaves_claimed_and_finished_mail_to_whoever_holds_it(connection: Connection) -> None:
    subscriber_id = active(connection)
    claimed = add_digest(connection, subscriber_id, "claimed")
    sent = add_digest(connection, subscriber_id, "submitted", NOW.date() - DAY)
    lifecycle.unsubscribe(connection, subscriber_id, NOW, how="one-click")
    assert status_of(connection, claimed)[0] == "claimed"
    assert status_of(connection, sent)[0] == "submitted"


def test_it_counts_leaving_twice_as_one_event(connection: Connection) -> None:
    subscriber_id = active(connection)
    outcomes = [lifecycle.unsubscribe(connection, subscriber_id, NOW, how="one-click") for _ in range(2)]
    assert outcomes == [Outcome.DONE, Outcome.ALREADY]
    assert events(connection).count("unsubscribed") == 1
    assert lifecycle.unsubscribe(connection, 999, NOW, how="one-click") is Outcome.GONE


def test_it_says_goodbye_only_where_a_person_pressed_a_button(connection: Connection) -> None:
    lifecycle.unsubscribe(connection, active(connection, ANN), NOW, how="one-click")
    assert "goodbye" not in mails(connection)
    lifecycle.unsubscribe(connection, active(connection, BOB), NOW, how="page", says_goodbye=True)
    assert mails(connection) == ["goodbye"]


def test_it_takes_leaving_back(connection: Connection) -> None:
    subscriber_id = active(connection)
    connection.execute(update(subscribers).values(planned_to_on=NOW.date()))
    lifecycle.unsubscribe(connection, subscriber_id, NOW, how="page", says_goodbye=True)
    assert lifecycle.undo_unsubscribe(connection, subscriber_id, NOW + HOUR) is Outcome.DONE
    row = row_of(connection, subscriber_id)
    assert (row.status, row.left_at, row.due_at) == ("active", None, datetime(2026, 6, 10, 5, tzinfo=UTC))
    assert mails(connection) == []
    assert lifecycle.undo_unsubscribe(connection, subscriber_id, NOW) is Outcome.ALREADY


def test_it_calls_no_day_missed_that_a_reader_was_away(connection: Connection) -> None:
    subscriber_id = active(connection)
    connection.execute(update(subscribers).values(planned_to_on=NOW.date()))
    lifecycle.unsubscribe(connection, subscriber_id, NOW, how="page")
    lifecycle.undo_unsubscribe(connection, subscriber_id, NOW + 10 * DAY)
    row = row_of(connection, subscriber_id)
    assert (row.planned_to_on, row.due_at) == (date(2026, 6, 19), datetime(2026, 6, 20, 5, tzinfo=UTC))


def test_it_brings_nobody_back_who_never_confirmed_or_is_suppressed(connection: Connection) -> None:
    link = pending(connection)
    lifecycle.reject(connection, link, NOW)
    assert lifecycle.undo_unsubscribe(connection, link.subscriber_id, NOW) is Outcome.GONE
    subscriber_id = active(connection, BOB)
    lifecycle.suppress(connection, subscriber_id, suppression.Reason.COMPLAINT, NOW)
    assert lifecycle.undo_unsubscribe(connection, subscriber_id, NOW) is Outcome.GONE


def test_it_moves_the_next_edition_with_the_hour(connection: Connection) -> None:
    subscriber_id = active(connection)
    connection.execute(
        update(subscribers).values(planned_to_on=NOW.date(), due_at=datetime(2026, 6, 10, 5, tzinfo=UTC))
    )
    assert lifecycle.change_preferences(connection, subscriber_id, replace(TASTE, hour=20), NOW) is Outcome.DONE
    assert row_of(connection, subscriber_id).due_at == datetime(2026, 6, 10, 18, tzinfo=UTC)
    assert lifecycle.change_preferences(connection, subscriber_id, replace(TASTE, hour=20), NOW) is Outcome.ALREADY
    assert connection.execute(select(consents.c.wording).where(consents.c.event == "changed")).scalar_one() == "hour"


def test_it_pauses_and_resumes_when_the_day_comes(connection: Connection) -> None:
    subscriber_id = active(connection)
    digest = add_digest(connection, subscriber_id)
    assert lifecycle.pause(connection, subscriber_id, date(2026, 6, 12), NOW) is Outcome.DONE
    assert row_of(connection, subscriber_id).status == "paused"
    assert status_of(connection, digest) == ("skipped", PAUSED)
    assert resume_paused(connection, datetime(2026, 6, 11, 21, 59, tzinfo=UTC)) == 0
    assert resume_paused(connection, datetime(2026, 6, 11, 22, 1, tzinfo=UTC)) == 1  # past midnight in Berlin
    row = row_of(connection, subscriber_id)
    assert row.status == "active"  # planning clears the day, once it told of the last of them


def test_it_resumes_at_once_when_the_reader_says_so(connection: Connection) -> None:
    subscriber_id = active(connection)
    lifecycle.pause(connection, subscriber_id, date(2026, 7, 12), NOW)
    assert lifecycle.resume(connection, subscriber_id, NOW) is Outcome.DONE
    assert row_of(connection, subscriber_id).status == "active"
    assert lifecycle.pause(connection, subscriber_id, NOW.date(), NOW) is Outcome.ALREADY  # a pause that is over


def test_it_changes_an_address_only_from_the_new_one(connection: Connection) -> None:
    subscriber_id = active(connection)
    assert lifecycle.request_address_change(connection, subscriber_id, BOB, NOW) is Outcome.DONE
    row = row_of(connection, subscriber_id)
    assert (row.email, row.pending_email) == ("ann@example.org", "bob@example.org")
    mail = connection.execute(select(deliveries).where(deliveries.c.mail == "address_change")).one()
    assert mail.context == {"generation": row.generation, "to": "bob@example.org"}
    link = ConfirmLink(subscriber_id, row.generation, NOW)
    assert lifecycle.confirm_address_change(connection, link, NOW + 49 * HOUR) is Outcome.EXPIRED
    assert lifecycle.confirm_address_change(connection, link, NOW + HOUR) is Outcome.DONE
    assert lifecycle.confirm_address_change(connection, link, NOW + HOUR) is Outcome.ALREADY
    assert find(connection, BOB).id == subscriber_id  # type: ignore[union-attr]
    assert find(connection, ANN) is None


def test_it_does_not_tell_whether_a_new_address_is_taken(connection: Connection) -> None:
    active(connection, BOB, NOW - DAY)
    subscriber_id = active(connection)
    assert lifecycle.request_address_change(connection, subscriber_id, BOB, NOW) is Outcome.DONE
    assert mails(connection)[-1] == "already_subscribed"
    assert row_of(connection, subscriber_id).pending_email is None


def test_it_merges_a_past_subscription_of_the_new_address(connection: Connection) -> None:
    lifecycle.unsubscribe(connection, active(connection, BOB, NOW - DAY), NOW - DAY, how="page")
    subscriber_id = active(connection)
    lifecycle.request_address_change(connection, subscriber_id, BOB, NOW)
    link = ConfirmLink(subscriber_id, row_of(connection, subscriber_id).generation, NOW)
    assert lifecycle.confirm_address_change(connection, link, NOW) is Outcome.DONE
    assert connection.execute(select(func.count()).select_from(subscribers)).scalar_one() == 1


def test_it_cannot_be_made_to_write_to_many_addresses(connection: Connection) -> None:
    subscriber_id = active(connection)
    for number in range(9):
        address = parse(f"victim{number}@example.org")
        assert lifecycle.request_address_change(connection, subscriber_id, address, NOW + number * HOUR) is Outcome.DONE
    assert mails(connection).count("address_change") == 3


def test_it_suppresses_for_ever(connection: Connection) -> None:
    subscriber_id = active(connection)
    digest = add_digest(connection, subscriber_id)
    reason = suppression.Reason.HARD_BOUNCE
    assert lifecycle.suppress(connection, subscriber_id, reason, NOW, "no ann@example.org here") is Outcome.DONE
    assert lifecycle.suppress(connection, subscriber_id, reason, NOW) is Outcome.ALREADY
    assert status_of(connection, digest) == ("skipped", "suppressed: hard_bounce")
    lifecycle.forget(connection, subscriber_id, NOW)
    assert suppression.is_suppressed(connection, parse("ANN@example.org"), NOW)
    (listed,) = suppression.listed(connection)
    assert listed.detail == "no a***@example.org here"
    subscribe(connection, now=NOW + 400 * DAY)
    assert find(connection, ANN) is None
    assert mails(connection) == []


def test_it_lets_a_complaint_outweigh_a_bounce(connection: Connection) -> None:
    for reason in (suppression.Reason.HARD_BOUNCE, suppression.Reason.COMPLAINT, suppression.Reason.REQUEST):
        suppression.add(connection, ANN, reason, NOW)
    assert [one.reason for one in suppression.listed(connection)] == ["complaint"]


def test_it_stops_with_a_word_and_a_way_back(connection: Connection) -> None:
    subscriber_id = active(connection)
    assert lifecycle.stop(connection, subscriber_id, NOW) is Outcome.DONE
    assert mails(connection) == ["stopped"]
    assert lifecycle.undo_unsubscribe(connection, subscriber_id, NOW + DAY) is Outcome.DONE


def test_it_forgets_everything_and_counts_still_close(connection: Connection) -> None:
    subscriber_id = active(connection)
    sent, open_one = (
        add_digest(connection, subscriber_id, "submitted"),
        add_digest(connection, subscriber_id, on=NOW.date() + DAY),
    )
    held = add_digest(connection, subscriber_id, "claimed", on=NOW.date() + 2 * DAY)
    lifecycle.request_address_change(connection, subscriber_id, BOB, NOW)
    connection.execute(
        insert(papers).values(
            id=5, key="2606.00001", title="t", abstract="a", authors=[], categories=[], keywords=[],
            listed_on=NOW.date(), first_seen_at=NOW, source="file",
        )
    )  # fmt: skip
    connection.execute(insert(votes).values(subscriber_id=subscriber_id, paper_id=5, direction=1, at=NOW))
    frozen = {"subscriber_id": subscriber_id, "dated_on": NOW.date(), "kind": "daily", "picks": [], "weighed": 1}
    span = {"covers_from": NOW.date(), "covers_to": NOW.date(), "frozen_at": NOW}
    connection.execute(insert(editions).values(delivery_id=sent, **frozen, **span))
    bounce = {
        "subscriber_id": subscriber_id,
        "kind": "soft",
        "detail": "ann@example.org is full",
        "at": NOW,
        "digest": "x",
    }
    connection.execute(insert(bounces).values(bounce))
    before = connection.execute(select(func.count()).select_from(deliveries)).scalar_one()
    assert lifecycle.forget(connection, subscriber_id, NOW) is Outcome.DONE
    assert lifecycle.forget(connection, subscriber_id, NOW) is Outcome.GONE
    assert connection.execute(select(func.count()).select_from(deliveries)).scalar_one() == before
    assert status_of(connection, sent)[0] == "submitted"
    assert status_of(connection, open_one) == ("skipped", "forgotten")
    assert not _holds(connection, "ann@")
    assert not _holds(connection, "bob@")
    connection.execute(update(deliveries).where(deliveries.c.id == held).values(status="waiting"))
    assert close_forgotten(connection, NOW) == 1


def _holds(connection: Connection, needle: str) -> bool:
    tables = (subscribers, consents, deliveries, bounces, votes, editions, seen_papers)
    return any(needle in str(row) for table in tables for row in connection.execute(select(table)))


def test_it_never_gives_an_id_again(connection: Connection) -> None:
    subscriber_id = active(connection)
    lifecycle.forget(connection, subscriber_id, NOW)
    assert active(connection, BOB) > subscriber_id


def test_it_drops_what_nobody_confirmed(connection: Connection) -> None:
    link = pending(connection)
    was_reader = active(connection, BOB)
    lifecycle.unsubscribe(connection, was_reader, NOW, how="page")
    subscribe(connection, BOB, NOW + DAY)
    assert drop_unconfirmed(connection, NOW + 6 * DAY) == 0
    assert drop_unconfirmed(connection, NOW + 8 * DAY + MINUTE) == 2
    assert get(connection, link.subscriber_id) is None
    assert get(connection, was_reader).status is Status.UNSUBSCRIBED  # type: ignore[union-attr]


def test_it_keeps_two_requests_at_once_within_the_limit(engine: Engine, run_together: Callable[..., None]) -> None:
    def ask(number: int) -> None:
        with engine.begin() as connection:
            subscribe(connection, parse(f"ann+{number}@example.org"))

    run_together(ask, range(4))
    with engine.connect() as connection:
        assert mails(connection) == ["confirm"]


@pytest.fixture
def run_together() -> Callable[..., None]:
    from concurrent.futures import ThreadPoolExecutor

    def run(act: Callable[[int], None], numbers: range) -> None:
        with ThreadPoolExecutor(len(numbers)) as pool:
            list(pool.map(act, numbers))

    return run
