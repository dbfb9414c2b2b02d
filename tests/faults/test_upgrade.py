"""A new version is rolled out while mail waits: its schema first, then its workers beside the old ones, then only they."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.db import schema
from digest.settings import Settings
from tests.faults.conftest import Saw, url_of
from tests.faults.stand import ROOT, Senders, environment, evil, fill, open_mails, settings, statuses, wait_until

pytestmark = pytest.mark.faults
MAILS = 4_000
COLUMNS = """
for _table in (subscribers, papers, deliveries, editions):
    _table.append_column(Column("of_the_next_version", Text, nullable=False, server_default="new"))
Table("next_things", metadata, Column("id", Integer, primary_key=True))
"""
MIGRATION = """
from alembic import op
from sqlalchemy import Column, Integer, Text

revision, down_revision = "9999", "{head}"

def upgrade():
    for table in ("subscribers", "papers", "deliveries", "editions"):
        op.add_column(table, Column("of_the_next_version", Text, nullable=False, server_default="new"))
    op.create_table("next_things", Column("id", Integer, primary_key=True))
"""
WORKER = "from digest.settings import load; from tests.faults.sender import send_all_day; send_all_day(load(), {})"


def test_it_sends_on_while_old_and_new_workers_share_a_new_schema(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    expected, new = fill(pg, MAILS), next_version(tmp_path / "next")
    with evil(tmp_path, "--mode", "slow", "--delay", ".006") as sink:
        wanted = settings(url_of(pg), tmp_path, sink, smtp_connections=4)

        def taken() -> int:
            return len(sink.events())

        with Senders(wanted, 1):
            wait_until(lambda: taken() > 100, 60)
            before = taken()
            digest(new, wanted, "migrate")
            wait_until(lambda: taken() > before + 150, 60)
            old_alone = taken()
            with new_worker(new, wanted):
                wait_until(lambda: workers(pg) == 2, 60)
                both = taken()
        old_ended = statuses(pg)
        with new_worker(new, wanted):
            wait_until(lambda: not open_mails(pg), 90)
        found = sink.report(expected)
    saw("F21", "the next version's schema and workers", old_before=before, old_on_the_new_schema=old_alone - before,
        when_both_worked=both, waiting_when_the_old_had_ended=old_ended.get("waiting", 0), lost=found["lost"],
        forbidden=found["dup_forbidden"], copies=found["excused"])  # fmt: skip
    assert (old_ended.get("claimed", 0), old_ended.get("waiting", 0) > 0) == (0, True)
    assert statuses(pg) == {"submitted": MAILS}
    assert (found["lost"], found["dup_forbidden"], found["excused"]) == (0, 0, 0)


def next_version(folder: Path) -> Path:
    """The package as its next version might be: it only adds to the schema, as CONTRIBUTING asks."""
    for name in ("digest", "templates", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "digest" / "db" / "tables.py").open("a") as tables:
        tables.write(COLUMNS)
    versions = folder / "digest" / "db" / "migrations" / "versions"
    (versions / "9999_next.py").write_text(MIGRATION.format(head=schema.head()))
    return folder


def digest(version: Path, wanted: Settings, command: str) -> None:
    subprocess.run([sys.executable, "-m", "digest", command], env=_environment(version, wanted), cwd=version, check=True,
                   capture_output=True)  # fmt: skip


@contextmanager
def new_worker(version: Path, wanted: Settings) -> Iterator[None]:
    worker = subprocess.Popen([sys.executable, "-c", WORKER], env=_environment(version, wanted), cwd=version)
    try:
        yield
    finally:
        worker.terminate()
        assert worker.wait(40) == 0


def _environment(version: Path, wanted: Settings) -> dict[str, str]:
    return environment(wanted) | {"PYTHONPATH": f"{version}:{ROOT}"}


def workers(pg: Engine) -> int:
    """How many workers hold mail at this instant."""
    with pg.connect() as connection:
        found = connection.exec_driver_sql("SELECT count(DISTINCT worker) FROM deliveries WHERE status = 'claimed'")
        return int(found.scalar_one())
