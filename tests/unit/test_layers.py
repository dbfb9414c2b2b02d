"""The clock is read at the edges only: everything that decides is handed `now`."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
EDGES = ("digest/clock.py", "digest/cli", "digest/web/", "workers/")
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "localtime"),
    ("time", "gmtime"),
}


def clock_reads(source: str) -> list[int]:
    """Line numbers where the time of day is asked for. A monotonic clock measures durations and is free to use."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    attributes = (func for func in calls if isinstance(func, ast.Attribute))
    return [func.lineno for func in attributes if (_last_name(func.value), func.attr) in CLOCKS]


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_it_sees_a_clock_being_read() -> None:
    assert clock_reads(
        "import datetime\nat = datetime.datetime.now(datetime.UTC)\nfor day in days:\n    date.today()"
    ) == [2, 4]
    assert clock_reads("started = time.monotonic()\nnow()\nsettings.now") == []


def test_it_reads_the_clock_at_the_edges_only() -> None:
    files = [path for folder in ("digest", "workers") for path in (ROOT / folder).rglob("*.py")]
    inner = [path for path in files if not path.relative_to(ROOT).as_posix().startswith(EDGES)]
    assert inner
    assert [
        f"{path.relative_to(ROOT)}:{line}" for path in inner for line in clock_reads(path.read_text(encoding="utf-8"))
    ] == []
