"""The ledger added up."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine, and_, case, func, select

from digest.db.engine import reading
from digest.db.tables import IS_DIGEST, DeliveryStatus, deliveries

NO_REPLY = "no reply"
_UNARRIVED = (DeliveryStatus.REFUSED, DeliveryStatus.DEFERRED, DeliveryStatus.CLAIMED, DeliveryStatus.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Totals:
    """The ledger of one day. `closes` says whether every planned mail is somewhere.

    `reasons` are those of the skipped; `replies` what the mail server said last of the others that did not get through, by
    state and then by reply and enhanced code (`550 5.1.1`; NO_REPLY where there was none).
    """

    planned: int
    submitted: int
    refused: int
    skipped: int
    uncertain: int
    deferred: int
    waiting: int
    reasons: dict[str, int]
    replies: dict[str, dict[str, int]]

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
    status = deliveries.c.status
    why = case((status == DeliveryStatus.SKIPPED, deliveries.c.reason))
    said = [  # of those that arrived it is of no interest
        case((status.in_(_UNARRIVED), column)) for column in (deliveries.c.reply_code, deliveries.c.reply_status)
    ]
    whole = select(func.count()).select_from(deliveries).where(rows_of).correlate(None).scalar_subquery().label("whole")
    with reading(engine).connect() as connection:
        found = connection.execute(
            select(status, is_tried, why, *said, func.count(), whole)
            .where(rows_of)
            .group_by(status, is_tried, why, *said)
        ).all()
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    replies: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for state, tried, reason, code, enhanced, number, _ in found:
        reported = _reported(DeliveryStatus(state), bool(tried))
        counts[reported] += number
        if state == DeliveryStatus.SKIPPED:
            reasons[reason or ""] += number
        if reported in _UNARRIVED:
            replies[reported][f"{code or NO_REPLY} {enhanced or ''}".strip()] += number
    parts = {name: counts[name] for name in ("submitted", "refused", "skipped", "uncertain", "deferred", "waiting")}
    told = {state: dict(of.most_common()) for state, of in replies.items()}
    return Totals(found[0].whole if found else 0, **parts, reasons=dict(reasons), replies=told)


def _reported(status: DeliveryStatus, is_tried: bool) -> str:
    if status in (DeliveryStatus.PLANNED, DeliveryStatus.WAITING):
        return "waiting"
    if status is DeliveryStatus.CLAIMED:
        return "deferred" if is_tried else "waiting"
    return str(status)
