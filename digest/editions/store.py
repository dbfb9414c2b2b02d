"""Planned rows in, frozen editions out: the SQL around building editions.

A planned row is leased while it is ranked, so that two workers never rank the same reader, and a worker that dies
leaves a trace in `crashes`. What was frozen never changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Text, and_, bindparam, cast, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from digest.db.engine import among, chunks, count_of, database_now, delete_some, inserting, is_postgresql, reading
from digest.db.tables import IS_PLANNED, IS_SUSPECT, DeliveryStatus, deliveries, editions, seen_papers, subscribers
from digest.editions.build import Planned
from digest.editions.edition import Edition, Kind, Pick
from digest.papers.paper import Paper
from digest.papers.store import load_papers
from digest.ranking.choice import Reason
from digest.subscribers.subscriber import Cadence, Preferences, Quiet

LEASE_SECONDS = 120.0
MAX_CRASHES = 3
PREFERENCES = (
    "topics",
    "muted",
    "authors",
    "organisations",
    "cadence",
    "hour",
    "timezone",
    "size",
    "language",
    "quiet",
    "paused_until",
)


class StoredPick(NamedTuple):
    """A pick as it is frozen in an edition: the paper by its id."""

    paper_id: int
    votes: int | None
    votes_gained: int | None
    is_second_chance: bool
    reasons: tuple[Reason, ...]


def claim_planned(engine: Engine, worker: str, limit: int, now: datetime) -> list[Planned]:
    """Up to `limit` planned rows, leased to `worker`. A row that was in hand when workers died comes alone."""
    with engine.begin() as connection:
        free = or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until < database_now(connection))
        _park(
            connection, and_(free, IS_SUSPECT, deliveries.c.crashes >= MAX_CRASHES), "ranking it ended the worker", now
        )
        suspect = connection.execute(select(deliveries.c.id).where(IS_SUSPECT, free).limit(1)).scalar()
        wanted = select(deliveries.c.id).where(IS_PLANNED, free).order_by(deliveries.c.id).limit(limit)
        if suspect is not None:
            wanted = wanted.where(deliveries.c.id == suspect)
        if is_postgresql(connection):
            wanted = wanted.with_for_update(skip_locked=True)
        ids = connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(wanted))
            .values(
                worker=worker, lease_until=database_now(connection) + LEASE_SECONDS, crashes=deliveries.c.crashes + 1
            )
            .returning(deliveries.c.id)
        ).scalars()
        return [planned for page in chunks(sorted(ids)) for planned in _load_planned(connection, page)]


def _load_planned(connection: Connection, ids: Sequence[int]) -> list[Planned]:
    last = (
        select(editions.c.subscriber_id, func.max(editions.c.read_to_at).label("since"))
        .where(editions.c.subscriber_id.in_(select(deliveries.c.subscriber_id).where(deliveries.c.id.in_(ids))))
        .group_by(editions.c.subscriber_id)
        .subquery()
    )
    rows = connection.execute(
        select(deliveries, last.c.since, *(subscribers.c[name] for name in PREFERENCES))
        .join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
        .outerjoin(last, last.c.subscriber_id == deliveries.c.subscriber_id)
        .where(deliveries.c.id.in_(ids))
        .order_by(deliveries.c.id)
    )
    return [
        Planned(
            r.id, r.subscriber_id, r.dated_on, Kind(r.edition_kind), r.expires_at, _preferences(r), r.since, r.crashes
        )
        for r in rows
    ]


def _preferences(row: Any) -> Preferences:
    return Preferences(
        tuple(row.topics),
        tuple(row.muted),
        tuple(row.authors),
        tuple(row.organisations),
        Cadence(row.cadence),
        row.hour,
        row.timezone,
        row.size,
        row.language,
        Quiet(row.quiet),
        row.paused_until,
    )


def count_planned(engine: Engine, most: int | None = None, before: datetime | None = None) -> int:
    """Readers to rank, or only those planned up to `before`; stops counting at `most`."""
    part = IS_PLANNED if before is None else and_(IS_PLANNED, deliveries.c.planned_at <= before)
    with reading(engine).connect() as connection:
        return connection.execute(count_of(deliveries, part, most)).scalar_one()


def load_seen(connection: Connection, subscriber_ids: Collection[int], since: date) -> dict[int, dict[int, int]]:
    """Subscriber id -> paper id -> the mail (its row of the ledger) that it was sent in, since that day."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    known = select(
        seen_papers.c.subscriber_id, seen_papers.c.paper_id, seen_papers.c.delivery_id, seen_papers.c.seen_on
    )
    for page in chunks(sorted(subscriber_ids)):
        # By reader alone: a planner with old statistics would read all that anybody was sent since that day.
        rows = connection.execute(known.where(among(connection, seen_papers.c.subscriber_id, page)))
        for subscriber_id, paper_id, delivery_id, seen_on in rows:
            if seen_on >= since:
                found[subscriber_id][paper_id] = delivery_id
    return dict(found)


