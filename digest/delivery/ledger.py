"""The ledger: one row per mail, claimed under a lease, its outcome recorded once.

The only module that moves a delivery from one state to the next after it was planned. Leases are kept by the
database's own clock, so a worker's wrong clock can neither take over nor lose a claim. What a worker did between two
writes to the database stands in its journal; `recover` reads it when the worker is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, bindparam, case, func, select, update

from digest.db.engine import among, chunks, count_of, database_now, is_postgresql, listed, numbers, reading
from digest.db.tables import (
    IS_CLAIMED,
    IS_DIGEST,
    IS_FINISHED_LETTER,
    IS_LETTER,
    IS_PLANNED,
    IS_TRIABLE,
    DeliveryStatus,
    Mail,
    deliveries,
    subscribers,
)
from digest.editions.plan import GIVEN_UP, MISSED
from digest.subscribers.letters import free_papers
from digest.subscribers.schedule import DAYS_AHEAD
from digest.subscribers.subscriber import Status

LEASE_SECONDS = 60.0
MAX_ATTEMPTS = 12  # tries that the moment spoiled, until the next edition replaces the mail anyway
MAX_IN_DOUBT = 8  # times the same bytes are sent again when nobody knows whether they arrived
LONGEST_DOUBT = timedelta(minutes=15)
MAX_CRASHES = 3  # workers that may die with a mail in hand before it is parked
SUSPECTS = 25  # mails that come together after a worker died with them in hand; after the second time each comes alone
HELD_AT_ONCE = RECORDED_AT_ONCE = 1_000
OLDEST_DIGEST = timedelta(days=DAYS_AHEAD)  # by then the next one has replaced it
SUSPECT_PAUSE = timedelta(minutes=1)
_COUNTING = 4_620_713  # of the advisory lock
OPEN = (DeliveryStatus.PLANNED, DeliveryStatus.WAITING, DeliveryStatus.CLAIMED, DeliveryStatus.DEFERRED)


class Claim(NamedTuple):
    """A mail that this worker may send now, and nobody else until the lease ends."""

    id: int
    subscriber_id: int
    email: str
    mail: Mail
    language: str
    attempts: int
    doubts: int
    crashes: int
    mailed_at: datetime
    dated_on: date | None
    context: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one try. `next_try_at` stands for a deferred mail only.

    `frees_papers`: the mail will not go out, so its papers may come in the reader's next edition.
    """

    id: int
    status: DeliveryStatus
    reason: str | None = None
    reply_code: int | None = None
    reply_status: str | None = None
    next_try_at: datetime | None = None
    is_attempt: bool = True
    is_in_doubt: bool = False
    is_crash: bool = False
    frees_papers: bool = False


@dataclass(frozen=True, slots=True)
class Cap:
    """Mails that may leave from `since` on, of all workers together."""

    most: int
    since: datetime


def claim(
    engine: Engine, worker: str, now: datetime, limit: int, *, letters: bool = False, cap: Cap | None = None
) -> list[Claim]:
    """Up to `limit` mails whose time has come, oldest first, leased to `worker` for LEASE_SECONDS; as few as `cap` leaves.

    Digests, or with `letters` the mails that answer something a person did. Mails that were in hand when a worker died
    come after all others and in small company, so that one which ends its worker is found and spoils nobody else's.
    """
    with engine.begin() as connection:
        if cap is not None:
            limit = min(limit, _left(connection, cap))
        is_due = and_(IS_TRIABLE, IS_LETTER if letters else IS_DIGEST, deliveries.c.next_try_at <= now)
        crashes = deliveries.c.crashes
        claimed = (
            _lease(connection, worker, and_(is_due, crashes == 0), limit)
            or _lease(connection, worker, and_(is_due, crashes == 1), min(limit, SUSPECTS))
            or _lease(connection, worker, and_(is_due, crashes > 1), 1)
        )
        return [found for page in chunks(sorted(claimed)) for found in _load(connection, page)]


def _lease(connection: Connection, worker: str, which: ColumnElement[bool], limit: int) -> list[int]:
    ids = (
        select(deliveries.c.id)
        .where(which, deliveries.c.subscriber_id.is_not(None))  # null: forgotten while a worker held it
        .order_by(deliveries.c.next_try_at, deliveries.c.id)
        .limit(limit)
    )
    if is_postgresql(connection):
        ids = ids.with_for_update(skip_locked=True)
    leased = (
        update(deliveries)
        .where(deliveries.c.id.in_(ids))
        .values(status=DeliveryStatus.CLAIMED, worker=worker, lease_until=database_now(connection) + LEASE_SECONDS)
        .returning(deliveries.c.id)
    )
    return list(connection.execute(leased).scalars())


