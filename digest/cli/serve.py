"""`digest up`: web, worker and beat on one machine, as child processes that stop together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import click

from digest.cli.ports import require_port
from digest.cli.shell import Failure, settings_of
from digest.settings import Settings

STOP_SECONDS = 40.0  # longer than the soft shutdown of a worker


ALL_QUEUES = "ingest,rank,render,deliver,upkeep"


def web_command(settings: Settings, host: str, port: int, processes: int) -> list[str]:
    gunicorn = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "python:digest.cli.listening",
        "--bind",
        f"{host}:{port}",
        "--workers",
        str(processes),
        "--threads",
        "4",
        "--log-level",
        settings.log_level.lower(),
    ]
    return [*gunicorn, "--graceful-timeout", "30", "--no-control-socket", "digest.cli.wsgi:app"]


def worker_command(settings: Settings, queues: str, processes: int) -> list[str]:
    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "workers.app", "worker", "--queues", queues]
    quiet = ["--without-mingle", "--without-gossip", "--loglevel", settings.log_level]
    return [*celery, "--concurrency", str(processes), *quiet]


def beat_command(settings: Settings) -> list[str]:
    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "workers.app", "beat"]
    # Entries are intervals, and the database knows what is due: beat has nothing to remember over a restart.
    return [*celery, "--scheduler", "celery.beat.Scheduler", "--pidfile=", "--loglevel", settings.log_level]


def commands(settings: Settings, host: str, port: int) -> dict[str, list[str]]:
    """Name -> command line of each process of one machine."""
    return {
        "web": web_command(settings, host, port, 2),
        "worker": worker_command(settings, ALL_QUEUES, 2),
        "beat": beat_command(settings),
    }


@contextlib.contextmanager
def running(
    wanted: Mapping[str, Sequence[str]], environment: Mapping[str, str]
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start all; on leaving, ask all to stop, and wait until they have."""
    processes = {
        name: subprocess.Popen(command, env=dict(environment), start_new_session=True, preexec_fn=_end_with_parent)  # noqa: S603
        for name, command in wanted.items()
    }
    try:
        yield processes
    finally:
        stop(processes.values())


_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # of Linux; looked up here, since after a fork little is allowed


def _end_with_parent() -> None:
    """SIGTERM for a child whose parent was killed: else it would go on, nobody's, and hold the port."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def stop(processes: object) -> None:
    """SIGTERM to each, mails in hand are finished; SIGKILL only after STOP_SECONDS."""
    left: list[subprocess.Popen[bytes]] = list(processes)  # type: ignore[call-overload]
    for process in left:
        if process.poll() is None:
            process.terminate()
    end = time.monotonic() + STOP_SECONDS
    for process in left:
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def watch(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Wait until a person stops us; raise Failure when a process ends by itself."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            for name, process in processes.items():
                if process.poll() is not None:
                    raise Failure(
                        f"{name} ended with exit code {process.returncode}; its last lines above say why. The others were stopped."
                    )
            time.sleep(0.5)


@click.command()
@click.option(
    "--host", default="", help="Address to listen on; that of PUBLIC_URL when it is this machine, else 127.0.0.1."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; that of PUBLIC_URL, or 8000.")
@click.pass_context
def up(context: click.Context, host: str, port: int | None) -> None:
    """Web, worker and beat on one machine, with the settings in force. Ctrl-C stops all of them."""
    settings = settings_of(context)
    url = urlsplit(settings.public_url)
    host = host or (url.hostname if url.hostname in ("127.0.0.1", "localhost") else None) or "127.0.0.1"
    port = port or (url.port if url.scheme == "http" else None) or 8000
    require_port(host, port)
    prepare(settings)
    with running(commands(settings, host, port), os.environ) as processes:
        click.echo(f"Web pages on http://{host}:{port}/ ; stop with Ctrl-C.")
        watch(processes)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port to listen on.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Processes; each answers four at once.",
)
@click.pass_context
def web(context: click.Context, host: str, port: int, processes: int) -> None:
    """Only the web pages."""
    settings = settings_of(context)
    require_keys(settings)
    require_port(host, port)
    _become(web_command(settings, host, port, processes))


@click.command()
@click.option("--queues", default=ALL_QUEUES, show_default=True, help="Which queues to work on.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes that work at once."
)
@click.pass_context
def worker(context: click.Context, queues: str, processes: int) -> None:
    """Only a worker. SIGTERM lets it finish the mails in hand."""
    unknown = set(queues.split(",")) - set(ALL_QUEUES.split(","))
    if unknown:
        raise click.BadParameter(
            f"there is no queue {', '.join(sorted(unknown))}. Choose from {ALL_QUEUES}.", param_hint="--queues"
        )
    require_keys(settings_of(context))
    _become(worker_command(settings_of(context), queues, processes))


@click.command()
@click.pass_context
def beat(context: click.Context) -> None:
    """Only the clock that makes workers look; run one of it."""
    _become(beat_command(settings_of(context)))


def _become(command: list[str]) -> None:
    """This process becomes that one, so that signals reach it."""
    os.execv(command[0], command)  # noqa: S606


def require_keys(settings: Settings) -> None:
    """Say at the start, and once, that a key is missing or wrong. Raises SettingsError."""
    from digest.install import Install

    install = Install(settings)
    _ = install.links, install.dkim


def prepare(settings: Settings) -> None:
    """The database at its newest schema, and the settings that all processes need; SettingsError where one is missing."""
    from digest.db.engine import make_engine
    from digest.db.schema import migrate

    require_keys(settings)
    engine = make_engine(settings.database_url)
    try:
        migrate(engine)
    finally:
        engine.dispose()
