"""Cost of each stage of a day and how it grows: import, learn, plan, rank, render, deliver, for N subscribers.

Each stage runs in processes of its own, as with workers, so that its memory is its own. CPU-ms a subscriber and peak
memory are the figures to compare; seconds and rows a second change with whoever else uses the machine. With a database
that is kept (--database URL) a long run can be stopped and taken up again: --stages names what is still to do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, literal, make_url, select, text, update

from benchmarks import _crowd, _picture
from benchmarks._services import HOST, Service, postgresql, sink
from benchmarks._stages import MIDNIGHT, STAGES
from digest.db.engine import insert, make_engine
from digest.db.schema import migrate
from digest.db.tables import papers, subscribers, votes
from digest.papers.ingest import ingest
from digest.settings import Settings

ROOT = Path(__file__).parents[1]
SEVERAL = ("rank", "render", "deliver")  # may run in several processes at once


@dataclass(frozen=True)
class Figure:
    """One stage at one size. `peak_mb` is summed over its processes; `database_cpu_ms` is None for a server not ours."""

    database: str
    subscribers: int
    stage: str
    rows: int
    seconds: float
    cpu_ms: float
    database_cpu_ms: float | None
    peak_mb: float

    def line(self) -> str:
        rate = self.rows / self.seconds if self.seconds else 0.0
        theirs = "      -" if self.database_cpu_ms is None else f"{self.database_cpu_ms:7.3f}"
        return (
            f"{self.database:<10} {self.subscribers:>9,} {self.stage:<8} {self.rows:>9,} {self.seconds:>9.1f} "
            f"{rate:>9,.0f} {self.cpu_ms:>9.3f} {theirs} {self.peak_mb:>8.0f}"
        )


HEAD = (
    f"{'database':<10} {'readers':>9} {'stage':<8} {'rows':>9} {'seconds':>9} {'rows/s':>9} {'CPU ms':>9} {'DB ms':>7} "
    f"{'peak MB':>8}"
)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    if options.picture:
        lines = Path(options.out).read_text(encoding="utf-8").splitlines()
        Path(options.picture).write_text(_picture.draw([json.loads(line) for line in lines]), encoding="utf-8")
        return 0
    print(HEAD, flush=True)
    for number in options.subscribers:
        for figure in _day(number, options):
            print(figure.line(), flush=True)
            if options.out:
                with Path(options.out).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(figure)) + "\n")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="digest bench pipeline", description=__doc__)
    parser.add_argument("--subscribers", type=int, nargs="+", default=[1_000], metavar="N")
    parser.add_argument("--database", default="postgresql", help="postgresql (a private server), sqlite, or a URL")
    parser.add_argument("--workers", type=int, default=1, help="processes for rank, render and deliver")
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="longest time to rank, to render and to deliver, each"
    )
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--folder", type=Path, help="where databases are put; the usual temporary folder without")
    parser.add_argument("--out", help="append the figures to this file as JSON lines")
    parser.add_argument("--picture", help="draw the figures of --out into this SVG file and leave")
    options = parser.parse_args(arguments)
    options.stages = [stage for stage in STAGES if stage in options.stages]
    if options.stages[0] != "import" and "://" not in options.database:
        parser.error(
            "a database of its own starts empty: begin with import, or name one that is filled with --database"
        )
    return options


def _day(number: int, options: argparse.Namespace) -> Iterator[Figure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digest-bench-", dir=options.folder)))
        name, service = stack.enter_context(_database(options, folder))
        environment = _environment(service.url, folder, stack.enter_context(sink()).port)
        engine = make_engine(service.url)
        migrate(engine)
        _crowd_papers(engine, folder, service.url)
        with (folder / "readers.csv").open("w", encoding="utf-8") as file:
            file.writelines(_crowd.csv_lines(number))
        for stage in options.stages:
            workers = options.workers if stage in SEVERAL else 1
            before = service.cpu_seconds()
            said = _run_stage(stage, workers, options.minutes, environment)
            after = service.cpu_seconds()
            rows = max(sum(one["rows"] for one in said), 1)
            yield Figure(
                name,
                number,
                stage,
                rows,
                max(one["seconds"] for one in said),
                sum(one["cpu"] for one in said) * 1000 / rows,
                None if before is None or after is None else (after - before) * 1000 / rows,
                sum(one["peak_mb"] for one in said),
            )
            if stage != options.stages[-1]:
                _settle(engine, stage)
        engine.dispose()


@contextmanager
def _database(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Service]]:
    if options.database == "sqlite":
        yield "sqlite", Service(f"sqlite:///{folder}/digest.db", 0)
    elif options.database == "postgresql":
        with postgresql(options.folder) as service:
            yield "postgresql", service
    else:
        yield (
            options.database.partition(":")[0].partition("+")[0],
            Service(options.database, 0, _server_of(options.database)),
        )


def _server_of(url: str) -> int | None:
    """The process of a PostgreSQL on this machine, whose time is counted with all its databases; None for others."""
    if make_url(url).get_backend_name() != "postgresql" or make_url(url).host not in (HOST, "localhost"):
        return None
    engine = make_engine(url)
    with engine.connect() as connection:
        pid = connection.execute(text("SELECT pg_read_file('postmaster.pid')")).scalar_one()
    engine.dispose()
    return int(pid.split()[0])


def _environment(url: str, folder: Path, port: int) -> dict[str, str]:
    own = {
        "DATABASE_URL": url,
        "DATA_DIR": str(folder / "data"),
        "SECRET_KEY": "a key for measuring that signs nothing of worth",
        "PUBLIC_URL": "https://digest.example.org",
        "MAIL_FROM": "Digest <digest@example.org>",
        "SMTP_PORT": str(port),
        "SMTP_SECURITY": "none",
        "SOURCES": "file",
        "PAPERS_FILE": str(folder / "papers.jsonl"),
        "LOG_LEVEL": "WARNING",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    return kept | {f"DIGEST_{name}": value for name, value in own.items()}


def _crowd_papers(engine: Engine, folder: Path, url: str) -> None:
    """Papers of past weeks to learn from, and those of the day, seen at its midnight."""
    days, _ = _crowd.write_papers(folder / "papers.jsonl")
    settings = Settings(database_url=url, sources=("file",), papers_file=folder / "papers.jsonl")
    ingest(engine, settings, "file", days[:-1], MIDNIGHT - timedelta(days=30))
    ingest(engine, settings, "file", days[-1:], MIDNIGHT)


def _settle(engine: Engine, stage: str) -> None:
    """What happens between the stages of a real day: statistics are taken; and some readers have voted before."""
    if stage == "import":
        voted = select(
            subscribers.c.id, papers.c.id, literal(1), literal(MIDNIGHT - timedelta(days=20), votes.c.at.type)
        )
        pairs = voted.where(
            subscribers.c.id % 5 == 0, papers.c.id % 200 == subscribers.c.id % 200, papers.c.listed_on < _crowd.DAY
        )
        with engine.begin() as connection:
            connection.execute(
                insert(connection, votes).from_select(["subscriber_id", "paper_id", "direction", "at"], pairs)
            )
            connection.execute(
                update(subscribers).where(subscribers.c.id % 5 == 0).values(feedback_at=MIDNIGHT - timedelta(days=20))
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _run_stage(stage: str, workers: int, minutes: float, environment: dict[str, str]) -> list[dict[str, float]]:
    command = [
        sys.executable,
        "-m",
        "benchmarks._stages",
        stage,
        str(minutes * 60),
    ]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(workers)
    ]
    said = []
    for process in running:
        out = process.communicate()[0]
        if process.returncode:
            raise SystemExit(f"the stage {stage} failed; its own words stand above")
        said.append(json.loads(out.splitlines()[-1]))
    return said
