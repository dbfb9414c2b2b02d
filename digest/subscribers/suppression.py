"""Addresses that must never be mailed again, kept as keyed hashes so that they outlive "forget me".

The key of the hashes lies in the database and is made once: were it derived from SECRET_KEY, a changed key would let
mail out to everyone who had complained.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select

from digest.db.engine import among, insert
from digest.db.tables import states, suppressions
from digest.subscribers.address import Address, without_addresses

_KEY_NAME = "suppression_key"


class Reason(StrEnum):
    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Suppression:
    email_hash: str
    reason: str
    detail: str
    at: datetime


class Hasher:
    """Turns addresses into the hashes that are stored. Make one for many addresses."""

    def __init__(self, key: bytes) -> None:
        self._state = hmac.new(key, digestmod="sha256")

    def __call__(self, address: Address) -> str:
        state = self._state.copy()
        state.update(address.key.encode())
        return state.hexdigest()


def hasher(connection: Connection, now: datetime) -> Hasher:
    """The hasher of this database; its key is made the first time."""
    found = select(states.c.value).where(states.c.name == _KEY_NAME)
    key = connection.execute(found).scalar()
    if key is None:
        new = insert(connection, states).values(name=_KEY_NAME, value=secrets.token_hex(32), at=now)
        connection.execute(new.on_conflict_do_nothing())
        key = connection.execute(found).scalar_one()
    return Hasher(bytes.fromhex(key))


def add(connection: Connection, address: Address, reason: Reason, now: datetime, detail: str = "") -> None:
    """Suppress an address for ever. The first reason stays, but a complaint replaces any other."""
    row = {"reason": reason, "detail": without_addresses(detail), "at": now}
    statement = insert(connection, suppressions).values(email_hash=hasher(connection, now)(address), **row)
    if reason is Reason.COMPLAINT:
        connection.execute(statement.on_conflict_do_update(index_elements=["email_hash"], set_=row))
    else:
        connection.execute(statement.on_conflict_do_nothing())


def is_suppressed(connection: Connection, address: Address, now: datetime) -> bool:
    return bool(suppressed_among(connection, [hasher(connection, now)(address)]))


def suppressed_among(connection: Connection, email_hashes: Collection[str]) -> set[str]:
    """Which of up to a few thousand hashes are on the list."""
    listed = suppressions.c.email_hash
    return set(connection.execute(select(listed).where(among(connection, listed, email_hashes))).scalars())


def listed(connection: Connection) -> Iterator[Suppression]:
    """The whole list, newest first."""
    for row in connection.execute(select(suppressions).order_by(suppressions.c.at.desc())):
        yield Suppression(row.email_hash, row.reason, row.detail, row.at)