def freeze(engine: Engine, worker: str, drafts: Sequence[tuple[Planned, Edition | None, str]], now: datetime) -> int:
    """Commit what was chosen: the edition, its papers as seen, and the ledger's row, all or none; returns how many.

    A draft is (planned row, edition or None, reason where None). A row whose lease was lost, or whose reader left
    meanwhile, is left alone.
    """
    try:
        return _freeze(engine, worker, drafts, now)
    except IntegrityError:
        if len(drafts) == 1:
            return 0  # a paper of it was sent meanwhile: the lease ends, and it is ranked again without that paper
        return sum(freeze(engine, worker, [draft], now) for draft in drafts)


def _freeze(engine: Engine, worker: str, drafts: Sequence[tuple[Planned, Edition | None, str]], now: datetime) -> int:
    with engine.begin() as connection:
        held = _still_held(connection, worker, [planned.id for planned, _, _ in drafts])
        kept = [draft for draft in drafts if draft[0].id in held]
        made = [edition for _, edition, _ in kept if edition is not None]
        if made:
            connection.execute(*inserting(connection, editions, [_edition_values(edition) for edition in made]))
            seen = [_seen_values(edition, pick) for edition in made for pick in edition.picks]
            if seen:
                connection.execute(*inserting(connection, seen_papers, seen))
        _move_on(connection, [(planned.id, edition is not None, reason) for planned, edition, reason in kept], now)
    return len(kept)


def _still_held(connection: Connection, worker: str, ids: Sequence[int]) -> set[int]:
    held: set[int] = set()
    for page in chunks(ids):
        statement = select(deliveries.c.id).where(deliveries.c.id.in_(page), IS_PLANNED, deliveries.c.worker == worker)
        if is_postgresql(connection):
            statement = statement.with_for_update()
        held |= set(connection.execute(statement).scalars())
    return held


def _edition_values(edition: Edition) -> dict[str, Any]:
    return {
        "delivery_id": edition.id,
        "subscriber_id": edition.subscriber_id,
        "dated_on": edition.dated_on,
        "kind": edition.kind,
        "picks": [_pick_values(pick) for pick in edition.picks],
        "weighed": edition.weighed,
        "covers_from": edition.covers_from,
        "covers_to": edition.covers_to,
        "next_on": edition.next_on,
        "frozen_at": edition.frozen_at,
        "read_to_at": edition.read_to_at,
        "quiet_reason": edition.quiet_reason,
    }


def _pick_values(pick: Pick) -> list[Any]:
    """In the order of StoredPick."""
    reasons = [_reason_values(reason) for reason in pick.reasons]
    return [pick.paper.id, pick.votes, pick.votes_gained, pick.is_second_chance, reasons]


def _reason_values(reason: Reason) -> list[Any]:
    values = [reason.kind, reason.contribution, reason.detail, reason.paper_id]
    return [*values, reason.liked_on.isoformat()] if reason.liked_on else values


def _seen_values(edition: Edition, pick: Pick) -> dict[str, Any]:
    return {
        "subscriber_id": edition.subscriber_id,
        "paper_id": pick.paper.id,
        "delivery_id": edition.id,
        "seen_on": edition.dated_on,
    }


def _move_on(connection: Connection, outcomes: Sequence[tuple[int, bool, str]], now: datetime) -> None:
    cleared = {"worker": None, "lease_until": None, "crashes": 0}
    for page in chunks([id for id, is_made, _ in outcomes if is_made]):
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(page))
            .values(cleared | {"status": DeliveryStatus.WAITING, "mailed_at": now, "next_try_at": now})
        )
    skipped = [{"of": id, "why": reason} for id, is_made, reason in outcomes if not is_made]
    if skipped:
        values = cleared | {"status": DeliveryStatus.SKIPPED, "reason": bindparam("why"), "finished_at": now}
        connection.execute(update(deliveries).where(deliveries.c.id == bindparam("of")).values(values), skipped)