def _load(connection: Connection, ids: Sequence[int]) -> list[Claim]:
    rows = connection.execute(
        select(
            deliveries.c.id,
            deliveries.c.subscriber_id,
            subscribers.c.email,
            deliveries.c.mail,
            subscribers.c.language,
            deliveries.c.attempts,
            deliveries.c.doubts,
            deliveries.c.crashes,
            deliveries.c.mailed_at,
            deliveries.c.dated_on,
            deliveries.c.context,
        )
        .join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
        .where(among(connection, deliveries.c.id, ids))
        .order_by(deliveries.c.id)
    )
    return [  # unpacked, since reading by name takes as long as the rest of it
        Claim(
            id,
            reader,
            (context or {}).get("to", email),
            Mail(mail),
            language,
            attempts,
            doubts,
            crashes,
            at,
            on,
            context or {},
        )
        for id, reader, email, mail, language, attempts, doubts, crashes, at, on, context in rows
    ]


def load_claims(engine: Engine, ids: Sequence[int]) -> dict[int, Claim]:
    """Rows of the ledger by id, whoever holds them; those of erased readers are left out."""
    with reading(engine).connect() as connection:
        return {found.id: found for page in chunks(ids) for found in _load(connection, page)}


def count_claimable(engine: Engine, now: datetime, *, letters: bool = False, most: int | None = None) -> int:
    """Mails that could be claimed now; stops counting at `most`."""
    is_due = and_(IS_TRIABLE, IS_LETTER if letters else IS_DIGEST, deliveries.c.next_try_at <= now)
    with reading(engine).connect() as connection:
        return connection.execute(count_of(deliveries, is_due, most)).scalar_one()


def count_left(engine: Engine, cap: Cap) -> int:
    """Mails that may still leave."""
    with engine.begin() as connection:
        return _left(connection, cap)


def _left(connection: Connection, cap: Cap) -> int:
    """One worker counts and claims after the other, or each would take the same rest."""
    if is_postgresql(connection):  # SQLite has one writer anyway
        connection.execute(select(func.pg_advisory_xact_lock(_COUNTING)))
    left = and_(deliveries.c.status == DeliveryStatus.SUBMITTED, deliveries.c.finished_at >= cap.since)
    dated = and_(IS_DIGEST, deliveries.c.dated_on >= cap.since.date() - OLDEST_DIGEST, left)
    each = (IS_CLAIMED, dated, and_(IS_FINISHED_LETTER, left))  # each part has an index of its own
    return max(0, cap.most - sum(connection.execute(count_of(deliveries, part)).scalar_one() for part in each))


def renew(engine: Engine, worker: str) -> None:
    """Lengthen the lease of what `worker` holds for long already; most mails are gone before that."""
    with engine.begin() as connection:
        now = database_now(connection)
        is_old = deliveries.c.lease_until < now + LEASE_SECONDS / 2
        connection.execute(update(deliveries).where(_held_by(worker), is_old).values(lease_until=now + LEASE_SECONDS))


def willing(connection: Connection, subscriber_ids: Collection[int], *, letters: bool = False) -> set[int]:
    """Those of these readers who may have mail now: for digests the active ones.

    A letter answers what its reader did, so it goes to all but suppressed and forgotten ones.
    """
    wanted = set(subscriber_ids)
    count, each = _who_may(is_postgresql(connection), letters)
    given = {"ids": numbers(connection, wanted)}
    if connection.execute(count, given).scalar_one() == len(wanted):
        return wanted  # as nearly always: one row to read instead of one for each
    return {id for id, fits in connection.execute(each, given) if fits}


@cache
def _who_may(on_postgresql: bool, of_letters: bool) -> tuple[Select[Any], Select[Any]]:
    """How many of some readers may have mail, and which."""
    status = subscribers.c.status
    may = status != Status.SUPPRESSED if of_letters else status == Status.ACTIVE
    # found by id alone: nearly all of an index by status would fit as well
    asked = listed(subscribers.c.id, "ids", on_postgresql=on_postgresql)
    return select(func.count().filter(may)).where(asked), select(subscribers.c.id, may).where(asked)


def is_on_its_way(connection: Connection, subscriber_id: int) -> bool:
    """Whether a worker holds a digest for this reader right now."""
    held = select(deliveries.c.id).where(deliveries.c.subscriber_id == subscriber_id, IS_CLAIMED, IS_DIGEST)
    return connection.execute(held.limit(1)).first() is not None


