"""What a worker that is gone had in hand: who is blamed, who goes on, and what is never forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, insert, select

from digest.db.tables import deliveries
from digest.delivery import ledger
from digest.delivery.journal import Journal
from digest.delivery.outcomes import Outcome, Phase, Reply, judge
from digest.delivery.recovery import recover_dead
from digest.editions import store
from tests.builders import NOW, TODAY, add_subscriber


def waiting(engine: Engine, count: int, status: str = "waiting") -> list[int]:
    with engine.begin() as connection:
        readers = [add_subscriber(connection, f"reader{n}@example.org") for n in range(count)]
        at = {"planned_at": NOW, "mailed_at": NOW, "next_try_at": NOW, "expires_at": NOW + timedelta(days=1)}
        row = {"mail": "digest", "edition_kind": "daily", "dated_on": TODAY, "status": status} | at
        connection.execute(insert(deliveries), [row | {"subscriber_id": reader} for reader in readers])
        return list(connection.execute(select(deliveries.c.id).order_by(deliveries.c.id)).scalars())


def rows(engine: Engine) -> dict[int, tuple[str, int]]:
    with engine.connect() as connection:
        return {row.id: (row.status, row.crashes) for row in connection.execute(select(deliveries))}


class Dead:
    """What `recover_dead` said of addresses that do not exist."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def __call__(self, found: Sequence[tuple[int, Outcome]]) -> None:
        self.told += [id for id, _ in found]


def test_it_parks_a_mail_that_ends_every_worker_and_sends_the_others(engine: Engine, tmp_path: Path) -> None:
    ids, now, companies = waiting(engine, 60), NOW, []
    poison = ids[30]
    for _ in range(200):
        journal = Journal.create(tmp_path)
        claims = [claim.id for claim in ledger.claim(engine, journal.name, now, 50)]
        if not claims:
            now += ledger.SUSPECT_PAUSE
        if poison in claims:
            companies.append(len(claims))
            journal.prepare(claims)
            journal.close()  # died while it made what all of them share
            recover_dead(engine, tmp_path, "resend", now, Dead())
        else:
            ledger.record(engine, journal.name, claims, (), now)
            journal.remove()
    assert companies == [50, 25, 1]
    found = rows(engine)
    assert found.pop(poison) == ("skipped", 3)
    assert {status for status, _ in found.values()} == {"submitted"}


def test_it_blames_only_the_mail_in_hand(engine: Engine, tmp_path: Path) -> None:
    first, second, third = waiting(engine, 3)
    journal = Journal.create(tmp_path)
    ledger.claim(engine, journal.name, NOW, 3)
    journal.prepare([first, second, third])
    journal.prepare(())
    journal.begin(first)
    journal.record(first, judge(Phase.EOD, Reply(250, None, "")))
    journal.begin(second)
    journal.close()
    recover_dead(engine, tmp_path, "resend", NOW, Dead())
    assert rows(engine) == {first: ("submitted", 0), second: ("deferred", 1), third: ("waiting", 0)}


def test_it_blames_nobody_when_the_worker_went_on_without_its_journal(engine: Engine, tmp_path: Path) -> None:
    first, second, third = waiting(engine, 3)
    journal = Journal.create(tmp_path)
    ledger.claim(engine, journal.name, NOW, 3)
    journal.begin(first)
    journal.begin(second)
    journal.before_dot(second)
    journal.leave()
    journal.close()
    recover_dead(engine, tmp_path, "resend", NOW, Dead())
    assert rows(engine) == {first: ("waiting", 0), second: ("deferred", 0), third: ("waiting", 0)}


def test_it_suppresses_a_dead_address_that_a_found_journal_tells_of(engine: Engine, tmp_path: Path) -> None:
    (id,) = waiting(engine, 1)
    journal, dead = Journal.create(tmp_path), Dead()
    ledger.claim(engine, journal.name, NOW, 1)
    journal.begin(id)
    journal.record(id, judge(Phase.RCPT, Reply(550, "5.1.1", "no such user")))
    journal.close()
    recover_dead(engine, tmp_path, "resend", NOW, dead)
    assert dead.told == [id]
    assert rows(engine)[id][0] == "refused"


def test_it_frees_what_a_dead_worker_was_ranking_at_once(engine: Engine, tmp_path: Path) -> None:
    waiting(engine, 2, "planned")
    journal = Journal.create(tmp_path)
    assert len(store.claim_planned(engine, journal.name, 10, NOW)) == 2
    assert store.claim_planned(engine, "another", 10, NOW) == []
    journal.close()
    recover_dead(engine, tmp_path, "resend", NOW, Dead())
    assert len(store.claim_planned(engine, "another", 10, NOW)) == 1  # one at a time: either may have ended the worker


def test_it_tries_a_doubtful_mail_ever_later_and_then_frees_its_papers() -> None:
    tries = [ledger.doubt(1, doubts, "resend", NOW) for doubts in range(ledger.MAX_IN_DOUBT + 1)]
    *again, last = tries
    pauses = [one.next_try_at - NOW for one in again if one.next_try_at]
    assert pauses == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 15, 15, 15, 15)]
    assert (last.status, last.next_try_at, last.frees_papers) == ("uncertain", None, True)
    assert not any(one.frees_papers for one in again)
