"""What a fault is tried on: a full ledger, a mail server that fails on purpose and counts, processes that can be killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, insert, select, update

from digest.db.tables import deliveries, editions, papers, states, subscribers
from digest.settings import Settings
from tests.builders import add_listing, add_paper
from tests.conftest import shared_dir
from tests.faults.sender import send_all_day

SECRET = "a key of the fault matrix, 32 characters and more"
ROOT = Path(__file__).parents[2]
_PRIVATE = re.compile(rf"{SECRET}|reader\d+@\S+|[\w.]+@example\.net|/[upcavek]/[\w-]{{20,}}")


# --- the mail server --------------------------------------------------------------------------------------------------


class Sink:
    """A mail server on loopback; every mail it took is a line of its log, written before the reply."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder, self.port = folder, port
        self.log = folder / "taken.jsonl"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> Sink:
        """Start it, or start it anew with other faults on the same port; the log goes on."""
        self.stop()
        program, said = shared_dir("tools") / "evil_smtp.py", self.folder / "port"
        said.unlink(missing_ok=True)
        command = [
            sys.executable,
            str(program),
            "--port",
            str(self.port),
            "--port-file",
            str(said),
            "--log",
            str(self.log),
        ]
        self._server = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL)
        wait_until(said.exists, 20)
        self.port = int(said.read_text())
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(20)
        self._server = None

    def events(self, kind: str = "msg") -> list[dict[str, Any]]:
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line["ev"] == kind]

    def copies(self) -> Counter[str]:
        """Recipient -> mails taken."""
        return Counter(to for mail in self.events() for to in mail["rcpt"])

    def report(self, addresses: list[str]) -> dict[str, Any]:
        """What the server's own report says of lost, doubled and forbidden mails."""
        expected = self.folder / "expected"
        expected.write_text("".join(f"{address}\n" for address in addresses))
        program = shared_dir("tools") / "evil_smtp.py"
        command = [sys.executable, str(program), "report", str(self.log), "--expect", str(expected), "--json"]
        said: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
        said["excused"] = said["dup_excused_client"] + said["dup_excused_server"]
        return said


@contextmanager
def evil(folder: Path, *arguments: str) -> Iterator[Sink]:
    sink = Sink(folder)
    try:
        yield sink.start(*arguments)
    finally:
        sink.stop()


# --- the ledger -------------------------------------------------------------------------------------------------------


def settings(database_url: str, folder: Path, sink: Sink, **values: Any) -> Settings:
    wanted = {
        "database_url": database_url,
        "data_dir": folder / "var",
        "sources": (),
        "smtp_port": sink.port,
        "smtp_timeout": 20.0,
        "smtp_data_timeout": 20.0,
        "public_url": "https://digest.example.org",
        "mail_from": "Digest <digest@digest.example.org>",
        "secret_key": SECRET,
    }
    return Settings(**wanted | values)


