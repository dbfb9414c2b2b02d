"""One whole day with everything switched on: PostgreSQL, Redis, beat, four workers, web and a mail sink, on a fast clock.

Ends with the report of the ledger, doctor's examination and the metrics, and fails where they do not agree.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from benchmarks import _crowd
from benchmarks._services import HOST, free_port, postgresql, sink, started
from benchmarks.pipeline import MIDNIGHT, ROOT, _crowd_papers, _environment
from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.db.tables import IS_DIGEST, deliveries
from digest.delivery import tally
from digest.subscribers import transfer
from digest.subscribers.subscriber import Preferences

WORKERS = ("ingest,upkeep", "rank", "render,deliver", "render,deliver")
HOURS = 25.0  # simulated; every zone has had its morning by then


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="digest bench day", description=__doc__)
    parser.add_argument("--subscribers", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=600.0, help="simulated seconds in one real second")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digest-day-")))
        database, mails = stack.enter_context(postgresql()), stack.enter_context(sink())
        web_port, redis_port = free_port(), free_port()
        engine = make_engine(database.url)
        stack.callback(engine.dispose)
        migrate(engine)
        _crowd_papers(engine, folder, database.url)
        _import(engine, options.subscribers)
        environment = _environment(database.url, folder, mails.port) | {
            "DIGEST_BROKER_URL": f"redis://{HOST}:{redis_port}/0",
            "DIGEST_CLOCK": f"{MIDNIGHT:%Y-%m-%dT%H:%M:%SZ}@{options.rate:g}",
        }
        redis = shutil.which("redis-server") or "redis-server"
        stack.enter_context(started([redis, "--port", str(redis_port), "--bind", HOST, "--save", ""], redis_port))
        stack.enter_context(_running(["web", "--port", str(web_port)], environment))
        with ExitStack() as shift:
            for queues in WORKERS:
                shift.enter_context(_running(["worker", "--queues", queues], environment))
            shift.enter_context(_running(["beat"], environment))
            _watch(engine, options)
            examination = _digest(["doctor", "--json"], environment)
        return _judged(engine, options, examination, _metrics(web_port))


def _import(engine: Engine, number: int) -> None:
    lines = _crowd.csv_lines(number)
    wanted = Preferences()
    transfer.import_subscribers(engine, lines, MIDNIGHT, is_active=True, source="a measurement", base=wanted)


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[None]:
    with Path(environment["DIGEST_PAPERS_FILE"]).with_name(f"{command[0]}.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "digest", *command], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(90)


def _digest(command: Sequence[str], environment: Mapping[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "digest", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout)


def _watch(engine: Engine, options: argparse.Namespace) -> None:
    """Until the simulated day is over and nothing waits; one line each simulated hour or so."""
    began, end = time.monotonic(), HOURS * 3600 / options.rate
    while (spent := time.monotonic() - began) < end + 600:
        totals = tally.totals(engine)
        done = totals.submitted + totals.skipped + totals.refused + totals.uncertain
        print(
            f"{spent:6.0f} s  {totals.planned:>7} planned {done:>7} done {totals.waiting + totals.deferred:>7} to go",
            flush=True,
        )
        if spent > end and totals.planned >= options.subscribers and not totals.waiting + totals.deferred:
            return
        time.sleep(max(2.0, end / 25))


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def _judged(engine: Engine, options: argparse.Namespace, examination: Any, metrics: str) -> int:
    days = [_crowd.DAY + timedelta(days=n) for n in range(-1, 3)]
    totals = {day: tally.totals(engine, day) for day in days}
    told = {
        status: float(count)
        for status, count in re.findall(r'digest_mails\{mail="digest",status="(\w+)"\} ([\d.]+)', metrics)
    }
    bad = [check for check in examination["checks"] if check["grade"] == "fail"]
    verdicts = {
        "the report closes for every date": all(one.closes for one in totals.values()),
        "nothing is left waiting": not any(one.waiting + one.deferred for one in totals.values()),
        "every subscriber has a row": _readers(engine) == options.subscribers,
        "doctor finds nothing failed": not bad,
        "metrics tell what the ledger tells": told in [_by_status(engine, day) for day in days],
    }
    for day, one in totals.items():
        print(
            f"{day}: {one.planned} planned = {one.submitted} submitted + {one.skipped} skipped + {one.refused} refused + {one.uncertain} uncertain"
        )
    for said, is_true in verdicts.items():
        print(f"{'yes' if is_true else 'NO '} {said}")
    for check in bad:
        print(f"    doctor: {check['name']}: {check['said']}")
    return 0 if all(verdicts.values()) else 1


def _readers(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(
            connection.execute(select(func.count(deliveries.c.subscriber_id.distinct())).where(IS_DIGEST)).scalar_one()
        )


def _by_status(engine: Engine, day: date) -> dict[str, float]:
    query = select(deliveries.c.status, func.count()).where(IS_DIGEST, deliveries.c.dated_on == day)
    with engine.connect() as connection:
        return {status: float(count) for status, count in connection.execute(query.group_by(deliveries.c.status))}
