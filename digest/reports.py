"""What went out and why something did not, read from the same tables by the command line, the pages and the metrics."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, case, func, select

from digest.db.engine import reading
from digest.db.tables import RunOutcome, source_runs
from digest.delivery.tally import Totals, totals


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How a source fared: its last success, its last failure, and what it last said."""

    source: str
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_outcome: str
    last_reason: str


@dataclass(frozen=True, slots=True)
class DayReport:
    """The ledger of one date (None: all dates), and the sources."""

    dated_on: date | None
    totals: Totals
    sources: tuple[SourceHealth, ...]

    @property
    def ok(self) -> bool:
        return self.totals.closes

    def to_json(self) -> dict[str, Any]:
        return {
            "date": self.dated_on,
            "ledger": asdict(self.totals),
            "closes": self.totals.closes,
            "sources": [asdict(one) for one in self.sources],
        }

    def __str__(self) -> str:
        return "\n".join([*self._ledger_lines(), "", *self._source_lines()])

    def _ledger_lines(self) -> list[str]:
        t = self.totals
        lines = [f"Digests {'of all days' if self.dated_on is None else f'dated {self.dated_on}'}: {t.planned} planned"]
        for name in ("submitted", "refused", "skipped", "uncertain", "deferred", "waiting"):
            lines.append(f"  {name:<10}{getattr(t, name):>9}")
            told = t.reasons if name == "skipped" else t.replies.get(name, {})
            lines += [f"    {number:>7}  {why}" for why, number in sorted(told.items(), key=lambda one: -one[1])]
        parts = t.submitted + t.refused + t.skipped + t.uncertain + t.deferred + t.waiting
        closing = f"  closed: {t.planned} planned = {parts} accounted for"
        return [
            *lines,
            closing if t.closes else f"  NOT CLOSED: {t.planned} planned, {parts} accounted for. Please report this.",
        ]

    def _source_lines(self) -> list[str]:
        if not self.sources:
            return ["Sources: none has been read yet. Run `digest ingest`."]
        lines = ["Sources:"]
        for one in self.sources:
            success = f"{one.last_success_at:%Y-%m-%d %H:%M} UTC" if one.last_success_at else "never"
            failure = f", last failure {one.last_failure_at:%Y-%m-%d %H:%M} UTC" if one.last_failure_at else ""
            said = f"{one.last_outcome}: {one.last_reason}" if one.last_reason else one.last_outcome
            lines.append(f"  {one.source}: last success {success}{failure}; {said}")
        return lines


def day_report(engine: Engine, dated_on: date | None) -> DayReport:
    """The report of `digest report`."""
    with reading(engine).connect() as connection:
        sources = tuple(source_health(connection))
    return DayReport(dated_on, totals(engine, dated_on), sources)


def source_health(connection: Connection) -> list[SourceHealth]:
    c = source_runs.c
    failed = c.outcome == RunOutcome.FAILED
    spans = connection.execute(
        select(
            c.source,
            func.max(case((failed, None), else_=c.started_at), type_=c.started_at.type).label("success"),
            func.max(case((failed, c.started_at)), type_=c.started_at.type).label("failure"),
            func.max(c.id).label("last"),
        ).group_by(c.source)
    ).all()
    last = {
        row.id: row
        for row in connection.execute(select(c.id, c.outcome, c.reason).where(c.id.in_([span.last for span in spans])))
    }
    return [
        SourceHealth(span.source, span.success, span.failure, last[span.last].outcome, last[span.last].reason)
        for span in sorted(spans, key=lambda one: one.source)
    ]
