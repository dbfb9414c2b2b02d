"""One SQLAlchemy engine, on SQLite in WAL mode or on PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Engine,
    Integer,
    Select,
    Table,
    TableValuedAlias,
    Text,
    any_,
    bindparam,
    cast,
    column,
    create_engine,
    delete,
    event,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import NullType, TypeEngine

Item = TypeVar("Item")

LOCK_WAIT_MS = 30_000
DELETED_AT_ONCE = 5_000
MOST_DELETED = 100_000  # in one go; a sweep comes again soon
# A PostgreSQL whose machine or network is gone without a word counts as gone after seconds, not after the kernel's quarter
# of an hour: workers try again, and the web says so. libpq's words; the address may say otherwise.
_GONE = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "keepalives_idle": 30, "keepalives_interval": 10}


def make_engine(database_url: str, pool_size: int = 5) -> Engine:
    """An engine for `sqlite:///PATH` (its folder is made) or `postgresql+psycopg://...`."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        if url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": LOCK_WAIT_MS / 1000})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    wanted = {name: value for name, value in _GONE.items() if name not in url.query}
    return create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, connect_args=wanted)


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself; _begin_immediate does
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={LOCK_WAIT_MS}",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once with SQLITE_BUSY when another process wrote
    # in between, however long busy_timeout is. Readers say so with `reading()` and stay deferred.
    deferred = connection.get_execution_options().get("is_reading", False)
    connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read: they never wait for a writer on SQLite."""
    return engine.execution_options(is_reading=True)


def asking(engine: Engine) -> Connection:
    """A connection for a question that is asked over and over: one round trip each, and no transaction between them.

    Ask within `begin()`, so that every answer is of its own moment.
    """
    return reading(engine).connect().execution_options(isolation_level="AUTOCOMMIT")


def is_postgresql(connection: Connection | Engine) -> bool:
    return connection.dialect.name == "postgresql"


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT of the connection's own dialect, which knows ON CONFLICT on both."""
    return postgresql.insert(table) if is_postgresql(connection) else sqlite.insert(table)


def inserting(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> tuple[Any, Any]:
    """(INSERT of all rows, its parameters): one statement with one parameter on PostgreSQL, executemany on SQLite.

    Every row has the same names. Sending rows one by one costs several times what storing them does.
    """
    if not is_postgresql(connection):
        return sqlite.insert(table), rows
    given = as_table({name: table.c[name].type for name in rows[0]}, rows)
    return postgresql.insert(table).from_select(list(rows[0]), select(*given.c)), None


def as_table(types: Mapping[str, TypeEngine[Any]], rows: Sequence[Mapping[str, Any]]) -> TableValuedAlias:
    """Rows as a table that a statement can read, on PostgreSQL: they travel as one JSON document."""
    document = cast(literal(msgspec.json.encode(rows).decode(), Text), postgresql.JSON)
    columns = [column(name, type_) for name, type_ in types.items()]
    return func.json_to_recordset(document).table_valued(*columns).render_derived("given", with_types=True)


def among(connection: Connection, column: Column[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """`column IN values` of a page: one parameter where the database can, since a thousand cost more than finding their rows."""
    on_postgresql = is_postgresql(connection)
    if isinstance(column.type, Integer):
        written = literal(numbers(connection, values), NullType())
        return _is_one_of(column, written, on_postgresql=on_postgresql)
    return column == any_(literal(list(values), ARRAY(column.type))) if on_postgresql else column.in_(values)


def listed(column: Column[Any], name: str, *, on_postgresql: bool) -> ColumnElement[bool]:
    """`column IN` the whole numbers that parameter `name` will give as `numbers` writes them.

    For statements that are made once and asked over and over: making one costs more than asking it.
    """
    return _is_one_of(column, bindparam(name, type_=NullType()), on_postgresql=on_postgresql)


def numbers(connection: Connection, values: Collection[int]) -> str:
    """Whole numbers as `among` and `listed` compare with them: as text, since drivers take long over each number."""
    written = ",".join(map(str, values))
    return f"{{{written}}}" if is_postgresql(connection) else f"[{written}]"


def _is_one_of(column: Column[Any], written: ColumnElement[Any], *, on_postgresql: bool) -> ColumnElement[bool]:
    """`written` has no type of its own, so that PostgreSQL reads it as an array once; a text would be cast for each row."""
    if on_postgresql:
        return column == any_(cast(written, ARRAY(column.type)))
    return column.in_(select(func.json_each(written).table_valued("value").c.value))


def count_of(table: Table, where: ColumnElement[bool], most: int | None = None) -> Select[int]:
    """SELECT of how many rows fit; with `most` it stops looking there."""
    found: Select[Any] = select(literal_column("1")).select_from(table).where(where).limit(most)
    return select(func.count()).select_from(found.subquery())


def delete_some(engine: Engine, table: Table, which: ColumnElement[bool], most: int = MOST_DELETED) -> int:
    """Delete up to `most` of the rows `which` names, in small transactions that nobody waits for; returns how many."""
    key = tuple_(*table.primary_key.columns)
    page = select(*table.primary_key.columns).where(which).limit(DELETED_AT_ONCE)
    gone = 0
    while gone < most:
        with engine.begin() as connection:
            count = connection.execute(delete(table).where(key.in_(page))).rowcount
        gone += count
        if count < DELETED_AT_ONCE:
            break
    return gone


def database_now(connection: Connection) -> ColumnElement[Any]:
    """The database's own clock as Unix seconds: leases are kept by it, never by a worker's clock."""
    if is_postgresql(connection):
        return func.extract("epoch", func.clock_timestamp())
    return literal_column("((julianday('now') - 2440587.5) * 86400.0)")


def chunks(items: Sequence[Item], size: int = 500) -> list[Sequence[Item]]:
    """In pages, since a statement takes only so many parameters (SQLite: 32,766)."""
    return [items[at : at + size] for at in range(0, len(items), size)]
