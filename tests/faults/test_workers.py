"""The real processes: web, workers and beat with Redis and PostgreSQL, while parts of them are killed or away."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, create_engine, func, select, text

from digest.db.tables import subscribers
from digest.install import Install
from digest.settings import Settings
from tests.conftest import free_port, missing, wait_for
from tests.faults.conftest import Saw, url_of
from tests.faults.stand import (
    Senders,
    Sink,
    due_now,
    evil,
    fill,
    open_mails,
    planned_readers,
    running,
    settings,
    started,
    statuses,
    wait_until,
)

pytestmark = pytest.mark.faults


class Redis:
    """A private Redis without a disk, that can be killed and started anew, empty."""

    def __init__(self, folder: Path) -> None:
        self._binary, self._folder, self.port = shutil.which("redis-server"), folder, free_port()
        self._server: subprocess.Popen[bytes] | None = None
        if self._binary is None:
            missing("Redis")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [
            str(self._binary),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=self._folder)
        wait_for(self.port)

    def flush(self) -> None:
        subprocess.run(["redis-cli", "-p", str(self.port), "FLUSHALL"], check=True, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        self._server = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.kill()


def quick(pg: Engine, folder: Path, sink: Sink, broker: Redis, **values: Any) -> Settings:
    wanted = {"broker_url": broker.url, "tick_seconds": 2, "smtp_connections": 4, "log_format": "json"}
    return settings(url_of(pg), folder, sink, **wanted | values)


def taken(sink: Sink) -> int:
    return sum(sink.copies().values())


def settle(pg: Engine, seconds: float) -> float:
    """Wait until every row is settled, as if the pauses of deferred mails were over; returns how long it took."""
    began = time.monotonic()
    while open_mails(pg) and time.monotonic() - began < seconds:
        due_now(pg)
        time.sleep(0.5)
    return round(time.monotonic() - began, 1)


def post(url: str, **fields: str) -> int:
    try:
        with urllib.request.urlopen(url, urllib.parse.urlencode(fields).encode(), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def form_token(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as page:
        found = re.search(r'name="form" value="([^"]*)"', page.read().decode())
    return found[1] if found else ""


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def test_it_goes_on_when_pool_processes_are_killed(pg: Engine, tmp_path: Path, saw: Saw, broker: Redis) -> None:
    expected, kills = fill(pg, 2_000), 0
    broker.start()
    with evil(tmp_path, "--mode", "slow", "--delay", ".002") as sink:
        wanted, log = quick(pg, tmp_path, sink, broker), tmp_path / "log"
        commands = {"worker": ["worker", "--processes", "3"], "beat": ["beat"]}
        with running(commands, wanted, log) as processes:
            wait_until(lambda: taken(sink) > 50, 60)
            while open_mails(pg) and kills < 8:
                for child in children(processes["worker"])[:1]:
                    child.send_signal(signal.SIGKILL)
                    kills += 1
                time.sleep(1.5)
            seconds = settle(pg, 60)
            is_alive = processes["worker"].poll() is None
        found = sink.report(expected)
    saw("F2", "Celery's pool processes killed", kills=kills, lost=found["lost"], forbidden=found["dup_forbidden"],
        excused=found["excused"], seconds_after_the_last=seconds, ledger=statuses(pg))  # fmt: skip
    assert is_alive
    assert statuses(pg) == {"submitted": 2_000}
    assert (found["lost"], found["dup_forbidden"]) == (0, 0)
    assert found["dup_excused_same_bytes"] == found["excused"] <= kills * 4


def test_it_loses_nothing_when_redis_is_absent_flushed_or_killed(
    pg: Engine, tmp_path: Path, saw: Saw, broker: Redis
) -> None:
    expected, port = fill(pg, 1_500), free_port()
    with evil(tmp_path, "--mode", "slow", "--delay", ".01") as sink:
        wanted, log = quick(pg, tmp_path, sink, broker, public_url=f"http://127.0.0.1:{port}"), tmp_path / "log"
        commands = {"worker": ["worker"], "beat": ["beat"], "web": ["web", "--port", str(port), "--processes", "1"]}
        with running(commands, wanted, log):
            wait_for(port, 60)
            form = form_token(f"{wanted.public_url}/subscribe")
            time.sleep(2.5)  # a person is slower than that
            answer = post(f"{wanted.public_url}/subscribe", email="ann@example.net", form=form)
            sent_without = taken(sink)
            broker.start()
            wait_until(lambda: taken(sink) > 200, 60)
            broker.flush()
            wait_until(lambda: taken(sink) > 500, 60)
            broker.kill()
            time.sleep(3)
            broker.start()
            seconds = settle(pg, 90)
            wait_until(lambda: sink.copies()["ann@example.net"] == 1, 30)
        found = sink.report([*expected, "ann@example.net"])
    saw("F11", "absent at the start, FLUSHALL, kill -9 for 3 s", web_answers=answer, sent_without_it=sent_without,
        lost=found["lost"], forbidden=found["dup_forbidden"], copies=found["excused"], seconds_until_all=seconds)  # fmt: skip
    assert answer == 200
    assert (found["lost"], found["dup_forbidden"], found["excused"]) == (0, 0, 0)
    assert statuses(pg) == {"submitted": 1_501}


@contextlib.contextmanager
def _administrator(pg: Engine) -> Iterator[Any]:
    admin = create_engine(pg.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        yield connection
    admin.dispose()


@contextlib.contextmanager
def database_down(pg: Engine) -> Iterator[None]:
    """Nobody gets a connection, and those who have one lose it."""
    with _administrator(pg) as connection:
        connection.execute(text(f"ALTER DATABASE {pg.url.database} ALLOW_CONNECTIONS false"))
        try:
            cut_all(pg)
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {pg.url.database} ALLOW_CONNECTIONS true"))


def cut_all(pg: Engine) -> None:
    """What a fail-over does to everybody who has a connection."""
    pg.dispose()
    with _administrator(pg) as connection:
        found = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(text(found), {"name": pg.url.database})


def test_it_comes_back_when_the_database_does(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    expected, port = fill(pg, 2_000), free_port()
    with evil(tmp_path, "--mode", "slow", "--delay", ".005") as sink:
        wanted, log = (
            settings(url_of(pg), tmp_path, sink, smtp_connections=4, public_url=f"http://127.0.0.1:{port}"),
            tmp_path / "log",
        )
        links = Install(wanted).links
        with pg.connect() as connection:
            leaver = connection.execute(select(func.max(subscribers.c.id))).scalar_one()
        address = f"http://127.0.0.1:{port}/u/{links.unsubscribe(leaver)}"
        web = {"web": ["web", "--port", str(port), "--processes", "1"]}
        with running(web, wanted, log), Senders(wanted, 2) as senders:
            wait_for(port, 60)
            wait_until(lambda: taken(sink) > 300, 60)
            with database_down(pg):
                answers = [post(address, **{"List-Unsubscribe": "One-Click"}) for _ in range(3)]
                time.sleep(6)
                frozen = taken(sink)
                time.sleep(2)
                sent_meanwhile = taken(sink) - frozen
            for _ in range(4):
                time.sleep(1.5)
                cut_all(pg)
            seconds = settle(pg, 90)
            after = post(address, **{"List-Unsubscribe": "One-Click"})
            assert senders.kills == 0
        found = sink.report(expected)
    saw("F12", "gone for 8 s, then 4 fail-overs", web=answers, web_after=after, sent_while_gone=sent_meanwhile, lost=found["lost"],
        forbidden=found["dup_forbidden"], excused=found["excused"], seconds_until_all=seconds, ledger=statuses(pg))  # fmt: skip
    assert answers == [503] * 3
    assert after == 200
    assert sent_meanwhile == 0
    assert statuses(pg) == {"submitted": 2_000}
    assert (found["lost"], found["dup_forbidden"]) == (0, 0)
    assert found["dup_excused_same_bytes"] == found["excused"] <= 2 * 5  # one a sender and outage (MOST_IN_DOUBT)


def test_it_mails_once_with_two_beats_and_every_task_ten_times(
    pg: Engine, tmp_path: Path, saw: Saw, broker: Redis
) -> None:
    expected = planned_readers(pg, 200)
    broker.start()
    with evil(tmp_path, "--mode", "ok") as sink:
        wanted, log = quick(pg, tmp_path, sink, broker), tmp_path / "log"
        commands = {"one": ["worker"], "two": ["worker"], "beat": ["beat"], "second beat": ["beat"]}
        with running(commands, wanted, log):
            wait_until(lambda: tasks_posted(wanted, 10), 60)
            wait_until(lambda: taken(sink) > 0, 150)
            seconds = settle(pg, 60)
            time.sleep(4)  # two more ticks of both beats
        found = sink.report(expected)
    saw("F17", "planned, ranked and sent by two workers", lost=found["lost"], forbidden=found["dup_forbidden"],
        copies=found["excused"], seconds=seconds, ledger=statuses(pg))  # fmt: skip
    assert statuses(pg) == {"submitted": 200}
    assert (found["lost"], found["dup_forbidden"], found["excused"]) == (0, 0, 0)


def tasks_posted(wanted: Settings, times: int) -> bool:
    """Every task of beat, posted by hand as often as that."""
    from celery import Celery

    app = Celery(broker=wanted.broker_url)
    with app.connection_for_write() as connection:
        for _ in range(times):
            for task, queue in (("tick", "upkeep"), ("sweep", "upkeep"), ("rank", "rank"), ("deliver", "deliver")):
                app.send_task(f"workers.tasks.{task}", queue=queue, connection=connection)
    app.close()
    return True


def test_it_finishes_the_mail_in_hand_on_sigterm(pg: Engine, tmp_path: Path, saw: Saw, broker: Redis) -> None:
    expected = fill(pg, 1_500)
    broker.start()
    with evil(tmp_path, "--mode", "slow", "--delay", ".05") as sink:
        wanted, log = quick(pg, tmp_path, sink, broker), tmp_path / "log"
        with running({"beat": ["beat"]}, wanted, log), log.open("ab") as output:
            first = started(["worker"], wanted, output)
            wait_until(lambda: taken(sink) > 60, 90)
            began = time.monotonic()
            first.terminate()
            code = first.wait(60)
            seconds, after = round(time.monotonic() - began, 1), statuses(pg)
            sink.start("--mode", "ok")
            with running({"worker": ["worker"]}, wanted, log):
                settle(pg, 60)
        found = sink.report(expected)
    journals = list((tmp_path / "var" / "journal").glob("*.journal"))
    saw("F20", seconds_to_end=seconds, exit_code=code, ledger_then=after, lost=found["lost"], forbidden=found["dup_forbidden"],
        copies=found["excused"], journals_left=len(journals))  # fmt: skip
    assert seconds <= 30
    assert after.get("claimed", 0) == 0
    assert statuses(pg) == {"submitted": 1_500}
    assert (found["lost"], found["dup_forbidden"], found["excused"]) == (0, 0, 0)


def test_it_mails_nobody_who_left_during_the_run(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    expected, port, leavers, dice = fill(pg, 2_500), free_port(), 120, random.Random(1)
    with evil(tmp_path, "--mode", "slow", "--delay", ".003") as sink:
        wanted, log = (
            settings(url_of(pg), tmp_path, sink, smtp_connections=4, public_url=f"http://127.0.0.1:{port}"),
            tmp_path / "log",
        )
        links = Install(wanted).links
        with pg.connect() as connection:
            last = connection.execute(select(subscribers.c.id, subscribers.c.email).order_by(subscribers.c.id)).all()
        ids = {row.email: row.id for row in last}
        answered: dict[str, float] = {}
        waits = []
        web = {"web": ["web", "--port", str(port), "--processes", "2"]}
        with running(web, wanted, log):
            wait_for(port, 60)
            with Senders(wanted, 2):
                wait_until(lambda: taken(sink) > 20, 60)
                while len(answered) < leavers and open_mails(pg):
                    got = sink.copies()
                    ahead = next(
                        (to for to in dice.sample(expected, len(expected)) if to not in got and to not in answered),
                        None,
                    )
                    if ahead is None:
                        break
                    began = time.monotonic()
                    assert (
                        post(
                            f"http://127.0.0.1:{port}/u/{links.unsubscribe(ids[ahead])}",
                            **{"List-Unsubscribe": "One-Click"},
                        )
                        == 200
                    )
                    answered[ahead] = time.time()
                    waits.append(time.monotonic() - began)
                settle(pg, 60)
        mails = {mail["rcpt"][0]: mail["t"] for mail in sink.events()}
        late = [mails[to] - at for to, at in answered.items() if to in mails and mails[to] > at]
        found = sink.report([to for to in expected if to not in answered])
    begun_after = [seconds for seconds in late if seconds > 0.05]  # all but the last reply of a mail takes 0.02 s there
    saw("F22", left=len(answered), of_them_mailed_before=sum(to in mails for to in answered) - len(begun_after),
        begun_after_the_answer=len(begun_after), latest_seconds=round(max(late, default=0), 3),
        slowest_answer_seconds=round(max(waits), 2), lost=found["lost"], ledger=statuses(pg))  # fmt: skip
    assert begun_after == []
    assert found["lost"] == 0
    assert statuses(pg).keys() <= {"submitted", "skipped"}