def forgive(engine: Engine, worker: str, ids: Sequence[int], reason: str, now: datetime) -> None:
    """Ranking these failed: park those that failed MAX_CRASHES times, and let the others be tried again at once."""
    with engine.begin() as connection:
        mine = and_(deliveries.c.id.in_(ids), deliveries.c.worker == worker)
        _park(connection, and_(mine, deliveries.c.crashes >= MAX_CRASHES), reason, now)
        connection.execute(update(deliveries).where(mine, IS_PLANNED).values(worker=None, lease_until=None))


def _park(connection: Connection, which: ColumnElement[bool], reason: str, now: datetime) -> None:
    values = {"status": DeliveryStatus.SKIPPED, "reason": f"parked: {reason}", "finished_at": now}
    connection.execute(
        update(deliveries).where(IS_PLANNED, which).values(values | {"worker": None, "lease_until": None})
    )


def load_editions(
    engine: Engine,
    ids: Collection[int],
    papers: dict[int, Paper] | None = None,
    picks: dict[bytes, Pick] | None = None,
) -> dict[int, Edition]:
    """delivery id -> its frozen edition, with its papers.

    `papers` by id and `picks` by how they are stored are what is known already: it is not read again, and what is new is
    put there. Readers who get a paper for the same reasons so get the very same pick.
    """
    papers, picks = {} if papers is None else papers, {} if picks is None else picks
    made, unknown = {}, []
    with reading(engine).connect() as connection:
        for page in chunks(sorted(ids)):
            for row in connection.execute(_EDITIONS.where(among(connection, editions.c.delivery_id, page))):
                stored = list(map(bytes, _raw_picks.decode(row[0])))
                try:
                    known = tuple(map(picks.__getitem__, stored))
                except KeyError:
                    unknown.append((stored, row))
                else:
                    made[row[1]] = _as_edition(known, *row)
        new = {one: _pick.decode(one) for stored, _ in unknown for one in stored if one not in picks}
        papers |= load_papers(connection, {pick.paper_id for pick in new.values()} - papers.keys())
    for one, (paper_id, votes, gained, is_late, reasons) in new.items():
        picks[one] = Pick(papers[paper_id], reasons, votes, gained, is_late)
    return made | {row[1]: _as_edition(tuple([picks[one] for one in stored]), *row) for stored, row in unknown}


def load_picks(connection: Connection, delivery_id: int, subscriber_id: int) -> list[StoredPick]:
    """What was frozen into a reader's edition, in its order; empty where none of theirs is stored under that id."""
    is_theirs = (editions.c.delivery_id == delivery_id) & (editions.c.subscriber_id == subscriber_id)
    stored = connection.execute(select(_PICKS_AS_TEXT).where(is_theirs)).scalar()
    return [_pick.decode(one) for one in _raw_picks.decode(stored)] if stored else []


# As text, so that no driver decodes it first: a decoder that knows the types takes a quarter of the time.
_PICKS_AS_TEXT = cast(editions.c.picks, Text).label("picks_as_text")
_EDITIONS = select(
    _PICKS_AS_TEXT,
    editions.c.delivery_id,
    editions.c.subscriber_id,
    editions.c.dated_on,
    editions.c.kind,
    editions.c.weighed,
    editions.c.covers_from,
    editions.c.covers_to,
    editions.c.next_on,
    editions.c.frozen_at,
    editions.c.quiet_reason,
    editions.c.read_to_at,
)
_raw_picks = msgspec.json.Decoder(list[msgspec.Raw])
_pick = msgspec.json.Decoder(StoredPick)


def _as_edition(
    picks: tuple[Pick, ...], _stored: str, id: int, subscriber_id: int, dated_on: date, kind: str, *rest: Any
) -> Edition:
    """From the columns of _EDITIONS, in their order: reading a row by name takes as long as the rest of it."""
    return Edition(id, subscriber_id, dated_on, Kind(kind), picks, *rest)


def drop_old_seen(engine: Engine, before: date) -> int:
    """Forget what was sent before that day: such papers are no candidates any more. A part of it, where it is much."""
    return delete_some(engine, seen_papers, seen_papers.c.seen_on < before)
