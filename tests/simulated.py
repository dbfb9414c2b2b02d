"""Weeks of the whole product, hour by hour: readers of every kind, a mail server that counts, and what must be true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiosmtpd.controller import Controller
from sqlalchemy import Engine, func, select

from digest import pipeline
from digest.db.tables import deliveries, editions, papers, subscribers
from digest.delivery import tally
from digest.install import Install
from digest.settings import Settings
from digest.subscribers import lifecycle
from digest.subscribers.address import parse
from digest.subscribers.schedule import is_due_on, slot_at
from digest.subscribers.subscriber import Cadence, Preferences, Quiet
from digest.subscribers.tokens import ConfirmLink
from tests.conftest import free_port, shared_dir, wait_for

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Pacific/Auckland",
    "Pacific/Kiritimati",
    "Pacific/Honolulu",
    "Africa/Cairo",
)
TOPICS: tuple[tuple[str, ...], ...] = (
    (),
    ("reinforcement learning",),
    ("video diffusion", "3d generation"),
    ("language models",),
    ("robotics",),
)
STEP = timedelta(hours=1)
MESSAGE_ID = re.compile(rb"^Message-ID:\s*<([^>]+)>", re.I | re.M)


@dataclass(frozen=True)
class Reader:
    """A reader as they are in the simulation. `paused`: from which instant, and before which local date."""

    id: int
    email: str
    preferences: Preferences
    confirmed_at: datetime
    paused: tuple[datetime, date] | None = None

    def due_dates(self, until: datetime) -> set[date]:
        """Every local date that must be told of: the day of confirmation, and each due day whose hour has come."""
        wanted, zone = self.preferences, ZoneInfo(self.preferences.timezone)
        first = self.confirmed_at.astimezone(zone).date()
        days = (first + timedelta(days=n) for n in range(1, (until.astimezone(zone).date() - first).days + 1))
        return {first} | {
            day
            for day in days
            if is_due_on(wanted.cadence, day) and slot_at(day, wanted.hour, wanted.timezone) <= until
        }

    def is_paused_on(self, day: date) -> bool:
        """Whether that day's hour came after they paused, where a run comes every STEP: the last one before saw none."""
        if self.paused is None:
            return False
        at, until = self.paused
        return day < until and slot_at(day, self.preferences.hour, self.preferences.timezone) > at - STEP


