"""The table of the fault matrix: what was expected of each fault, and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.db.engine import make_engine
from tests.conftest import scratch_database
from tests.faults.matrix import ELSEWHERE, EXPECTED

_seen: dict[str, list[str]] = {}
Saw = Callable[..., None]


@pytest.fixture
def saw(request: pytest.FixtureRequest) -> Saw:
    """`saw("F1", lost=0)`: a line of the table, written before anything is asserted."""

    def note(fault: str, what: str = "", **figures: object) -> None:
        said = ", ".join(
            [*filter(None, [what]), *(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())]
        )
        _seen.setdefault(fault, []).append(said)

    return note


@pytest.fixture
def pg(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """PostgreSQL, where most faults are tried."""
    with scratch_database(request, "postgresql", tmp_path) as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _seen:
        return
    terminalreporter.section("fault matrix")
    failed = {report.nodeid for report in terminalreporter.getreports("failed")}
    for fault, expected in EXPECTED.items():
        terminalreporter.line(f"{fault:4} expected  {expected}")
        for line in _seen.get(fault, []):
            terminalreporter.line(f"     seen      {line}")
        if fault in ELSEWHERE:
            terminalreporter.line(f"     also in   {ELSEWHERE[fault]}")
    terminalreporter.line(f"{len(failed)} tests failed" if failed else "no test failed")
