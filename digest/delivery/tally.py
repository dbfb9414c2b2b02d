"""The ledger added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine, and_, case, func, select

from digest.db.engine import reading
from digest.db.tables import IS_DIGEST, DeliveryStatus, deliveries


@dataclass(frozen=True, slots=True)
class Totals:
    """The ledger of one day. `closes` says whether every planned mail is somewhere."""

    planned: int
    submitted: int
    refused: int
    skipped: int
    uncertain: int
    deferred: int
    waiting: int
    reasons: dict[str, int]

    @property
    def closes(self) -> bool:
        return (
            self.planned == self.submitted + self.refused + self.skipped + self.uncertain + self.deferred + self.waiting
        )


def totals(engine: Engine, dated_on: date | None = None) -> Totals:
    """Counts of digests by state, of one local date or of all; the sum is counted apart from the parts.

    One statement, so that it closes while workers go on writing.
    """
    rows_of = IS_DIGEST if dated_on is None else and_(IS_DIGEST, deliveries.c.dated_on == dated_on)
    is_tried = deliveries.c.attempts > 0
    why = case((deliveries.c.status == DeliveryStatus.SKIPPED, deliveries.c.reason))
    whole = select(func.count()).select_from(deliveries).where(rows_of).correlate(None).scalar_subquery()
    with reading(engine).connect() as connection:
        found = connection.execute(
            select(deliveries.c.status, is_tried, why, func.count(), whole)
            .where(rows_of)
            .group_by(deliveries.c.status, is_tried, why)
        ).all()
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for status, tried, reason, number, _ in found:
        counts[_reported(DeliveryStatus(status), bool(tried))] += number
        if status == DeliveryStatus.SKIPPED:
            reasons[reason or ""] += number
    parts = {name: counts[name] for name in ("submitted", "refused", "skipped", "uncertain", "deferred", "waiting")}
    return Totals(found[0][4] if found else 0, **parts, reasons=dict(reasons))


def _reported(status: DeliveryStatus, is_tried: bool) -> str:
    if status in (DeliveryStatus.PLANNED, DeliveryStatus.WAITING):
        return "waiting"
    if status is DeliveryStatus.CLAIMED:
        return "deferred" if is_tried else "waiting"
    return str(status)
