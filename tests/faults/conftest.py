"""The table of the fault matrix: what was expected of each fault, and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.db.engine import make_engine
from tests.conftest import scratch_database
from tests.faults.matrix import ELSEWHERE, EXPECTED, GOALS

Saw = Callable[..., None]


@dataclass
class Row:
    """What was seen of one fault, and by which tests."""

    lines: list[str] = field(default_factory=list)
    tests: set[str] = field(default_factory=set)


_rows: dict[str, Row] = {}


@pytest.fixture
def saw(request: pytest.FixtureRequest) -> Saw:
    """`saw("F1", lost=0)`: a line of the table, written before anything is asserted."""

    def note(fault: str, what: str = "", **figures: object) -> None:
        said = [*filter(None, [what]), *(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())]
        row = _rows.setdefault(fault, Row())
        row.lines.append(", ".join(said))
        row.tests.add(request.node.nodeid)

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
    if not _rows:
        return
    terminalreporter.section("fault matrix")
    reports = [one for name in ("passed", "failed", "error") for one in terminalreporter.getreports(name)]
    failed = {one.nodeid for one in reports if one.outcome == "failed"}
    for fault in filter(_rows.get, EXPECTED):
        row = _rows[fault]
        seconds = sum(one.duration for one in reports if one.nodeid in row.tests)
        verdict = "FAILED" if row.tests & failed else "held"
        terminalreporter.line(f"{fault:4} {verdict:6} {seconds:4.0f} s  {EXPECTED[fault]}")
        for line in row.lines:
            terminalreporter.line(f"     seen           {line}")
        if fault in ELSEWHERE:
            terminalreporter.line(f"     also in        {', '.join(ELSEWHERE[fault])}")
    untried = [fault for fault in EXPECTED if fault not in _rows]
    terminalreporter.line(f"{len(_rows)} of {len(EXPECTED)} faults tried, not tried: {', '.join(untried) or 'none'}")
    if not untried:
        for goal, places in GOALS.items():
            terminalreporter.line(f"{goal}: {', '.join(places)}")
    terminalreporter.line(f"{len(failed)} tests failed" if failed else "no test failed")
