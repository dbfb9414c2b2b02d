"""How many requests a second the website answers, and how long they take: wrk on loopback against gunicorn.

`digest bench web [--shared DIR] [--database URL] [--papers N] [--seconds S] [--processes P]` fills an empty database
with the recorded days of DIR (or DIGEST_SHARED), or without them with made-up papers of two years, starts the web
server as `digest web` does, and asks for the front page, another day, a search, a preview and the one-click
unsubscription, one after the other. A database that has papers is taken as it is.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select

from benchmarks._recorded import days as recorded_days
from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.db.tables import listings, papers, subscribers
from digest.papers import record
from digest.subscribers.signer import Signer
from digest.subscribers.tokens import Links

SECRET = "b" * 40
DAYS = 730
WARM_SECONDS = 4
READERS = 200
WORDS = [
    "video",
    "diffusion",
    "robot",
    "learning",
    "language",
    "model",
    "agent",
    "reasoning",
    "attention",
    "sparse",
    "training",
    "data",
    "retrieval",
    "vision",
    "speech",
    "protein",
    "graph",
    "policy",
    "reward",
    "alignment",
    "memory",
    "token",
    "planning",
    "code",
    "benchmark",
    "image",
    "generation",
    "scaling",
    "safety",
]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="digest bench web")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("DIGEST_SHARED", "../shared")))
    parser.add_argument(
        "--database", default="", help="sqlite:///PATH or postgresql+psycopg://...; a scratch SQLite file without it"
    )
    parser.add_argument("--papers", type=int, default=12_000, help="papers to make up where the database has none")
    parser.add_argument("--seconds", type=int, default=10, help="of load for each page")
    parser.add_argument("--processes", type=int, default=2, help="of the web server")
    parser.add_argument("--connections", type=int, default=16)
    asked = parser.parse_args(argv)
    if shutil.which("wrk") is None:
        print("wrk is not installed. On Debian: apt-get install wrk")
        return 1
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        url = asked.database or f"sqlite:///{folder}/bench.db"
        engine = make_engine(url)
        migrate(engine)
        stored = fill(engine, asked.shared / "payloads", asked.papers)
        asked_for = pages(_days(engine), one_click_links(engine))
        print(
            f"{url.split(':')[0]}: {stored} papers, {asked.processes} web processes, {asked.connections} connections, {asked.seconds} s each"
        )
        print(f"{'page':<20}{'requests/s':>12}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'failed':>9}")
        with serving(url, Path(folder), asked.processes) as port:
            for name, path, body in asked_for:
                print(line(name, measure(Path(folder), port, path, body, asked.seconds, asked.connections)), flush=True)
        engine.dispose()
    return 0


def pages(days: list[str], links: list[str]) -> list[tuple[str, list[str], str]]:
    """(name, paths taken in turn, body of a POST)."""
    searches = [f"/search?q={one}+{two}" for one in WORDS[:8] for two in WORDS[8:14]]
    previews = [
        f"/preview?topics={one}+{two},{three}" for one, two, three in zip(WORDS, WORDS[3:], WORDS[7:], strict=False)
    ]
    return [
        ("/", ["/"], ""),
        ("/papers/DATE", days, ""),
        ("/search", searches, ""),
        ("/preview", previews, ""),
        ("one-click POST", links, "List-Unsubscribe=One-Click"),
    ]


def fill(engine: Engine, payloads: Path, count: int) -> int:
    """Papers, unless there are some, and readers for the one-click links. Returns how many papers."""
    with engine.begin() as connection:
        if not _stored(connection):
            if payloads.is_dir():
                _add_recorded(connection, payloads)
            else:
                _add_made_up(connection, count)
        if not connection.execute(select(func.count()).select_from(subscribers)).scalar_one():
            now = datetime.now(UTC)
            connection.execute(subscribers.insert(), [_reader(number, now) for number in range(READERS)])
        return _stored(connection)


def _stored(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(papers)).scalar_one())


def _add_recorded(connection: Connection, payloads: Path) -> None:
    for on, raws in recorded_days(payloads):
        record.store(connection, "huggingface", raws, on, datetime.combine(on, clock_time(8), UTC))


def _add_made_up(connection: Connection, count: int) -> None:
    """Of two years up to today."""
    chance, now = random.Random(1), datetime.now(UTC)
    rows = [_paper(number, now - timedelta(days=DAYS * (1 - number / count)), chance) for number in range(1, count + 1)]
    for start in range(0, count, 500):
        connection.execute(papers.insert(), rows[start : start + 500])
    same = ("listed_on", "first_seen_at")
    places = [{"source": "huggingface", "paper_id": row["id"]} | {name: row[name] for name in same} for row in rows]
    connection.execute(listings.insert(), places)


def _days(engine: Engine) -> list[str]:
    """The pages of the days with papers."""
    with engine.connect() as connection:
        found = connection.execute(select(listings.c.listed_on).distinct().order_by(listings.c.listed_on)).scalars()
        return [f"/papers/{on}" for on in found]


def _paper(number: int, at: datetime, chance: random.Random) -> dict[str, object]:
    rare = [f"{chance.choice(WORDS)}{chance.randrange(3_000)}" for _ in range(140)]
    text = " ".join([*rare, *chance.choices(WORDS, k=10)])
    return {
        "id": number,
        "key": f"{at:%y%m}.{number:05}",
        "title": " ".join(chance.choices(WORDS, k=9)).capitalize(),
        "abstract": text,
        "authors": ["Ann Example", "Bob Sample"],
        "categories": ["cs.LG"],
        "keywords": chance.choices(WORDS, k=3),
        "published_on": at.date(),
        "listed_on": at.date(),
        "first_seen_at": at,
        "votes": chance.randrange(120),
        "comments": chance.randrange(5),
        "source": "huggingface",
    }


def _reader(number: int, at: datetime) -> dict[str, object]:
    email = f"reader{number}@example.org"
    lists: dict[str, object] = {"topics": [], "muted": [], "authors": [], "organisations": []}
    wishes = {"cadence": "daily", "hour": 7, "timezone": "UTC", "size": 10, "language": "en", "quiet": "skip"}
    return (
        {
            "email": email,
            "email_key": email,
            "limit_key": email,
            "status": "active",
            "created_at": at,
            "confirmed_at": at,
        }
        | lists
        | wishes
    )


def one_click_links(engine: Engine) -> list[str]:
    links = Links(Signer([SECRET.encode()]))
    with engine.connect() as connection:
        ids = connection.execute(select(subscribers.c.id).order_by(subscribers.c.id).limit(READERS)).scalars().all()
    return [f"/u/{links.unsubscribe(one)}" for one in ids]


@contextmanager
def serving(url: str, folder: Path, processes: int, **settings: str) -> Iterator[int]:
    """The web server as `digest web` starts it, on a free port; `settings` are more of its variables."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    own = {"DATABASE_URL": url, "SECRET_KEY": SECRET, "DATA_DIR": str(folder), "LOG_LEVEL": "WARNING", **settings}
    environment = {**os.environ, **{f"DIGEST_{name}": value for name, value in own.items()}}
    command = [sys.executable, "-m", "digest", "web", "--port", str(port), "--processes", str(processes)]
    server = subprocess.Popen(command, env=environment)
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(port: int, server: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError("the web server did not start")


def measure(folder: Path, port: int, paths: list[str], body: str, seconds: int, connections: int) -> dict[str, float]:
    """Load for so long, once it is warm; requests a second, milliseconds at three percentiles, failures."""
    script = folder / "load.lua"
    script.write_text(_script(paths, body), encoding="utf-8")
    where = ["-t", "2", "-c", str(connections), "-s", str(script), f"http://127.0.0.1:{port}"]
    subprocess.run(["wrk", "-d", f"{WARM_SECONDS}s", *where], check=True, capture_output=True)
    said = subprocess.run(["wrk", "-d", f"{seconds}s", *where], check=True, capture_output=True, text=True).stdout
    return {name: float(value) for name, value in re.findall(r"^(\w+)=([\d.]+)$", said, re.MULTILINE)}


def _script(paths: list[str], body: str) -> str:
    """wrk's own language: each thread walks through the paths."""
    listed = ", ".join(f'"{path}"' for path in paths)
    post = (
        f'wrk.method = "POST"\nwrk.body = "{body}"\nwrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
        if body
        else ""
    )
    return f"""{post}local paths = {{{listed}}}
local at = math.random(#paths)
request = function() at = at % #paths + 1; return wrk.format(nil, paths[at]) end
done = function(summary, latency, requests)
  print(string.format("rate=%.1f", summary.requests / summary.duration * 1e6))
  for name, share in pairs({{p50=50, p95=95, p99=99}}) do print(string.format("%s=%.1f", name, latency:percentile(share) / 1000)) end
  print(string.format("failed=%d", summary.errors.status + summary.errors.timeout + summary.errors.connect))
end
"""


def line(name: str, figures: dict[str, float]) -> str:
    return f"{name:<20}{figures['rate']:>12.0f}{figures['p50']:>10.1f}{figures['p95']:>10.1f}{figures['p99']:>10.1f}{figures['failed']:>9.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
