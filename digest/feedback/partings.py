"""Why people left, where they cared to say: four counts, and nothing of the person."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select

from digest.db import states
from digest.db.tables import states as stored

_NAME = "partings"


class Parting(StrEnum):
    """What was the matter."""

    TOO_MANY = "too_many"
    NOT_RELEVANT = "not_relevant"
    NEVER_ASKED = "never_asked"
    OTHER = "other"


def note(connection: Connection, parting: Parting, now: datetime) -> None:
    """Count one more."""
    states.put_first(connection, _NAME, {}, now)
    row = select(stored.c.value).where(stored.c.name == _NAME).with_for_update()
    known: dict[str, int] = connection.execute(row).scalar_one()
    states.put(connection, _NAME, known | {parting: known.get(parting, 0) + 1}, now)


def counts(connection: Connection) -> dict[Parting, int]:
    """How many gave each reason, since the beginning."""
    known = states.get(connection, _NAME)
    return {one: (known[0] if known else {}).get(one, 0) for one in Parting}
