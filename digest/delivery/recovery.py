"""What workers that are gone had in hand is settled, by what their journals tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from digest.delivery import ledger
from digest.delivery.journal import Journal, abandoned, is_worker_alive
from digest.delivery.outcomes import Outcome, Verdict
from digest.delivery.settle import settle

OnDead = Callable[[Sequence[tuple[int, Outcome]]], None]  # ids of the ledger whose address will never work


def recover_dead(engine: Engine, folder: Path, in_doubt: str, now: datetime, on_dead: OnDead) -> int:
    """Settle what workers of this machine that are gone had in hand, then what lapsed elsewhere; returns how many mails.

    `on_dead` hears of addresses that do not exist: the worker that had the reply may have died before it drew the
    consequence. A lapsed claim of a worker that still holds its journal here is left alone, whatever the clocks say.
    """
    settled = 0
    for journal in abandoned(folder):
        settled += settle_journal(engine, journal, in_doubt, now, on_dead)
        journal.remove()
    for worker in ledger.lapsed_workers(engine):
        if not is_worker_alive(folder, worker):
            settled += ledger.recover(engine, worker, (), None, in_doubt, now)
    return settled


def settle_journal(engine: Engine, journal: Journal, in_doubt: str, now: datetime, on_dead: OnDead) -> int:
    """Bring the ledger up to what a journal tells, and give back the rest of its claims."""
    story = journal.story()
    outcomes = {id: outcome for id, outcome in story.outcomes.items() if outcome.verdict is not Verdict.SUBMITTED}
    claims = ledger.load_claims(engine, sorted(outcomes))
    results = [settle(claims[id], outcome, in_doubt, now) for id, outcome in outcomes.items() if id in claims]
    ledger.record(engine, journal.name, sorted(story.outcomes.keys() - outcomes.keys()), results, now)
    begun = story.begun | story.preparing
    settled = ledger.recover(engine, journal.name, begun, story.doubtful, in_doubt, now)
    on_dead([(id, outcome) for id, outcome in outcomes.items() if outcome.is_address_dead])
    return settled
