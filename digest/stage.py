"""What a stage of the pipeline reports, the row that keeps it, and how the pages tell workers of work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import structlog

from digest.db.tables import stage_runs
from digest.install import Install

log = structlog.get_logger(__name__)

Work = Literal["letters", "plan"]  # what a page leaves behind: a letter to send, or a reader whose edition is due
Nudge = Callable[[Work], None]


@dataclass
class StageReport:
    """What one stage did. `reason` says why it failed or stopped early."""

    stage: str
    counts: Counter[str] = field(default_factory=Counter)
    reason: str = ""
    ok: bool = True
    is_finished: bool = False  # nothing was left to do when it ended
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "ok": self.ok,
            "counts": dict(self.counts),
            "seconds": self.seconds,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {name}" for name, number in self.counts.items() if number) or "nothing to do"
        return f"{self.stage}: {counts} ({self.seconds:.1f} s)" + (f"; {self.reason}" if self.reason else "")


@contextmanager
def stage(install: Install, name: str) -> Iterator[StageReport]:
    """Time a stage and store what it did, where it did anything or failed."""
    report, started, began = StageReport(name), install.now(), time.monotonic()
    try:
        yield report
    except Exception as error:
        report.ok, report.reason = False, f"{type(error).__name__}: {error}"[:500]
        raise
    finally:
        report.seconds = round(time.monotonic() - began, 3)
        if any(report.counts.values()) or not report.ok:
            _store_run(install, report, started)


def _store_run(install: Install, report: StageReport, started: datetime) -> None:
    values = {"stage": report.stage, "started_at": started, "finished_at": install.now(), "seconds": report.seconds}
    with install.engine.begin() as connection:
        connection.execute(
            stage_runs.insert().values(
                values | {"ok": report.ok, "counts": dict(report.counts), "reason": report.reason}
            )
        )
    say = log.info if report.ok else log.warning
    say("stage.done", **report.to_json())