def environment(settings: Settings) -> dict[str, str]:
    """The same settings for processes that read their environment."""
    told = {name: getattr(settings, name) for name in settings.model_fields_set}
    values = {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value for name, value in told.items()
    }
    plain = {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in values.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    return inherited | {f"DIGEST_{name.upper()}": value for name, value in plain.items()} | {"PYTHONPATH": str(ROOT)}


def address(number: int) -> str:
    return f"reader{number}@example.org"


def fill(engine: Engine, count: int, now: datetime | None = None, paper_count: int = 3) -> list[str]:
    """Readers with frozen editions that wait to be sent; returns their addresses."""
    now = now or datetime.now(UTC)
    today = now.date()
    with engine.begin() as connection:
        ids = [add_paper(connection, f"2606.{n:05}", first_seen_at=now, listed_on=today) for n in range(paper_count)]
        connection.execute(insert(subscribers), [_reader(n, now) for n in range(count)])
        readers = list(connection.execute(select(subscribers.c.id).order_by(subscribers.c.id)).scalars())
        connection.execute(insert(deliveries), [_waiting(reader, now) for reader in readers])
        rows = connection.execute(select(deliveries.c.id, deliveries.c.subscriber_id)).all()
        connection.execute(insert(editions), [_edition(row.id, row.subscriber_id, ids, now) for row in rows])
    return [address(n) for n in range(count)]


def _reader(number: int, now: datetime) -> dict[str, Any]:
    email = address(number)
    lists = {name: [] for name in ("topics", "muted", "authors", "organisations")}
    wishes = {"cadence": "daily", "hour": 7, "timezone": "UTC", "size": 10, "language": "en", "quiet": "skip"}
    days = {"due_at": now + timedelta(days=3), "planned_to_on": now.date(), "created_at": now, "confirmed_at": now}
    return {"email": email, "email_key": email, "limit_key": email, "status": "active"} | lists | wishes | days


def _waiting(reader: int, now: datetime) -> dict[str, Any]:
    at = {"planned_at": now, "mailed_at": now, "next_try_at": now, "expires_at": now + timedelta(days=3)}
    return {
        "subscriber_id": reader,
        "mail": "digest",
        "edition_kind": "daily",
        "dated_on": now.date(),
        "status": "waiting",
    } | at


def _edition(delivery: int, reader: int, paper_ids: list[int], now: datetime) -> dict[str, Any]:
    today = now.date()
    days = {"dated_on": today, "covers_from": today, "covers_to": today, "next_on": today + timedelta(days=1)}
    picks = [[id, 5, None, False, [["topic", 0.7, "robots", None]]] for id in paper_ids]
    content = {"kind": "daily", "picks": picks, "weighed": 9, "frozen_at": now, "read_to_at": now}
    return {"delivery_id": delivery, "subscriber_id": reader} | days | content


def statuses(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(select(deliveries.c.status, func.count()).group_by(deliveries.c.status)).all()
        return {row[0]: row[1] for row in rows}


def open_mails(engine: Engine) -> int:
    """Rows that are not settled."""
    return sum(
        count for status, count in statuses(engine).items() if status in ("planned", "waiting", "claimed", "deferred")
    )


def due_now(engine: Engine, *, with_doubted: bool = True) -> None:
    """As if every wait were over: deferred mails are due, and a pause of sending has ended.

    Where senders are killed meanwhile, leave out the mails in doubt: the kernel still hands over what a dead sender
    wrote, and without the pause the copy overtakes it.
    """
    which = [deliveries.c.status == "deferred", *([] if with_doubted else [deliveries.c.doubts == 0])]
    with engine.begin() as connection:
        connection.execute(update(deliveries).where(*which).values(next_try_at=datetime(2020, 1, 1, tzinfo=UTC)))
        connection.execute(states.delete().where(states.c.name == "sending_paused"))


def all_settled(engine: Engine, seconds: float) -> None:
    """Move the time on until every row is settled; what is left after `seconds` shows in the assertions."""
    end = time.monotonic() + seconds
    while open_mails(engine) and time.monotonic() < end:
        due_now(engine)
        time.sleep(0.5)


def planned_readers(pg: Engine, count: int, paper_count: int = 12) -> list[str]:
    """Readers who are due now, and papers that came in an hour ago; nothing is planned yet."""
    now = datetime.now(UTC)
    expected = fill(pg, count, paper_count=paper_count)
    with pg.begin() as connection:
        connection.execute(deliveries.delete())
        connection.execute(update(papers).values(first_seen_at=now - timedelta(hours=1), listed_on=now.date()))
        for paper_id in connection.execute(select(papers.c.id)).scalars().all():
            add_listing(connection, paper_id, now.date())
        due = {"due_at": now - timedelta(minutes=1), "planned_to_on": now.date() - timedelta(days=1), "hour": now.hour}
        connection.execute(update(subscribers).values(due))
    return expected


# --- processes --------------------------------------------------------------------------------------------------------


class Senders:
    """Processes that sweep and deliver over and over; any of them may be killed and is started anew."""

    def __init__(self, settings: Settings, count: int, **spoil: int) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.faults.sender"])
        self._settings, self._spoil = settings, spoil
        self.kills = self.deaths = 0
        self.processes = [self._started() for _ in range(count)]

    def _started(self) -> Any:
        process = self._context.Process(target=send_all_day, args=(self._settings, self._spoil), daemon=True)
        process.start()
        return process

    def kill(self, which: int) -> None:
        """kill -9, and one in its place."""
        process = self.processes[which]
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            self.kills += 1
        process.join()
        self.processes[which] = self._started()

    def replace_the_dead(self) -> None:
        """As the parent of a pool does."""
        for which, process in enumerate(self.processes):
            if not process.is_alive():
                process.join()
                self.deaths += 1
                self.processes[which] = self._started()

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join(30)

    def __enter__(self) -> Senders:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def running(
    commands: Mapping[str, list[str]], settings: Settings, log: Path
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """`digest NAME ...` for each, their output in one file; asked to stop at the end, killed if they do not."""
    with log.open("ab") as output:
        processes = {name: started(command, settings, output) for name, command in commands.items()}
        try:
            yield processes
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                try:
                    process.wait(40)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
    assert (leaks := told_in(log)) == [], leaks


def told_in(log: Path) -> list[str]:
    """What no log may tell: addresses of readers, keys, and links that act."""
    return sorted(set(_PRIVATE.findall(log.read_text(errors="replace"))))[:9]


def started(command: list[str], settings: Settings, output: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "digest", *command], env=environment(settings), cwd=ROOT, stdout=output, stderr=output
    )


def wait_until(is_so: Callable[[], Any], seconds: float, every: float = 0.05) -> None:
    """Look until it is so; TimeoutError when it never was."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError("it never came to be")
        time.sleep(every)
