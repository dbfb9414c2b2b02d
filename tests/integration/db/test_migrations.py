"""A database of the first released version is carried forward with all that is in it, while old and new workers run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, inspect, text

from digest import pipeline
from digest.db.engine import is_postgresql, make_engine
from digest.db.schema import head, is_compared, migrate, revision
from digest.db.tables import metadata
from digest.delivery import tally
from digest.install import Install
from digest.papers import search
from digest.papers.query import parse
from tests.builders import TODAY
from tests.integration.db import first_schema
from tests.integration.delivery.fake_server import FakeServer
from tests.integration.test_pipeline import install_of, later, listed, mails, readers

__all__ = ["mails"]


@pytest.fixture
def first(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """A database at the first schema with a row in every table; brought to head in the end, as other tests expect."""
    engine = make_engine(database_url)
    if is_postgresql(engine):
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    else:
        engine = make_engine(f"sqlite:///{tmp_path}/first.db")
    migrate(engine, first_schema.FIRST)
    first_schema.write(engine)
    yield engine
    migrate(engine)
    engine.dispose()


def test_it_has_a_row_for_every_table_of_the_first_schema(first: Engine) -> None:
    own = {name for name in inspect(first).get_table_names() if not name.startswith(("papers_words", "alembic"))}
    assert own == set(first_schema.ROWS)


def test_it_carries_everything_forward(first: Engine) -> None:
    known = first_schema.tables(first)
    before = first_schema.read(first, known)
    migrate(first)
    assert revision(first) == head()
    assert first_schema.read(first, known) == before
    with first.connect() as connection:
        assert len(search.find(connection, parse("robots"), search.Filters()).papers) == 3


def test_it_keeps_nobody_waiting_for_an_index(first: Engine) -> None:
    if not is_postgresql(first):
        pytest.skip("SQLite makes an index in one go")
    said: list[str] = []
    old = set(first_schema.ROWS)
    event.listen(first, "before_cursor_execute", lambda *given: said.append(given[2]))
    migrate(first)
    made = [one for one in said if re.search(r"^(CREATE|DROP).* INDEX ", one)]
    waiting = [one for one in made if "CONCURRENTLY" not in one and not _is_of_new_table(one, old)]
    assert made
    assert not waiting


def _is_of_new_table(statement: str, old: set[str]) -> bool:
    found = re.search(r" ON (\w+)", statement)
    return found is not None and found[1] not in old


def test_it_goes_on_after_an_interrupted_index(first: Engine) -> None:
    if not is_postgresql(first):
        pytest.skip("SQLite makes an index in one go, or not at all")
    migrate(first, "0002")
    with first.begin() as connection:  # as if the process had ended between the last two steps
        connection.execute(text("CREATE INDEX ix_subscribers_status ON subscribers (status)"))
        connection.execute(text("CREATE INDEX ix_subscribers_due_new ON subscribers (due_at, id)"))
        connection.execute(text("DROP INDEX ix_subscribers_due"))
    migrate(first)
    with first.connect() as connection:
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"include_object": is_compared}), metadata)
            == []
        )


def test_it_runs_twice_at_once(first: Engine) -> None:
    if not is_postgresql(first):
        pytest.skip("a file on one machine is migrated by one process")
    own = {"DIGEST_DATABASE_URL": first.url.render_as_string(hide_password=False)}
    command = [sys.executable, "-m", "digest", "migrate"]
    both = [subprocess.Popen(command, env=os.environ | own) for _ in range(2)]
    try:
        assert [one.wait(timeout=60) for one in both] == [0, 0]
    finally:
        for one in both:
            one.kill()
            one.wait()
    assert revision(first) == head()


def test_it_sends_the_mail_that_was_queued_before(first: Engine, mails: FakeServer, tmp_path: Path) -> None:
    migrate(first)
    with install_of(first, tmp_path, mails.port) as install:
        _send_all(install)
    assert _recipients(mails) == sorted(f"{name}@example.org" for name in first_schema.QUEUED)
    assert tally.totals(first, TODAY).submitted == 5  # one of them was before
    assert tally.totals(first).closes


def test_a_worker_of_the_first_version_writes_into_the_newest_schema(
    engine: Engine, mails: FakeServer, tmp_path: Path
) -> None:
    first_schema.write(engine)
    with install_of(engine, tmp_path, mails.port) as install:
        _send_all(install)
    assert _recipients(mails) == sorted(f"{name}@example.org" for name in first_schema.QUEUED)


def _send_all(install: Install) -> None:
    """What workers do until nothing is left, once what a dead one held is old enough to be tried again."""
    pipeline.sweep(install)
    later(install, minutes=20)
    assert pipeline.rank(install).ok
    assert pipeline.deliver(install, letters=True).ok
    assert pipeline.deliver(install).ok


def _recipients(mails: FakeServer) -> list[str]:
    return sorted(str(message_from_bytes(mail)["To"]) for mail in mails.mails)


@pytest.fixture
def ahead(engine: Engine) -> Iterator[Engine]:
    """A database that the next version has expanded already: a new column in every table."""
    with engine.begin() as connection:
        _in_every_table(connection, "ADD COLUMN added_later TEXT")
    yield engine
    with engine.begin() as connection:
        _in_every_table(connection, "DROP COLUMN added_later")


def _in_every_table(connection: Connection, change: str) -> None:
    for table in metadata.sorted_tables:
        connection.execute(text(f"ALTER TABLE {table.name} {change}"))


def test_workers_of_this_version_go_on_while_the_next_has_expanded_the_schema(
    ahead: Engine, mails: FakeServer, tmp_path: Path
) -> None:
    readers(ahead, "ann", "bob")
    with install_of(ahead, tmp_path, mails.port) as install:
        for day in range(2):
            listed(ahead, 2, install.now().date(), first=1 + 10 * day)
            assert all(report.ok for report in pipeline.run(install))
            later(install, days=1)
    assert len(mails.mails) == 4


def test_what_a_migration_adds_can_be_left_out_by_older_workers(first: Engine) -> None:
    known = {name: set(table.c.keys()) for name, table in first_schema.tables(first).tables.items()}
    migrate(first)
    asked = inspect(first)
    demanded = [
        f"{name}.{column['name']}"
        for name, columns in known.items()
        for column in asked.get_columns(name)
        if column["name"] not in columns and not column["nullable"] and column["default"] is None
    ]
    assert demanded == []