@contextmanager
def replay() -> Iterator[str]:
    """The recorded sources on loopback; skips where there are none."""
    program, port = shared_dir("replay") / "replay_sources.py", free_port()
    server = subprocess.Popen([sys.executable, str(program), "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def move(replay_url: str, today: date) -> None:
    """Let the recorded sources believe that it is that day."""
    request = urllib.request.Request(f"{replay_url}/__today/{today}", method="POST")
    urllib.request.urlopen(request, timeout=10).close()


@dataclass
class Sink:
    """A mail server that takes everything: (recipient, message id) -> how often."""

    port: int
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)
    raw: dict[tuple[str, str], bytes] = field(default_factory=dict)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        found = MESSAGE_ID.search(envelope.content)
        key = (envelope.rcpt_tos[0], found[1].decode() if found else "")
        self.taken[key] += 1
        self.raw[key] = envelope.content
        return "250 2.0.0 taken"


@contextmanager
def sink() -> Iterator[Sink]:
    taken = Sink(free_port())
    controller = Controller(taken, hostname="127.0.0.1", port=taken.port, ready_timeout=20)
    controller.start()
    try:
        yield taken
    finally:
        controller.stop()


def settings(database_url: str, folder: Path, hf_url: str, smtp_port: int, **values: Any) -> Settings:
    wanted = {
        "database_url": database_url,
        "data_dir": folder,
        "hf_url": hf_url,
        "arxiv_api_url": f"{hf_url}/api/query",
        "arxiv_feed_url": hf_url,
        "arxiv_oai_url": f"{hf_url}/oai",
        "smtp_port": smtp_port,
        "smtp_connections": 4,
        "public_url": "https://digest.example.org",
        "mail_from": "Digest <digest@digest.example.org>",
        "secret_key": "a key of the simulation, 32 characters and more",
    }
    return Settings(**wanted | values)


def write_papers(path: Path, days: list[date], votes: int = 5) -> None:
    """A file of five papers a day for the source `file`."""
    lines = [
        {
            "id": f"2606.{day:%d}{n:03}",
            "title": f"Paper {n} of {day:%d %B} on robots",
            "abstract": f"We test method {n}. " * 20,
            "listed_on": str(day),
            "votes": votes,
        }
        for day in days
        for n in range(5)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def wishes(number: int) -> Preferences:
    """The preferences of the n-th reader: every cadence, zone and topic comes with every other in the long run."""
    return Preferences(
        topics=TOPICS[number % len(TOPICS)],
        muted=("benchmark",) if number % 11 == 0 else (),
        cadence=tuple(Cadence)[number // 12 % 3],
        hour=number * 7 % 24,
        timezone=ZONES[number % 12],
        size=(10, 5, 30)[number % 3],
        language=("en", "de")[number % 2],
        quiet=Quiet.TELL if number % 9 == 4 else Quiet.SKIP,
    )


def add_readers(engine: Engine, count: int, now: datetime) -> list[Reader]:
    """Readers who asked and confirmed at `now`, by the same steps as on the web."""
    readers = []
    for number in range(count):
        email, wanted = f"reader{number}@example.org", wishes(number)
        with engine.begin() as connection:
            lifecycle.subscribe(connection, parse(email), wanted, now, wording="simulated")
            id = connection.execute(select(subscribers.c.id).where(subscribers.c.email == email)).scalar_one()
            lifecycle.confirm(connection, ConfirmLink(id, 0, now), now, wording="simulated")
        readers.append(Reader(id, email, wanted, now))
    return readers


def pause(engine: Engine, reader: Reader, now: datetime, until: date) -> Reader:
    with engine.begin() as connection:
        lifecycle.pause(connection, reader.id, until, now)
    return replace(reader, paused=(now, until))


class Ticking:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def drive(install: Install, clock: Ticking, until: datetime, on_hour: Callable[[datetime], None]) -> None:
    """One cycle of `digest run` each hour, up to and with `until`; after each the ledger closes, by date and in all."""
    while clock.at <= until:
        on_hour(clock.at)
        reports = pipeline.run(install)
        failed = [str(one) for one in reports if not one.ok]
        assert not failed, (clock.at, failed)
        for day in (None, clock.at.date()):
            assert tally.totals(install.engine, day).closes, (clock.at, day)
        clock.at += STEP


# --- what must be true afterwards -------------------------------------------------------------------------------------


def faults(
    engine: Engine,
    readers: list[Reader],
    until: datetime,
    taken: Counter[tuple[str, str]],
    at_most_until: datetime | None = None,
) -> list[str]:
    """Everything that is not as promised, in words; empty when all is well.

    Days up to `until` must be told of, days after `at_most_until` must not be (default: the same instant).
    """
    with engine.connect() as connection:
        rows = connection.execute(select(deliveries).order_by(deliveries.c.id)).all()
        frozen = connection.execute(select(editions).order_by(editions.c.delivery_id)).all()
        seen_at = list(connection.execute(select(papers.c.id, papers.c.first_seen_at)))
    return [
        *_wrong_dates(readers, rows, until, at_most_until or until),
        *_doubled_papers(rows, frozen),
        *_skips_with_candidates(rows, frozen, seen_at),
        *_mails_that_differ(readers, rows, taken),
    ]


def _wrong_dates(readers: list[Reader], rows: Any, until: datetime, at_most_until: datetime) -> list[str]:
    found = []
    by_reader: dict[int, dict[date, Any]] = defaultdict(dict)
    for row in rows:
        if row.dated_on is not None:
            by_reader[row.subscriber_id][row.dated_on] = row
    for reader in readers:
        has, wants = by_reader[reader.id], reader.due_dates(until)
        found += [f"{reader.email}: nothing for {day}" for day in sorted(wants - has.keys())]
        found += [f"{reader.email}: {day} was not due" for day in sorted(has.keys() - reader.due_dates(at_most_until))]
        for day in sorted(wants & has.keys()):
            found += _wrong_day(reader, day, has[day])
    return found


def _wrong_day(reader: Reader, day: date, row: Any) -> list[str]:
    if row.status not in ("submitted", "skipped"):
        return [f"{reader.email}: {day} is {row.status} ({row.reason})"]
    if row.status == "skipped" and not row.reason:
        return [f"{reader.email}: {day} was skipped without a reason"]
    if (row.reason == "paused by the reader") != reader.is_paused_on(day):
        return [f"{reader.email}: {day} {row.status} {row.reason}, paused {reader.paused}"]
    return []


def _doubled_papers(rows: Any, frozen: Any) -> list[str]:
    sent = {row.id for row in rows if row.status in ("submitted", "uncertain")}
    counts = Counter(
        (edition.subscriber_id, pick[0]) for edition in frozen if edition.delivery_id in sent for pick in edition.picks
    )
    return [f"reader {who} got paper {paper} {n} times" for (who, paper), n in counts.items() if n > 1]


def _skips_with_candidates(rows: Any, frozen: Any, seen_at: list[Any]) -> list[str]:
    """A quiet day although papers had come in since the last edition."""
    found = []
    last: dict[int, datetime] = {}
    frozen_at = {edition.delivery_id: edition.frozen_at for edition in frozen}
    for row in rows:
        if row.dated_on is None:
            continue
        if row.id in frozen_at:
            last[row.subscriber_id] = frozen_at[row.id]
        elif row.reason and row.reason.split(":")[0] in ("weekend", "nothing_new", "holiday", "source_down"):
            since = last.get(row.subscriber_id, row.planned_at - timedelta(days=7))
            new = sum(since < at <= row.planned_at for _, at in seen_at)
            found += [f"reader {row.subscriber_id}: {row.dated_on} {row.reason} with {new} new papers"] if new else []
    return found


def _mails_that_differ(readers: list[Reader], rows: Any, taken: Counter[tuple[str, str]]) -> list[str]:
    """Mails that the server took against rows that say so: each once, and no other."""
    email = {reader.id: reader.email for reader in readers}
    said = Counter(email[row.subscriber_id] for row in rows if row.status == "submitted")
    got = Counter(to for to, _ in taken.elements())
    found = [f"{to}: {said[to]} rows submitted, {got[to]} mails taken" for to in said | got if said[to] != got[to]]
    return found + [f"{to} got {name} {n} times" for (to, name), n in taken.items() if n > 1]


def figures(engine: Engine, taken: Counter[tuple[str, str]]) -> str:
    """How many mails the server took, and digests by state and reason."""
    is_digest = deliveries.c.mail == "digest"
    with engine.connect() as connection:
        rows = connection.execute(
            select(is_digest, deliveries.c.status, deliveries.c.reason, func.count())
            .group_by(is_digest, deliveries.c.status, deliveries.c.reason)
            .order_by(func.count().desc())
        ).all()
    counts = [f"{n} {reason or status}" for digest, status, reason, n in rows if digest]
    return f"{taken.total()} mails taken; digests: {', '.join(counts)}"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
