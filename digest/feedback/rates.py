"""How much of the mail comes back or is complained of, and when that is too much to go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from digest.db.tables import bounces, stage_runs

WINDOW = timedelta(days=2)
FEWEST_REPORTS = 5  # below this a rate says nothing
ALARM = {"complaint": 0.001, "hard": 0.02}
# https://support.google.com/a/answer/81126: complaints stay below 0.1 %, and 0.3 % is never reached
STOP = {"complaint": 0.003, "hard": 0.10}


@dataclass(frozen=True, slots=True)
class Rate:
    """Reports of one kind in WINDOW, beside the mails that went out in it."""

    kind: str
    reports: int
    submitted: int

    @property
    def share(self) -> float:
        return self.reports / self.submitted if self.submitted else 0.0

    @property
    def is_alarming(self) -> bool:
        return self.reports >= FEWEST_REPORTS and self.share >= ALARM[self.kind]

    @property
    def is_too_high(self) -> bool:
        return self.reports >= FEWEST_REPORTS and self.share >= STOP[self.kind]

    def __str__(self) -> str:
        what = {"complaint": "complaints", "hard": "returned as undeliverable"}[self.kind]
        return f"{self.share:.2%} {what} ({self.reports} of {self.submitted} sent in {WINDOW.days} days)"


def rates(connection: Connection, now: datetime) -> list[Rate]:
    """The rate of complaints and of hard bounces up to `now`."""
    since = now - WINDOW
    counted = select(bounces.c.kind, func.count()).where(bounces.c.at > since).group_by(bounces.c.kind)
    reports = {kind: number for kind, number in connection.execute(counted)}  # noqa: C416  (rows are no pairs to mypy)
    sending = stage_runs.c.stage.in_(("deliver", "letters"))  # what bounces may be an answer as well as a digest
    runs = select(stage_runs.c.counts).where(stage_runs.c.started_at > since, sending)
    submitted = sum(counts.get("submitted", 0) for counts in connection.execute(runs).scalars())
    return [Rate(kind, reports.get(kind, 0), submitted) for kind in ALARM]