def _held_by(worker: str) -> ColumnElement[bool]:
    return and_(IS_CLAIMED, deliveries.c.worker == worker)


def record(engine: Engine, worker: str, submitted: Sequence[int], results: Sequence[Result], now: datetime) -> None:
    """Write what became of mails that `worker` holds: those that were taken, and the others. Twice changes nothing."""
    if not (submitted or results):
        return
    with engine.begin() as connection:
        for page in chunks(submitted, RECORDED_AT_ONCE):
            _record_submitted(connection, worker, page, now)
        _record_others(connection, worker, results, now)


def _record_submitted(connection: Connection, worker: str, ids: Sequence[int], now: datetime) -> None:
    """One statement for a page of ids: nearly every mail ends here, so this is the ledger's hot path."""
    values = {
        "status": DeliveryStatus.SUBMITTED,
        "attempts": deliveries.c.attempts + 1,
        "reply_code": 250,
        "finished_at": now,
    }
    connection.execute(
        update(deliveries)
        .where(_held_by(worker), among(connection, deliveries.c.id, ids))
        .values(values | {"reason": None, "worker": None, "lease_until": None})
    )


def _record_others(connection: Connection, worker: str, results: Sequence[Result], now: datetime) -> None:
    if not results:
        return
    statement = (
        update(deliveries)
        .where(_held_by(worker), deliveries.c.id == bindparam("of"))
        .values(
            status=bindparam("to_status"),
            reason=bindparam("why"),
            attempts=deliveries.c.attempts + bindparam("tries"),
            doubts=deliveries.c.doubts + bindparam("in_doubt"),
            crashes=deliveries.c.crashes + bindparam("crashed"),
            reply_code=bindparam("code"),
            reply_status=bindparam("enhanced"),
            next_try_at=func.coalesce(
                bindparam("again_at", type_=deliveries.c.next_try_at.type), deliveries.c.next_try_at
            ),
            finished_at=bindparam("ended_at", type_=deliveries.c.finished_at.type),
            worker=None,
            lease_until=None,
        )
    )
    connection.execute(statement, [_values(result, now) for result in results])
    _free(connection, [result.id for result in results if result.frees_papers])


def _free(connection: Connection, ids: Sequence[int]) -> None:
    """Free the papers of those that really ended without a mail: another worker may have got there first."""
    ended = deliveries.c.status.in_([DeliveryStatus.SKIPPED, DeliveryStatus.UNCERTAIN])
    for page in chunks(ids):
        free_papers(
            connection,
            list(connection.execute(select(deliveries.c.id).where(deliveries.c.id.in_(page), ended)).scalars()),
        )


def _values(result: Result, now: datetime) -> dict[str, Any]:
    return {
        "of": result.id,
        "to_status": result.status,
        "why": result.reason,
        "tries": int(result.is_attempt),
        "in_doubt": int(result.is_in_doubt),
        "crashed": int(result.is_crash),
        "code": result.reply_code,
        "enhanced": result.reply_status,
        "again_at": result.next_try_at,
        "ended_at": None if result.status in OPEN else now,
    }


def release(engine: Engine, worker: str) -> int:
    """Give back everything that `worker` holds and has not begun; no try is counted."""
    with engine.begin() as connection:
        back = case((deliveries.c.attempts > 0, DeliveryStatus.DEFERRED), else_=DeliveryStatus.WAITING)
        return connection.execute(
            update(deliveries).where(_held_by(worker)).values(status=back, worker=None, lease_until=None)
        ).rowcount


def lapsed_workers(engine: Engine) -> list[str]:
    """Workers that hold claims whose lease has ended."""
    with reading(engine).connect() as connection:
        ended = deliveries.c.lease_until < database_now(connection)
        return list(connection.execute(select(deliveries.c.worker).where(IS_CLAIMED, ended).distinct()).scalars())


