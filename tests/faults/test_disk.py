"""A disk that is full, under the journal or under the database, before a run and in the middle of one."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from digest import pipeline
from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.delivery import journal
from digest.install import Install
from digest.web.app import create_app
from tests.faults.conftest import Saw, url_of
from tests.faults.stand import Sink, due_now, evil, fill, open_mails, settings, statuses, wait_until

pytestmark = pytest.mark.faults


class Disk:
    """A small file system of its own, that can be filled to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._filler = folder, folder / "filler"

    def fill(self) -> None:
        with self._filler.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            for size in (1 << 16, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        filler.write(b"\0" * size)

    def free(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def settle(install: Install) -> None:
    for _ in range(20):
        pipeline.sweep(install)
        pipeline.deliver(install)
        if not open_mails(install.engine):
            return
        due_now(install.engine)


class Sending(threading.Thread):
    """A run in a thread of its own, and how it ended."""

    def __init__(self, install: Install) -> None:
        super().__init__()
        self._install, self.error, self.report = install, "", None

    def run(self) -> None:
        try:
            pipeline.deliver(self._install)
        except (OSError, SQLAlchemyError) as error:
            self.error = type(error).__name__ + ": " + str(error).splitlines()[0][:80]


def test_it_stops_when_the_journals_disk_is_full(
    pg: Engine, tmp_path: Path, saw: Saw, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fill(pg, 1_500)
    monkeypatch.setattr(journal, "_STEP_BYTES", 80 * 1024)  # a day's worth of room is used up sooner
    with evil(tmp_path, "--mode", "slow", "--delay", ".001") as sink:
        wanted = settings(url_of(pg), tmp_path, sink, data_dir=disk.folder, smtp_connections=4)
        install = Install(wanted)
        disk.fill()
        with pytest.raises(OSError, match="No space"):
            pipeline.deliver(install)
        before = len(sink.events())
        disk.free()
        sending = Sending(install)
        sending.start()
        wait_until(lambda: len(sink.events()) > 30, 60)
        disk.fill()
        sending.join(60)
        stopped_at = len(sink.events())
        with pytest.raises(OSError, match="No space"):
            pipeline.deliver(install)
        frozen = len(sink.events())
        disk.free()
        settle(install)
        install.close()
        found = sink.report(expected)
    saw("F13", "journal's disk full", sent_without_room=before, sent_until_it_stopped=stopped_at, then=sending.error,
        sent_after=frozen - stopped_at, lost=found["lost"], forbidden=found["dup_forbidden"], copies=found["excused"])  # fmt: skip
    assert (before, frozen - stopped_at) == (0, 0)
    assert "No space" in sending.error
    assert statuses(pg) == {"submitted": 1_500}
    assert (found["lost"], found["dup_forbidden"]) == (0, 0)
    assert found["dup_excused_same_bytes"] == found["excused"] <= 1


def test_it_stops_when_the_databases_disk_is_full(tmp_path: Path, saw: Saw, disk: Disk) -> None:
    url = f"sqlite:///{disk.folder}/digest.db"
    engine = make_engine(url)
    migrate(engine)
    expected = fill(engine, 600)
    with evil(tmp_path, "--mode", "slow", "--delay", ".005") as sink:
        install, web = _install_and_web(url, tmp_path, sink)
        sending = Sending(install)
        sending.start()
        wait_until(lambda: len(sink.events()) > 50, 60)
        disk.fill()
        answer = web.post(f"/u/{install.links.unsubscribe(1)}", data={"List-Unsubscribe": "One-Click"}).status_code
        sending.join(90)
        stopped_at = len(sink.events())
        with contextlib.suppress(SQLAlchemyError):
            pipeline.deliver(install)
        frozen, known = len(sink.events()), statuses(engine)
        disk.free()
        settle(install)
        install.close()
        found = sink.report(expected)
    saw("F13", "SQLite's disk full", web=answer, sent_until_it_stopped=stopped_at, then=sending.error, sent_after=frozen - stopped_at,
        lost=found["lost"], forbidden=found["dup_forbidden"], copies=found["excused"], ledger_then=known, ledger=statuses(engine))  # fmt: skip
    assert answer == 503
    assert frozen == stopped_at
    assert statuses(engine) == {"submitted": 600}
    assert (found["lost"], found["dup_forbidden"], found["excused"]) == (0, 0, 0)
    engine.dispose()


def _install_and_web(url: str, folder: Path, sink: Sink) -> tuple[Install, Any]:
    wanted = settings(url, folder, sink, smtp_connections=4)
    install = Install(wanted)
    return install, create_app(wanted, install.engine).test_client()
