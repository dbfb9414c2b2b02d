"""From what the mail server said to the state of the mail: tried again, refused, in doubt, and when."""

from __future__ import annotations

from datetime import datetime, timedelta

from digest.db.tables import DeliveryStatus
from digest.delivery import ledger
from digest.delivery.ledger import Claim, Result
from digest.delivery.outcomes import Against, Outcome, Verdict

BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 20, 30))
SITE_PAUSE = timedelta(minutes=15)


def settle(claim: Claim, outcome: Outcome, in_doubt: str, now: datetime) -> Result:
    """What anything but a plain yes means for the row of the ledger. Pure."""
    said = f"{outcome.code or ''} {outcome.status or ''} {outcome.text}".strip() or f"no reply ({outcome.phase})"
    match outcome.verdict:
        case Verdict.SKIPPED:
            return Result(
                claim.id,
                DeliveryStatus.SKIPPED,
                "the reader left before it was sent",
                is_attempt=False,
                frees_papers=True,
            )
        case Verdict.UNCERTAIN:
            return ledger.doubt(claim.id, claim.doubts, in_doubt, now)
    if outcome.against is Against.SITE:
        return Result(claim.id, DeliveryStatus.DEFERRED, said, outcome.code, outcome.status, now + SITE_PAUSE)
    if outcome.verdict is Verdict.REFUSED:
        return Result(claim.id, DeliveryStatus.REFUSED, said, outcome.code, outcome.status)
    if claim.attempts + 1 >= ledger.MAX_ATTEMPTS:
        return Result(
            claim.id,
            DeliveryStatus.REFUSED,
            f"given up after {claim.attempts + 1} tries: {said}",
            outcome.code,
            outcome.status,
        )
    pause = BACK_OFF[min(claim.attempts, len(BACK_OFF) - 1)]
    return Result(claim.id, DeliveryStatus.DEFERRED, said, outcome.code, outcome.status, now + pause)