def recover(
    engine: Engine,
    worker: str,
    begun: Iterable[int],
    doubtful: Iterable[int] | None,
    in_doubt: str,
    now: datetime,
) -> int:
    """Settle what a dead worker held, after `record` of all that its journal knows; returns how many it had in hand.

    `begun` had been taken in hand, `doubtful` had their last byte under way: only these may have arrived. None for
    `doubtful` means that no journal was found, so every claim is in doubt. What it was ranking is free again at once.
    """
    with engine.begin() as connection:
        held = list(
            connection.execute(
                select(deliveries.c.id, deliveries.c.doubts, deliveries.c.crashes).where(_held_by(worker))
            )
        )
    unsure = {row.id for row in held} if doubtful is None else set(doubtful)
    in_hand = set(begun) | unsure
    settled = [
        doubt(row.id, row.doubts, in_doubt, now) if row.id in unsure else _crash(row.id, row.crashes, now)
        for row in held
        if row.id in in_hand
    ]
    record(engine, worker, (), settled, now)
    release(engine, worker)
    with engine.begin() as connection:
        ranked = and_(IS_PLANNED, deliveries.c.worker == worker)
        connection.execute(update(deliveries).where(ranked).values(worker=None, lease_until=None))
    return len(settled)


def doubt(id: int, doubts: int, in_doubt: str, now: datetime) -> Result:
    """Nobody knows whether this mail arrived: the same bytes again, ever later, or hold it for the operator."""
    if in_doubt == "hold":
        return Result(
            id,
            DeliveryStatus.UNCERTAIN,
            "held: the connection ended before the reply; the papers are in the next digest",
            is_in_doubt=True,
            frees_papers=True,
        )
    if doubts >= MAX_IN_DOUBT:
        return Result(
            id,
            DeliveryStatus.UNCERTAIN,
            f"the connection ended before the reply {doubts + 1} times; the papers are in the next digest",
            is_in_doubt=True,
            frees_papers=True,
        )
    again = now + min(
        timedelta(seconds=LEASE_SECONDS) * 2**doubts, LONGEST_DOUBT
    )  # soon: receivers drop copies for an hour
    return Result(
        id,
        DeliveryStatus.DEFERRED,
        "in doubt: the connection ended before the reply",
        next_try_at=again,
        is_in_doubt=True,
    )


def _crash(id: int, crashes: int, now: datetime) -> Result:
    if crashes + 1 >= MAX_CRASHES:
        return Result(
            id,
            DeliveryStatus.SKIPPED,
            f"parked: the worker died {crashes + 1} times with this mail in hand",
            is_crash=True,
        )
    again = now + SUSPECT_PAUSE if crashes else now
    return Result(
        id, DeliveryStatus.DEFERRED, "the worker died before the mail was sent", next_try_at=again, is_crash=True
    )


def expire(engine: Engine, now: datetime) -> int:
    """Give up on digests that the reader's next edition replaces, and on letters that answer nothing any more.

    Papers of such a digest may come in the next one. Returns how many mails.
    """
    is_late = deliveries.c.expires_at <= now
    why = case(
        (IS_DIGEST, f"{GIVEN_UP}, the next digest replaces it"), else_=f"{GIVEN_UP}, it came too late to be of use"
    )
    with engine.begin() as connection:
        unranked = update(deliveries).where(IS_PLANNED, is_late)
        missed = connection.execute(
            unranked.values(
                status=DeliveryStatus.SKIPPED, reason=MISSED, finished_at=now, worker=None, lease_until=None
            )
        ).rowcount
        given_up = [
            id
            for part in (IS_DIGEST, IS_LETTER)  # each has an index of its own
            for id in connection.execute(
                update(deliveries)
                .where(IS_TRIABLE, part, is_late)
                .values(
                    status=case((deliveries.c.attempts > 0, DeliveryStatus.REFUSED), else_=DeliveryStatus.SKIPPED),
                    reason=why + func.coalesce(": " + deliveries.c.reason, ": the mail server could not be reached"),
                    finished_at=now,
                )
                .returning(deliveries.c.id)
            ).scalars()
        ]
        free_papers(connection, given_up)
    return missed + len(given_up)


def hold_open(engine: Engine, reason: str, now: datetime) -> int:
    """Count every open digest as uncertain, so that none is sent; their papers may come again. Returns how many."""
    held = 0
    values = {"status": DeliveryStatus.UNCERTAIN, "reason": reason, "finished_at": now, "worker": None}
    while True:
        with engine.begin() as connection:
            ids: list[int] = []
            for part in (IS_PLANNED, IS_CLAIMED, IS_TRIABLE):
                page = select(deliveries.c.id).where(part, IS_DIGEST).limit(HELD_AT_ONCE)
                held_rows = update(deliveries).where(deliveries.c.id.in_(page)).values(values | {"lease_until": None})
                ids += connection.execute(held_rows.returning(deliveries.c.id)).scalars()
            free_papers(connection, ids)
        held += len(ids)
        if not ids:
            return held
