"""Small facts that all processes share: the heartbeat, a pause of sending, the origin of a simulated clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from digest.db.engine import insert
from digest.db.tables import states


def put(connection: Connection, name: str, value: Any, at: datetime) -> None:
    """Set a fact, in whatever state it was."""
    row = {"name": name, "value": value, "at": at}
    connection.execute(
        insert(connection, states)
        .values(row)
        .on_conflict_do_update(index_elements=["name"], set_={"value": value, "at": at})
    )


def put_first(connection: Connection, name: str, value: Any, at: datetime) -> Any:
    """Set a fact unless it is there; returns what is there now."""
    connection.execute(insert(connection, states).values(name=name, value=value, at=at).on_conflict_do_nothing())
    return connection.execute(select(states.c.value).where(states.c.name == name)).scalar_one()


def get(connection: Connection, name: str) -> tuple[Any, datetime] | None:
    """(value, when it was set), or None."""
    row = connection.execute(select(states.c.value, states.c.at).where(states.c.name == name)).first()
    return (row.value, row.at) if row else None


def drop(connection: Connection, name: str) -> None:
    connection.execute(delete(states).where(states.c.name == name))
