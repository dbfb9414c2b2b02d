"""What one process of `digest bench pipeline` does: a stage of the day, from a database to a line of figures."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, select

from benchmarks import _crowd
from digest import outgoing, pipeline
from digest.db.tables import IS_DIGEST, IS_TRIABLE, deliveries
from digest.delivery import ledger
from digest.install import Install
from digest.settings import Settings, load
from digest.stage import StageReport
from digest.subscribers import transfer
from digest.subscribers.subscriber import Preferences
from digest.subscribers.tabular import read_lines

MIDNIGHT = datetime.combine(_crowd.DAY, clock_time(), UTC)
HOURS = 24  # from midnight UTC on: every zone has had one morning by then
LEG_SECONDS = 45.0  # what a task of a worker takes before it hands over to the next
TELL_SECONDS = 30.0
_told: dict[str, float] = {}


def main(stage: str, seconds: float) -> None:
    """Do one stage, for `seconds` at most where it ranks, renders or delivers, and print what it took as one line of JSON."""
    began, spent = time.monotonic(), time.process_time()
    rows = _RUN[stage](seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"rows": rows, "seconds": time.monotonic() - began, "cpu": time.process_time() - spent, "peak_mb": peak}
    print(json.dumps(figures))


@contextmanager
def _install(now: datetime) -> Iterator[Install]:
    install = Install(load(), lambda: now)
    try:
        yield install
    finally:
        install.close()


def _import(_seconds: float) -> int:
    with _install(MIDNIGHT) as install, _readers_file(install.settings).open("rb") as file:
        report = transfer.import_subscribers(
            install.engine,
            read_lines(file),
            MIDNIGHT,
            is_active=True,
            source="a measurement",
            base=Preferences(),
            progress=partial(_tell, "import"),
        )
    return report.added


def _readers_file(settings: Settings) -> Path:
    return settings.data_dir.with_name("readers.csv")


def _learn(_seconds: float) -> int:
    """Once a day, whatever the number of readers; its rows are the votes that are learned from."""
    with _install(MIDNIGHT) as install:
        return pipeline.learn(install).counts["likes"]


def _plan(_seconds: float) -> int:
    planned = 0
    for hour in range(1, HOURS + 1):
        with _install(MIDNIGHT + timedelta(hours=hour)) as install:
            planned += pipeline.plan(install).counts["planned"]
        _tell("plan", planned)
    return planned


def _rank(seconds: float) -> int:
    with _install(MIDNIGHT + timedelta(hours=HOURS)) as install:
        return _in_legs(partial(pipeline.rank, install), "frozen", seconds)


def _render(seconds: float) -> int:
    """Every waiting digest down to its bytes, without claiming or sending it."""
    made, end = 0, time.monotonic() + seconds
    with _install(MIDNIGHT + timedelta(hours=HOURS)) as install:
        for ids in _waiting(install.engine):
            claims = list(ledger.load_claims(install.engine, ids).values())
            make = outgoing.prepare(install, claims)
            made += sum(bool(make(claim).data) for claim in claims)
            _tell("render", made)
            if time.monotonic() >= end:
                break
    return made


def _waiting(engine: Engine) -> Iterator[list[int]]:
    last = 0
    while True:
        page = select(deliveries.c.id).where(IS_TRIABLE, IS_DIGEST, deliveries.c.id > last)
        with engine.connect() as connection:
            ids = list(connection.execute(page.order_by(deliveries.c.id).limit(pipeline.DELIVER_CHUNK)).scalars())
        if not ids:
            return
        yield ids
        last = ids[-1]


def _deliver(seconds: float) -> int:
    with _install(MIDNIGHT + timedelta(hours=HOURS)) as install:
        return _in_legs(partial(pipeline.deliver, install), "submitted", seconds)


def _in_legs(stage: Callable[..., StageReport], counted: str, seconds: float) -> int:
    """As workers do: a task ends after a while, and the next goes on. Returns how many in all."""
    done, end = 0, time.monotonic() + seconds
    while True:
        report = stage(seconds=min(LEG_SECONDS, end - time.monotonic()))
        if not report.ok or report.reason:
            raise SystemExit(f"{report.stage}: {report.reason}")
        done += report.counts[counted]
        _tell(report.stage, done)
        if report.is_finished or time.monotonic() >= end:
            return done


def _tell(stage: str, rows: int) -> None:
    """A line to the error output, twice a minute at most."""
    now = time.monotonic()
    if now - _told.get(stage, 0.0) >= TELL_SECONDS:
        _told[stage] = now
        print(f"    {datetime.now(UTC):%H:%M:%S} {stage}: {rows:,} rows", file=sys.stderr, flush=True)


_RUN: dict[str, Callable[[float], int]] = {
    "import": _import,
    "learn": _learn,
    "plan": _plan,
    "rank": _rank,
    "render": _render,
    "deliver": _deliver,
}
STAGES = tuple(_RUN)

if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
