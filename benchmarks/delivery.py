"""Speed of delivery: frozen editions to an SMTP sink, the ledger kept, beside what the sink itself can take.

Every round measures the ceiling (smtp-source with 8 kept sessions and one of the product's own mails), then each variant;
medians of the rounds are printed. msgs/s change with whoever else uses the machine, so compare ratios and CPU-ms: `others`
is how many cores the rest of the machine took meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Engine, func, select

from benchmarks import _frozen, _naive
from benchmarks._services import HOST, Service, free_port, postgresql, sink, started
from digest import outgoing, pipeline
from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.db.tables import DeliveryStatus, deliveries
from digest.delivery import ledger
from digest.install import Install
from digest.logs import configure
from digest.settings import load

ROOT = Path(__file__).parents[1]
SESSIONS = 8
SIGNS = ("none", "rsa", "ed25519")
WARM = 500  # mails made beforehand in each process, so that the day's papers are rendered: once a day, not once a mail


@dataclass
class Round:
    """One measurement: messages a second, CPU-ms a message of the senders, cores that others took."""

    rate: float
    cpu_ms: float
    others: float


@dataclass
class Bench:
    """One database, filled, and its sink."""

    name: str
    engine: Engine
    folder: Path
    environment: dict[str, str]
    sink: Service
    messages: int
    processes: int
    message: Path = field(init=False)

    def __post_init__(self) -> None:
        self.message = self.folder / "message.eml"


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    if options.inside:
        return _inside(options)
    for database in options.database:
        with _filled(database, options) as bench:
            _measure(bench, options)
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="digest bench delivery", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--database",
        nargs="+",
        default=["postgresql", "sqlite"],
        help="postgresql (a private server), sqlite, or a URL",
    )
    parser.add_argument("--sign", nargs="*", default=list(SIGNS), choices=SIGNS)
    parser.add_argument(
        "--celery", nargs="*", default=[], choices=SIGNS, help="also by a Celery worker with Redis, signed so"
    )
    parser.add_argument("--naive", type=int, default=0, metavar="N", help="also the naive stack, N mails a round")
    parser.add_argument("--cards", type=int, default=10, help="papers in each digest: 10 make 49 KB, 18 make 77 KB")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where databases are put; the usual temporary folder without")
    parser.add_argument("--profile", help="write a profile of each sending process to this path and its number")
    parser.add_argument("--inside", choices=("deliver", "naive"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


# --- what is measured -----------------------------------------------------------------------------------------------


def _measure(bench: Bench, options: argparse.Namespace) -> None:
    variants: dict[str, Callable[[], Round]] = {"ceiling": lambda: _ceiling(bench)}
    for sign in options.sign:
        variants[sign] = lambda sign=sign: _sending(bench, sign, "deliver", bench.messages, options.profile)  # type: ignore[misc]
    for sign in options.celery:
        variants[f"{sign}, celery"] = lambda sign=sign: _celery(bench, sign)  # type: ignore[misc]
    if options.naive:
        variants["naive"] = lambda: _sending(bench, "none", "naive", options.naive)
    rounds: dict[str, list[Round]] = defaultdict(list)
    for _ in range(options.rounds):
        for name, run in variants.items():
            rounds[name].append(run())
            print(f"{bench.name}, {name}: {rounds[name][-1]}", file=sys.stderr, flush=True)
    _print(bench, rounds, options)


def _print(bench: Bench, rounds: dict[str, list[Round]], options: argparse.Namespace) -> None:
    size = bench.message.stat().st_size
    print(
        f"\n{bench.name}: {bench.messages:,} mails of {size:,} bytes, {bench.processes} processes with {SESSIONS} "
        f"connections each, {os.cpu_count()} cores, medians of {options.rounds}"
    )
    print(f"{'variant':<18} {'msgs/s':>8} {'min':>7} {'max':>7} {'of ceiling':>10} {'CPU ms':>8} {'others':>7}")
    for name, made in rounds.items():
        rate = statistics.median(one.rate for one in made)
        ratio = statistics.median(one.rate / best.rate for one, best in zip(made, rounds["ceiling"], strict=True))
        print(
            f"{name:<18} {rate:>8,.0f} {min(one.rate for one in made):>7,.0f} {max(one.rate for one in made):>7,.0f} "
            f"{ratio:>10.2f} {statistics.median(one.cpu_ms for one in made):>8.3f} "
            f"{statistics.median(one.others for one in made):>7.2f}",
            flush=True,
        )


def _ceiling(bench: Bench) -> Round:
    """smtp-source on the first core, as shared machines measure it: pinned away from the sink, which has the last one."""
    source = shutil.which("smtp-source", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if source is None:
        raise SystemExit("smtp-source is missing; it comes with postfix")
    command = [source, "-d", "-s", str(SESSIONS), "-m", str(bench.messages), "-F", str(bench.message)]
    command += ["-f", "a@example.com", "-t", "b@example.org", f"{HOST}:{bench.sink.port}"]
    with _pinned(bench.sink):
        watch = Watch(bench)
        before = os.times()
        subprocess.run(["taskset", "-c", "0", *command], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return watch.round(bench.messages, spent)


@contextmanager
def _pinned(service: Service) -> Iterator[None]:
    process = psutil.Process(service.pid)
    cores = process.cpu_affinity()
    process.cpu_affinity(cores[-1:])
    try:
        yield
    finally:
        process.cpu_affinity(cores)


def _sending(bench: Bench, sign: str, how: str, messages: int, profile: str | None = None) -> Round:
    """By processes of our own: each is ready with the day's papers rendered, then all start at once."""
    _frozen.rewind(bench.engine)
    command = [sys.executable, "-m", "benchmarks.delivery", "--inside", how, "--messages", str(messages)]
    command += ["--processes", str(bench.processes)]
    environment = bench.environment | _signing(sign)
    running = [
        subprocess.Popen(
            [*command, *(["--profile", f"{profile}{number}"] if profile else [])],
            cwd=ROOT,
            env=environment | {"DIGEST_BENCH_NUMBER": str(number)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(bench.processes)
    ]
    for process in running:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    watch = Watch(bench)
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [json.loads(process.stdout.readline()) for process in running if process.stdout]
    done = watch.round(messages, sum(one["cpu"] for one in said))
    for process in running:
        process.communicate()
    _check(bench, messages, sum(one["sent"] for one in said))
    return done


def _celery(bench: Bench, sign: str) -> Round:
    """The product's own worker behind Redis: started, idle, then hinted at the work as the beat would."""
    _frozen.rewind(bench.engine)
    with ExitStack() as stack:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", HOST, "--save", "", "--dir", str(bench.folder)]
        redis = stack.enter_context(started(command, port))
        environment = bench.environment | _signing(sign) | {"DIGEST_BROKER_URL": f"redis://{HOST}:{port}/0"}
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "workers.app"]
        worker = subprocess.Popen(
            [*command, "worker", "-c", str(bench.processes), "-Q", "deliver", "-l", "ERROR"], cwd=ROOT, env=environment
        )
        stack.callback(worker.wait, 60)
        stack.callback(worker.terminate)
        call = [*command, "call", "workers.tasks.deliver", "--queue", "deliver"]
        quiet = {"cwd": ROOT, "env": environment, "stdout": subprocess.DEVNULL}
        _hold_back(bench, WARM * bench.processes)
        subprocess.run(call, check=True, **quiet)  # type: ignore[call-overload]
        subprocess.run(call, check=True, **quiet)  # type: ignore[call-overload]
        _wait_until(bench, WARM * bench.processes)
        _hold_back(bench, None)
        _frozen.compact(bench.engine)
        tree = [
            psutil.Process(worker.pid),
            *psutil.Process(worker.pid).children(recursive=True),
            psutil.Process(redis.pid),
        ]
        code = "from workers.tasks import hint; print(flush=True); input(); hint('deliver', 8)"
        hinter = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert hinter.stdout
        hinter.stdout.readline()
        before, spent, watch = _count(bench), _cpu(tree), Watch(bench)
        hinter.communicate("\n")
        _wait_until(bench, bench.messages)
        return watch.round(bench.messages - before, _cpu(tree) - spent)


def _hold_back(bench: Bench, all_but: int | None) -> None:
    """Make all but the first mails due tomorrow, or with None all due now."""
    due = deliveries.update().values(next_try_at=_frozen.NOW)
    later = deliveries.update().values(next_try_at=_frozen.NOW.replace(year=2100))
    with bench.engine.begin() as connection:
        if all_but is None:
            connection.execute(due.where(deliveries.c.status == DeliveryStatus.WAITING))
        else:
            first = select(deliveries.c.id).order_by(deliveries.c.id).limit(all_but)
            connection.execute(later.where(deliveries.c.id.not_in(first)))


def _count(bench: Bench) -> int:
    done = select(func.count()).select_from(deliveries).where(deliveries.c.status == DeliveryStatus.SUBMITTED)
    with bench.engine.connect() as connection:
        return connection.execute(done).scalar_one()


def _wait_until(bench: Bench, number: int, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while _count(bench) < number:
        if time.monotonic() > end:
            raise SystemExit(f"only {_count(bench)} of {number} mails left within {seconds:.0f} s")
        time.sleep(0.1)


def _check(bench: Bench, messages: int, sent: int) -> None:
    if sent != messages or _count(bench) != messages:
        raise SystemExit(f"{messages} mails, the processes sent {sent}, the ledger says {_count(bench)}")


def _cpu(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


class Watch:
    """Time, and how busy the rest of the machine was meanwhile."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._busy, self._services = _busy_seconds(), self._ours()
        self._start = time.time()

    def round(self, messages: int, cpu_seconds: float) -> Round:
        seconds = time.time() - self._start
        others = _busy_seconds() - self._busy - (self._ours() - self._services) - cpu_seconds
        return Round(messages / seconds, cpu_seconds * 1000 / messages, max(others, 0.0) / seconds)

    def _ours(self) -> float:
        database = self._bench.environment.get("DIGEST_BENCH_DATABASE_PID")
        services = [self._bench.sink, *([Service("", 0, int(database))] if database else [])]
        return sum(service.cpu_seconds() or 0.0 for service in services)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait


# --- what it is measured with ---------------------------------------------------------------------------------------


@contextmanager
def _filled(database: str, options: argparse.Namespace) -> Iterator[Bench]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digest-bench-", dir=options.folder)))
        service = Service(f"sqlite:///{folder}/digest.db", 0) if database == "sqlite" else Service(database, 0)
        if database == "postgresql":
            service = stack.enter_context(postgresql(options.folder))
        taker = stack.enter_context(sink())
        engine = make_engine(service.url)
        stack.callback(engine.dispose)
        migrate(engine)
        _frozen.fill(engine, folder, service.url, options.messages, options.cards)
        environment = _environment(service, folder, taker.port)
        bench = Bench(
            service.url.partition(":")[0], engine, folder, environment, taker, options.messages, options.processes
        )
        _write_message(bench)
        yield bench


def _environment(database: Service, folder: Path, port: int) -> dict[str, str]:
    own = {
        "DATABASE_URL": database.url,
        "DATA_DIR": str(folder / "data"),
        "SECRET_KEY": "a key for measuring that signs nothing of worth",
        "PUBLIC_URL": "https://digest.example.org",
        "MAIL_FROM": "Digest <digest@example.org>",
        "SMTP_PORT": str(port),
        "SMTP_SECURITY": "none",
        "SMTP_CONNECTIONS": str(SESSIONS),
        "LOG_LEVEL": "WARNING",
        "CLOCK": _frozen.NOW.isoformat().replace("+00:00", "Z"),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    settings = kept | {f"DIGEST_{name}": value for name, value in own.items()}
    return settings | ({"DIGEST_BENCH_DATABASE_PID": str(database.pid)} if database.pid else {})


def _write_message(bench: Bench) -> None:
    """One of the product's own mails, with the line ends that smtp-source wants."""
    with ExitStack() as stack:
        install = Install.open(load(environ=bench.environment))
        stack.callback(install.close)
        bench.message.write_bytes(_some(install, 1)[0].replace(b"\r\n", b"\n"))


def _some(install: Install, number: int) -> list[bytes]:
    with install.engine.connect() as connection:
        ids = list(connection.execute(select(deliveries.c.id).order_by(deliveries.c.id).limit(number)).scalars())
    claims = list(ledger.load_claims(install.engine, ids).values())
    make = outgoing.prepare(install, claims)
    return [make(claim).data for claim in claims]


_keys: dict[str, str] = {}


def _signing(sign: str) -> dict[str, str]:
    """The settings that sign with a key made for this run."""
    if sign == "none":
        return {}
    if sign not in _keys:
        key = rsa.generate_private_key(65537, 2048) if sign == "rsa" else ed25519.Ed25519PrivateKey.generate()
        _keys[sign] = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {"DIGEST_DKIM_SELECTOR": sign, "DIGEST_DKIM_KEY": _keys[sign]}


# --- inside a sending process ---------------------------------------------------------------------------------------


def _inside(options: argparse.Namespace) -> int:
    configure(load())
    install = Install.open(load())
    _some(install, WARM)
    number = int(os.environ["DIGEST_BENCH_NUMBER"])
    run = _deliver if options.inside == "deliver" else _naively
    print("ready", flush=True)
    sys.stdin.readline()
    if options.profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    spent = time.process_time()
    sent = run(install, options.messages, number, options.processes)
    print(json.dumps({"sent": sent, "cpu": time.process_time() - spent}), flush=True)
    if options.profile:
        profiler.disable()
        profiler.dump_stats(options.profile)
    install.close()
    return 0


def _deliver(install: Install, _messages: int, _number: int, _processes: int) -> int:
    return pipeline.deliver(install).counts["submitted"]


def _naively(install: Install, messages: int, number: int, processes: int) -> int:
    with install.engine.connect() as connection:
        ids = list(connection.execute(select(deliveries.c.id).order_by(deliveries.c.id).limit(messages)).scalars())
    return _naive.send(install, ids[number::processes])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
