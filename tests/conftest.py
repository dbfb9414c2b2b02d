"""What all tests share: databases to run on, and where outside examples lie."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.db.tables import metadata

REQUIRED = bool(os.environ.get("REQUIRE_SERVICES"))


def shared_dir(name: str = "") -> Path:
    """The folder of outside examples; skips the test where there is none."""
    root = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / "shared"))
    if not (root / name).exists():
        pytest.skip(f"needs the folder of recorded examples ({name or 'all'}), which is not here")
    return root / name


def missing(what: str) -> None:
    """A service that is not here: skip with the reason, or fail where services are required."""
    if REQUIRED:
        pytest.fail(f"{what} is required (REQUIRE_SERVICES=1) and was not found")
    pytest.skip(f"{what} was not found; install it or set the DIGEST_TEST_..._URL variable")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


def _postgres_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server to make scratch databases on: the one that is named, else a private one on a free port."""
    if url := os.environ.get("DIGEST_TEST_DATABASE_URL"):
        yield url
        _drop_templates(url)
        return
    binaries = _postgres_bin()
    if binaries is None:
        missing("PostgreSQL")
        return
    with tempfile.TemporaryDirectory(prefix="digest-pg-") as folder:
        as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            if shutil.which("runuser") is None:
                missing("a user other than root to run PostgreSQL as")
            shutil.chown(folder, "postgres")
            as_user = ["runuser", "-u", "postgres", "--"]
        port = free_port()
        data = f"{folder}/data"
        subprocess.run(
            [*as_user, binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        server = subprocess.Popen(
            [
                *as_user,
                binaries / "postgres",
                "-D",
                data,
                "-p",
                str(port),
                "-k",
                folder,
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        try:
            wait_for(port)
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    if url := os.environ.get("DIGEST_TEST_REDIS_URL"):
        yield url
        return
    binary = shutil.which("redis-server")
    if binary is None:
        missing("Redis")
        return
    port = free_port()
    server = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def scratch_database(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[str]:
    """An empty, migrated database, gone or emptied afterwards."""
    if kind == "sqlite":
        path = folder / "digest.db"
        shutil.copyfile(_sqlite_template(), path)
        yield f"sqlite:///{path}"
        return
    server_url = request.getfixturevalue("postgres_url")
    name = _emptied.pop() if _emptied else _create_database(server_url)
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    yield url
    if _empty(url):
        _emptied.append(name)
    else:
        _drop_database(server_url, name)


_emptied: list[str] = []  # databases that a test has used and that are empty again: much quicker than making one each
_sqlite_file: list[Path] = []


def _sqlite_template() -> Path:
    """A migrated file that the scratch ones are copied from."""
    if not _sqlite_file:
        path = Path(tempfile.mkdtemp(prefix="digest-template-")) / "digest.db"
        engine = make_engine(f"sqlite:///{path}")
        migrate(engine)
        with engine.connect() as connection:
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
        _sqlite_file.append(path)
    return _sqlite_file[0]


def _create_database(server_url: str) -> str:
    name = f"digest_test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {_template(server_url)}"))
    admin.dispose()
    return name


def _drop_database(server_url: str, name: str) -> None:
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    admin.dispose()


def _empty(url: str) -> bool:
    """Take everything out and start numbers anew; False when the test left the database in another shape."""
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            mine = "datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}"))
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
            connection.execute(text("SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"))
    except SQLAlchemyError:
        return False
    return True


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium that talks to nobody but the pages under test.

    It keeps an event loop running in this thread, so it ends with its module and leaves the others alone.
    """
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if binary is None:
        missing("Chromium")
        return
    quiet = [
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=binary, args=[*quiet, *sandbox])
        yield running
        running.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty, migrated database of each kind; a test that uses it runs on both."""
    with scratch_database(request, request.param, tmp_path) as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with scratch_database(request, request.param, tmp_path_factory.mktemp("database")) as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def connection(module_engine: Engine) -> Iterator[Connection]:
    """A transaction on a database of each kind that is rolled back: for tests that need no commit, and quick."""
    with module_engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


_templates: dict[str, str] = {}


def _template(server_url: str) -> str:
    """A migrated database that the scratch ones are copied from: quicker than migrating each."""
    if server_url not in _templates:
        name = f"digest_template_{uuid.uuid4().hex[:12]}"
        admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        engine = make_engine(make_url(server_url).set(database=name).render_as_string(hide_password=False))
        migrate(engine)
        engine.dispose()
        _templates[server_url] = name
    return _templates[server_url]


def _drop_templates(server_url: str) -> None:
    while _emptied:
        _drop_database(server_url, _emptied.pop())
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for name in filter(None, [_templates.pop(server_url, None)]):
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A test that sets up logging, as every command does, leaves the next one as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
