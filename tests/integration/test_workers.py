"""One morning through a real broker, beat and worker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import Engine

from digest.clock import real_now
from digest.delivery import tally
from tests.builders import add_subscriber, list_paper
from tests.integration.delivery.fake_server import fake_server

PATIENCE_SECONDS = 180  # how long a slow machine may take to start and to stop Celery


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
        shared = dict(os.environ) | {f"DIGEST_{name}": value for name, value in wanted.items()}
        commands = {"worker": ["worker", "--processes", "1"], "beat": ["beat"]}
        environments = {name: shared | {"TMPDIR": str(tmp_path / name)} for name in commands}
        processes = []
        for name, command in commands.items():
            (tmp_path / name).mkdir()
            digest = [sys.executable, "-m", "digest", *command]
            processes.append(subprocess.Popen(digest, env=environments[name], stderr=subprocess.DEVNULL))
        try:
            until = time.monotonic() + PATIENCE_SECONDS
            while tally.totals(engine).submitted < 3 and time.monotonic() < until:
                time.sleep(0.1)
            alive = [_is_alive(environment) for environment in environments.values()]
        finally:
            for process in processes:
                process.terminate()
            assert [process.wait(PATIENCE_SECONDS) for process in processes] == [0, 0]
        assert (tally.totals(engine).submitted, len(mails.mails)) == (3, 3)
        assert alive == [True, True]


def _is_alive(environment: dict[str, str]) -> bool:
    """As the health check of a container asks."""
    return subprocess.run([sys.executable, "-m", "workers.alive"], env=environment, check=False).returncode == 0


def test_it_says_when_there_is_no_sign_of_life(tmp_path: Path) -> None:
    assert not _is_alive(dict(os.environ) | {"TMPDIR": str(tmp_path)})
    (tmp_path / "digest-alive").touch()
    assert _is_alive(dict(os.environ) | {"TMPDIR": str(tmp_path)})
    long_ago = time.time() - 3600
    os.utime(tmp_path / "digest-alive", (long_ago, long_ago))
    assert not _is_alive(dict(os.environ) | {"TMPDIR": str(tmp_path)})
