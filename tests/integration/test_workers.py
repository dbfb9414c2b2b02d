"""One morning through a real broker, beat and worker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import Engine

from digest.clock import real_now
from digest.delivery import ledger
from tests.builders import add_subscriber, list_paper
from tests.integration.delivery.fake_server import fake_server


def test_it_finds_who_is_due_without_being_told(engine: Engine, redis_url: str, tmp_path: Path) -> None:
    now = real_now()
    with engine.begin() as connection:
        list_paper(connection, "2606.00001", now.date(), first_seen_at=now)
        for name in ("ann", "bob", "cleo"):
            add_subscriber(connection, f"{name}@example.org", due_at=now, planned_to_on=None)
    with fake_server() as mails:
        wanted = {
            "DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "BROKER_URL": redis_url.rpartition("/")[0] + f"/{1 if engine.dialect.name == 'sqlite' else 2}",
            "DATA_DIR": str(tmp_path / "var"),
            "SMTP_PORT": str(mails.port),
            "SOURCES": "",
            "TICK_SECONDS": "1",
            "SECRET_KEY": "a key of the tests, 32 characters and more",
        }
        environment = dict(os.environ) | {f"DIGEST_{name}": value for name, value in wanted.items()}
        processes = [
            subprocess.Popen([sys.executable, "-m", "digest", *command], env=environment, stderr=subprocess.DEVNULL)
            for command in (["worker", "--processes", "1"], ["beat"])
        ]
        try:
            until = time.monotonic() + 60
            while ledger.totals(engine).submitted < 3 and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            for process in processes:
                process.terminate()
            assert [process.wait(40) for process in processes] == [0, 0]
        assert (ledger.totals(engine).submitted, len(mails.mails)) == (3, 3)
