"""Private servers for a measurement: PostgreSQL on a free port, and a sink that takes every mail."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Service:
    """A server that runs for this measurement. `pid` is None where somebody else runs it."""

    url: str
    port: int
    pid: int | None = None

    def cpu_seconds(self) -> float | None:
        """User and system time of the server and of all its processes, ended ones too."""
        if self.pid is None:
            return None
        main = psutil.Process(self.pid)
        spent = 0.0
        for process in (main, *main.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            spent += times.user + times.system + times.children_user + times.children_system
        return spent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


@contextmanager
def started(command: Sequence[str | Path], port: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens on `port`, ended afterwards."""
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=silent, stderr=silent, cwd="/", env=os.environ | environment)
    try:
        wait_for(port)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def as_user(name: str) -> list[str]:
    """What runs a command as that user, where this process is root: some servers refuse to be."""
    return ["runuser", "-u", name, "--"] if os.geteuid() == 0 else []


@contextmanager
def postgresql(folder: Path | None = None) -> Iterator[Service]:
    """An empty server with the settings of a machine that keeps its data: fsync is on."""
    initdb = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)
    found = initdb or (Path(name) if (name := shutil.which("initdb")) else None)
    if found is None:
        raise FileNotFoundError("PostgreSQL is not installed; give a database with --database, or --database sqlite")
    with tempfile.TemporaryDirectory(prefix="digest-bench-", dir=folder) as scratch:
        if as_user("postgres"):
            shutil.chown(scratch, "postgres")
        data = f"{scratch}/data"
        subprocess.run(
            [*as_user("postgres"), found, "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        port = free_port()
        options = {"listen_addresses": HOST, "shared_buffers": "1GB", "max_wal_size": "4GB", "work_mem": "16MB"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [
            *as_user("postgres"),
            found.parent / "postgres",
            "-D",
            data,
            "-p",
            str(port),
            "-k",
            scratch,
            *settings,
        ]
        with started(command, port) as process:
            yield Service(f"postgresql+psycopg://postgres@{HOST}:{port}/postgres", port, process.pid)


@contextmanager
def sink() -> Iterator[Service]:
    """Postfix's smtp-sink where it is installed, else a small one of our own."""
    port = free_port()
    binary = shutil.which("smtp-sink", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    own = [sys.executable, Path(__file__), str(port)]
    with started([binary, *user, f"{HOST}:{port}", "1000"] if binary else own, port) as process:
        yield Service(f"smtp://{HOST}:{port}", port, process.pid)


async def _take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: every command is fine, and a message ends with a dot."""
    writer.write(b"220 sink\r\n")
    while line := await reader.readline():
        verb = line[:4].upper()
        if verb == b"DATA":
            writer.write(b"354 go on\r\n")
            await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
        if verb == b"QUIT":
            break
    writer.close()


async def _listen(port: int) -> None:
    server = await asyncio.start_server(_take, HOST, port, limit=8_000_000)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_listen(int(sys.argv[1])))
