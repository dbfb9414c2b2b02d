"""A backup taken in the middle of a run, more mail after it, a restore, and more runs: nobody gets two digests for a date."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from digest import pipeline
from digest.db.tables import deliveries
from digest.delivery import tally
from digest.install import Install
from tests.builders import TODAY
from tests.conftest import missing
from tests.integration.delivery.fake_server import FakeServer
from tests.integration.test_pipeline import install, later, listed, mails, readers

__all__ = ["install", "mails"]
NAMES = [f"reader{n}" for n in range(12)]


def dump(engine: Engine, folder: Path) -> Callable[[], None]:
    """Take a backup as docs/operating.md says; returns what restores it."""
    path = folder / "backup"
    if engine.dialect.name == "sqlite":
        database = str(engine.url.database)
        _copy_sqlite(database, str(path))
        return lambda: _copy_sqlite(str(path), database)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))
    binaries = found[-1].parent if found else Path(shutil.which("pg_dump") or missing("pg_dump") or "").parent
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    subprocess.run([binaries / "pg_dump", "--format=custom", f"--file={path}", url], check=True, env=dict(os.environ))
    restore = [binaries / "pg_restore", "--clean", "--if-exists", f"--dbname={url}", path]

    def put_back() -> None:
        engine.dispose()
        subprocess.run(restore, check=True, capture_output=True)

    return put_back


def _copy_sqlite(source: str, target: str) -> None:
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
    old.close()
    new.close()


@pytest.mark.parametrize("stage", ["planned", "ranked", "half sent"])
def test_it_sends_nobody_two_digests_for_a_date_after_a_restore(
    install: Install, mails: FakeServer, tmp_path: Path, stage: str
) -> None:
    ids = readers(install.engine, *NAMES)
    listed(install.engine, 6)
    if stage != "planned":
        pipeline.plan(install)
        pipeline.rank(install)
    if stage == "half sent":
        with install.engine.begin() as connection:
            later_ones = update(deliveries).where(deliveries.c.subscriber_id.in_(ids[6:]))
            connection.execute(later_ones.values(next_try_at=install.now() + timedelta(minutes=5)))
        pipeline.deliver(install)
        assert len(mails.mails) == 6
    restore = dump(install.engine, tmp_path)
    later(install, minutes=10)
    pipeline.run(install)
    assert len(mails.mails) == 12
    restore()
    listed(install.engine, 1, first=50)  # other papers, so that editions made again would differ
    held = pipeline.restored(install).counts["held"]
    pipeline.run(install)
    assert len(mails.mails) == 12
    assert held == {"planned": 12, "ranked": 12, "half sent": 6}[stage]
    totals = tally.totals(install.engine, TODAY)
    assert totals.closes
    assert totals.uncertain == held
    later(install, days=1)
    listed(install.engine, 1, TODAY + timedelta(days=1), first=70)
    pipeline.run(install)
    per_date = Counter((one["To"], str(one["Message-ID"])) for one in map(message_from_bytes, mails.mails))
    assert set(per_date.values()) == {1}
    assert len(mails.mails) == 24  # tomorrow everyone is served again
    with install.engine.connect() as connection:
        reasons = set(
            connection.execute(select(deliveries.c.reason).where(deliveries.c.status == "uncertain")).scalars()
        )
    assert reasons == {pipeline.RESTORED}
