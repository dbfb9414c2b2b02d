"""What ends its worker, what cannot be made, clocks that jump, keys that change, and how much memory a day takes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dkim
import pytest
from sqlalchemy import Engine, func, select, update

from digest import pipeline
from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.db.tables import deliveries, editions, papers, subscribers
from digest.delivery import ledger, tally
from digest.delivery.dkim import load_keys
from digest.install import Install
from digest.rendering.sheet import Sheet
from digest.subscribers import lifecycle
from digest.web.app import create_app
from tests.faults.conftest import Saw, url_of
from tests.faults.stand import (
    ROOT,
    SECRET,
    Senders,
    due_now,
    environment,
    evil,
    fill,
    open_mails,
    planned_readers,
    settings,
    statuses,
    wait_until,
)
from tests.integration.delivery.test_signing import pem
from tests.simulated import Ticking

pytestmark = pytest.mark.faults


def reader_number(engine: Engine, number: int) -> int:
    with engine.connect() as connection:
        found = connection.execute(select(subscribers.c.id).where(subscribers.c.email == f"reader{number}@example.org"))
        return int(found.scalar_one())


def reason_of(engine: Engine, reader: int) -> tuple[str, str, int]:
    with engine.connect() as connection:
        row = connection.execute(select(deliveries).where(deliveries.c.subscriber_id == reader)).one()
    return row.status, row.reason or "", row.crashes


@pytest.mark.parametrize("stage", ["rank", "render", "send"])
def test_it_parks_a_reader_that_ends_every_worker(pg: Engine, tmp_path: Path, saw: Saw, stage: str) -> None:
    expected = planned_readers(pg, 300) if stage == "rank" else fill(pg, 300)
    poison = reader_number(pg, 150)
    with evil(tmp_path, "--mode", "ok") as sink:
        wanted = settings(url_of(pg), tmp_path, sink, smtp_connections=4)
        if stage == "rank":
            planner = Install(wanted)
            pipeline.plan(planner)
            planner.close()
        with Senders(wanted, 2, **{stage: poison}) as senders:
            end = time.monotonic() + 90
            while open_mails(pg) and time.monotonic() < end:
                senders.replace_the_dead()
                due_now(pg)
                time.sleep(0.3)
            senders.replace_the_dead()  # the other one may have settled everything before the last death was seen
            deaths = senders.deaths
        found = sink.report([to for to in expected if to != "reader150@example.org"])
    status, reason, crashes = reason_of(pg, poison)
    saw("F2", f"a reader that ends the process in {stage}", deaths=deaths, its_row=f"{status} ({reason})", others_lost=found["lost"],
        forbidden=found["dup_forbidden"], excused=found["excused"])  # fmt: skip
    assert (status, crashes, reason.startswith("parked")) == ("skipped", 3, True)
    assert (found["lost"], found["dup_forbidden"], found["unexpected"]) == (0, 0, 0)
    assert found["dup_excused_same_bytes"] == found["excused"] <= 3
    assert deaths == 3


def test_it_leaves_out_a_paper_and_a_reader_that_cannot_be_made(
    pg: Engine, tmp_path: Path, saw: Saw, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fill(pg, 100, paper_count=5)
    whole = Sheet.add

    def spoilt(self: Sheet, given: Any, languages: Any) -> Any:
        given = list(given)
        if any(paper.key == "2606.00003" for paper in given):
            raise ValueError("this paper cannot be rendered")
        return whole(self, given, languages)

    monkeypatch.setattr(Sheet, "add", spoilt)
    with pg.begin() as connection:
        connection.execute(
            update(subscribers)
            .where(subscribers.c.email == "reader7@example.org")
            .values(email="a\r\nBcc: b@example.org")
        )
    with evil(tmp_path, "--mode", "ok", "--store", str(tmp_path)) as sink:
        install = Install(settings(url_of(pg), tmp_path, sink, smtp_connections=4))
        pipeline.deliver(install)
        install.close()
        found = sink.report([to for to in expected if to != "reader7@example.org"])
    mails = [path.read_bytes() for path in tmp_path.glob("*.eml")]
    with_it = sum(b"2606.00003" in mail for mail in mails)
    saw("F19", lost=found["lost"], mails=len(mails), with_the_poison_paper=with_it, ledger=statuses(pg))
    assert (found["lost"], found["unexpected"], with_it) == (0, 0, 0)
    assert statuses(pg) == {"submitted": 99, "skipped": 1}


def test_it_survives_clocks_that_jump(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    expected = planned_readers(pg, 120)
    clock = Ticking(datetime.now(UTC))
    right = clock.at
    taken_over = []
    with evil(tmp_path, "--mode", "ok") as sink:
        wanted = settings(url_of(pg), tmp_path, sink, smtp_connections=2)
        install, other = Install(wanted, clock=clock), Install(wanted, clock=clock)
        for jump in (timedelta(), timedelta(hours=2), timedelta(hours=-2), timedelta(days=-1), timedelta()):
            clock.at = right + jump
            pipeline.plan(install)
            pipeline.rank(install)
            held = {claim.id for claim in ledger.claim(pg, install.journal.name, clock.at, 20)}
            clock.at += timedelta(hours=2)  # to another worker these leases are long over
            pipeline.sweep(other)
            with pg.connect() as connection:
                mine = connection.execute(
                    select(func.count()).select_from(deliveries).where(deliveries.c.worker == install.journal.name)
                ).scalar_one()
            taken_over.append(len(held) - mine)
            ledger.release(pg, install.journal.name)
            clock.at = right + jump
            pipeline.deliver(install)
        clock.at = right
        due_now(pg)
        pipeline.deliver(install)
        install.close()
        other.close()
        found = sink.report(expected)
    saw("F14", "+2 h, -2 h, -1 day", lost=found["lost"], forbidden=found["dup_forbidden"], copies=found["excused"],
        leases_taken_over=sum(taken_over), ledger=statuses(pg))  # fmt: skip
    assert taken_over == [0] * 5
    assert statuses(pg) == {"submitted": 120}
    assert (found["lost"], found["dup_forbidden"], found["excused"]) == (0, 0, 0)


def test_it_mails_nobody_who_was_erased_while_claimed(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    expected = fill(pg, 400)
    gone = [f"reader{n}@example.org" for n in range(380, 400)]
    with evil(tmp_path, "--mode", "slow", "--delay", ".01") as sink:
        install = Install(settings(url_of(pg), tmp_path, sink, smtp_connections=2))
        run = threading.Thread(target=pipeline.deliver, args=(install,))
        run.start()
        wait_until(lambda: len(sink.events()) > 20, 60)
        with pg.begin() as connection:
            for email in gone:
                id = connection.execute(select(subscribers.c.id).where(subscribers.c.email == email)).scalar_one()
                lifecycle.forget(connection, id, datetime.now(UTC))
        run.join(60)
        install.close()
        found = sink.report([to for to in expected if to not in gone])
    with pg.connect() as connection:
        nameless = select(deliveries.c.id).where(deliveries.c.subscriber_id.is_(None))
        left = connection.execute(
            select(func.count()).select_from(editions).where(editions.c.delivery_id.in_(nameless))
        )
        kept = left.scalar_one()
    saw("F22", "20 readers erased", mails_to_them=found["unexpected"], editions_of_theirs=kept, lost=found["lost"],
        ledger=statuses(pg), closes=tally.totals(pg).closes)  # fmt: skip
    assert (found["unexpected"], found["lost"], kept) == (0, 0, 0)
    assert tally.totals(pg).closes


def test_it_honours_old_links_and_signs_all_mail_over_a_change_of_keys(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    expected, keys = fill(pg, 200), pem()
    url = url_of(pg)
    signing = {"dkim_key": keys, "smtp_connections": 2}
    with evil(tmp_path, "--mode", "slow", "--delay", ".005", "--store", str(tmp_path)) as sink:
        old = settings(url, tmp_path, sink, dkim_selector="a,b", **signing)
        with Senders(old, 1):
            wait_until(lambda: len(sink.events()) > 50, 60)
        before = len(sink.events())
        new = settings(
            url,
            tmp_path,
            sink,
            dkim_selector="c,d",
            secret_key="the next key, of 32 characters and more",
            secret_keys_old=(SECRET,),
            **signing,
        )
        with Senders(new, 1):
            wait_until(lambda: not open_mails(pg), 60)
        found, first, last = sink.report(expected), sink.events()[0], sink.events()[-1]
    records = {key.dns_name(): key.dns_record() for key in load_keys("digest.example.org", ["a", "b"], keys)}
    records |= {key.dns_name(): key.dns_record() for key in load_keys("digest.example.org", ["c", "d"], keys)}
    mails = [path.read_bytes() for path in tmp_path.glob("*.eml")]
    verified = sum(
        dkim.DKIM(mail).verify(idx=index, dnsfunc=lambda name, timeout=5: records[name.decode().rstrip(".")].encode())
        for mail in mails
        for index in range(2)
    )
    web = create_app(new, pg).test_client()
    answers = [_leave(web, mail["unsub"]) for mail in (first, last)]
    with pg.connect() as connection:
        left = connection.execute(
            select(func.count()).select_from(subscribers).where(subscribers.c.status != "active")
        ).scalar_one()
    saw("F23", mails_by_old_and_new_keys=f"{before} and {len(mails) - before}", signatures_verified=verified, of=2 * len(mails),
        links_of_both=answers, readers_who_left=left, lost=found["lost"], copies=found["excused"])  # fmt: skip
    assert verified == 2 * len(mails) == 400
    assert (answers, left, found["lost"]) == ([200, 200], 2, 0)


def _leave(web: Any, header: str) -> int:
    path = re.search(r"https://[^/]+(/u/[^>\s]+)", header)
    assert path
    return int(web.post(path[1], data={"List-Unsubscribe": "One-Click"}).status_code)


# `digest`, which says its own peak at the end: that of wait4 counts what the process was a fork of.
MEASURED = """
import atexit
from pathlib import Path
from digest.cli import main
atexit.register(lambda: print(Path("/proc/self/status").read_text(), flush=True))
main(prog_name="digest")
"""


def test_it_stays_small_on_a_day_of_monsters(tmp_path: Path, saw: Saw) -> None:
    """1,000 papers, 20 of them with a megabyte of title, for 5,000 readers: one process does the whole cycle."""
    url = f"sqlite:///{tmp_path}/digest.db"
    engine = make_engine(url)
    migrate(engine)
    expected = fill(engine, 5_000)
    now, listed = datetime.now(UTC), tmp_path / "papers.jsonl"
    with engine.begin() as connection:
        for table in (editions, deliveries, papers):
            connection.execute(table.delete())
        due = {"due_at": now - timedelta(minutes=1), "planned_to_on": now.date() - timedelta(days=1), "hour": now.hour}
        connection.execute(update(subscribers).values(due))
    with listed.open("w") as lines:
        for n in range(1_000):
            title = "a very long title " * 55_000 if n % 50 == 0 else f"The paper number {n} on robots and language"
            abstract = f"We describe method {n}, test it on {n % 7} data sets and report where it helps. " * 12
            lines.write(
                json.dumps({"id": f"2606.{n:05}", "title": title, "abstract": abstract, "listed_on": str(now.date())})
                + "\n"
            )
    with evil(tmp_path, "--mode", "ok") as sink:
        wanted = settings(url, tmp_path, sink, sources=("file",), papers_file=listed, log_level="ERROR")
        with (tmp_path / "log").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", MEASURED, "run"], env=environment(wanted), cwd=ROOT, stdout=output, stderr=output
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        found = sink.report(expected)
    peak = re.search(r"VmHWM:\s+(\d+) kB", (tmp_path / "log").read_text())
    assert peak
    megabytes = round(int(peak[1]) / 1024)
    saw("F26", megabytes=megabytes, lost=found["lost"], forbidden=found["dup_forbidden"], ledger=statuses(engine),
        cpu_seconds=round(usage.ru_utime + usage.ru_stime))  # fmt: skip
    engine.dispose()
    assert (found["lost"], found["dup_forbidden"]) == (0, 0)
    assert megabytes <= 300
