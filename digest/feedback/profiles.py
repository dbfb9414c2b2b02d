"""Stored profiles: read for ranking, added to by votes, and made anew, many at once, where they were left behind.

A profile is a copy: votes and clicks are the truth. It bears the model's version, and its reader's `feedback_at` as it
was before the votes in it were read. Whatever happens at the same moment, a profile that lacks a vote bears another
time than its reader, and is then made anew; a profile of another model's space is never used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, Row, case, delete, select, update
from sqlalchemy.exc import IntegrityError

from digest.db.engine import chunks, insert, reading
from digest.db.tables import paper_vectors, profiles, subscribers
from digest.feedback import signals
from digest.papers.paper import Paper
from digest.ranking import profile
from digest.ranking.parameters import DEFAULT
from digest.ranking.profile import Profile
from digest.ranking.space import UNFITTED, Shelf, Space
from digest.ranking.votes import NOTHING, SAID, Said, Vote


def profiles_of(
    engine: Engine, subscriber_ids: Sequence[int], space: Space, shelf: Shelf, now: datetime
) -> dict[int, Profile]:
    """Subscriber id -> profile in that space, of those who ever said something; what was made anew is stored too."""
    version = _version(space)
    with reading(engine).connect() as connection:
        rows = [row for page in chunks(sorted(subscriber_ids)) for row in connection.execute(_asked(page, version))]
        told = signals.told_by(connection, [row.id for row in rows if row.feedback_at != row.made_at])
    told |= {row.id: _told(row.told) for row in rows if row.feedback_at == row.made_at and row.vector is None}
    fresh = {row.id: _profile(row, space.version) for row in rows if row.id not in told and row.vector is not None}
    behind = {row.id: row.feedback_at for row in rows if row.id not in fresh}
    made = profile.profiles([told.get(id, NOTHING) for id in behind], space, shelf, now)
    anew = dict(zip(behind, made, strict=True))
    if version is not None:
        _store(engine, version, anew, behind)
    return fresh | anew


def _version(space: Space) -> int | None:
    """None for a space that is not stored: what stands in it is not either."""
    return None if space.version == UNFITTED else int(space.version)


def _asked(subscriber_ids: Sequence[int], version: int | None) -> Any:
    """Of readers who said something: when, and what is stored; the vector only where it is up to date."""
    is_current = (profiles.c.version == version) & (profiles.c.feedback_at == subscribers.c.feedback_at)
    vector = case((is_current, profiles.c.vector)).label("vector")
    made_at = profiles.c.feedback_at.label("made_at")
    return (
        select(subscribers.c.id, subscribers.c.feedback_at, made_at, profiles.c.summed_at, profiles.c.told, vector)
        .outerjoin(profiles, profiles.c.subscriber_id == subscribers.c.id)
        .where(subscribers.c.id.in_(subscriber_ids), subscribers.c.feedback_at.is_not(None))
    )


def _told(packed: bytes) -> Said:
    return np.frombuffer(packed, SAID)


def _profile(row: Row[Any], version: str) -> Profile:
    return Profile(version, _told(row.told), np.frombuffer(row.vector, np.float32), row.summed_at)


def _packed(one: Profile) -> dict[str, Any]:
    return {"summed_at": one.summed_at, "told": one.told.tobytes(), "vector": one.vector.tobytes()}


def _store(engine: Engine, version: int, made: Mapping[int, Profile], feedback_at: Mapping[int, datetime]) -> None:
    """Where a reader of the page left meanwhile none of them is stored: the next ranking makes them again."""
    rows = [
        {"subscriber_id": id, "version": version, "feedback_at": feedback_at[id], **_packed(one)}
        for id, one in made.items()
    ]
    if not rows:
        return
    try:
        with engine.begin() as connection:
            new = insert(connection, profiles)
            values = {name: new.excluded[name] for name in rows[0]}
            is_older = profiles.c.version <= new.excluded.version  # than what this worker ranks with
            upsert = new.on_conflict_do_update(index_elements=["subscriber_id"], set_=values, where=is_older)
            connection.execute(upsert, rows)
    except IntegrityError:
        return


def fold_in(connection: Connection, subscriber_id: int, vote: Vote, before: datetime | None, at: datetime) -> None:
    """Add a vote to the reader's profile, if it holds all that was said `before`; from now on it bears the time `at`.

    The caller holds the reader's row and is storing the vote. A profile that is stale, or speaks of the paper already,
    is left as it is: it bears an older time than its reader then, and the next ranking makes it anew.
    """
    mine = (profiles.c.subscriber_id == subscriber_id) & (profiles.c.feedback_at == before)
    row = connection.execute(
        select(profiles, paper_vectors.c.vector.label("row"))
        .join(paper_vectors, paper_vectors.c.version == profiles.c.version)
        .where(mine, paper_vectors.c.paper_id == vote.paper_id)
    ).first()
    if row is None or vote.paper_id in _told(row.told)["paper_id"]:
        return
    folded = _profile(row, str(row.version)).with_vote(vote, np.frombuffer(row.row, np.float32), DEFAULT)
    connection.execute(update(profiles).where(mine).values(feedback_at=at, **_packed(folded)))


def keep_vectors(engine: Engine, space: Space, shelf: Shelf, papers: Sequence[Paper]) -> None:
    """Store the rows of papers that votes may come for, once for each version; those of older versions go."""
    if (version := _version(space)) is None:
        return
    with reading(engine).connect() as connection:
        known = set(
            connection.execute(select(paper_vectors.c.paper_id).where(paper_vectors.c.version == version)).scalars()
        )
    places = shelf.places(np.array([paper.id for paper in papers if paper.id not in known], np.int64))
    places = places[places >= 0]
    rows = [
        {"version": version, "paper_id": id, "vector": vector.tobytes()}
        for id, vector in zip(shelf.ids[places].tolist(), shelf.rows(places), strict=True)
    ]
    if rows:
        with engine.begin() as connection:
            connection.execute(delete(paper_vectors).where(paper_vectors.c.version < version))
            connection.execute(insert(connection, paper_vectors).on_conflict_do_nothing(), rows)
