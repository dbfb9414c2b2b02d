from __future__ import annotations

from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import StatementError

from digest.db.engine import database_now, is_postgresql
from digest.db.fulltext import is_ours
from digest.db.schema import head, is_compared, migrate, revision
from digest.db.tables import metadata, states

NOW = datetime(2026, 6, 9, 7, tzinfo=UTC)


def test_it_migrates_to_head_and_again_without_change(engine: Engine) -> None:
    assert revision(engine) == head()
    assert migrate(engine) == (head(), head())


def test_it_keeps_migrations_and_tables_alike(engine: Engine) -> None:
    with engine.connect() as connection:
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"include_object": is_compared}), metadata)
            == []
        )


def test_it_makes_the_very_indexes_that_the_tables_declare(connection: Connection) -> None:
    migrated = _indexes(connection)  # Alembic compares neither their order nor what a partial one holds
    metadata.drop_all(connection)
    metadata.create_all(connection)
    assert _indexes(connection) == migrated


def _indexes(connection: Connection) -> dict[str, str]:
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    if not is_postgresql(connection):
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    return {name: definition for name, definition in connection.execute(text(query)) if not is_ours(name)}


def test_it_gives_times_back_aware_and_in_utc(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(states.insert().values(name="x", value=1, at=NOW))
        assert connection.execute(select(states.c.at)).scalar_one() == NOW


def test_it_refuses_a_time_without_a_zone(engine: Engine) -> None:
    with pytest.raises(StatementError, match="no time zone"), engine.begin() as connection:
        connection.execute(states.insert().values(name="x", value=1, at=datetime(2026, 6, 9)))  # noqa: DTZ001


def test_it_reads_the_databases_own_clock(engine: Engine) -> None:
    with engine.begin() as connection:
        first = connection.execute(select(database_now(connection))).scalar_one()
        assert float(first) > 1_700_000_000
