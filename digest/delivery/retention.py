"""What is kept for how long: old rows of the ledger go, with their editions, and so does the record of old runs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from digest.db.engine import delete_some
from digest.db.tables import IS_FINISHED_LETTER, bounces, deliveries, source_runs, stage_runs


def drop_old(engine: Engine, before: datetime) -> int:
    """Delete digests dated, and letters, returned mails and runs from before that instant; returns how many rows.

    Suppressions, consents and votes stay: they are what a reader said.
    """
    old = [
        (deliveries, deliveries.c.dated_on < before.date()),
        (deliveries, IS_FINISHED_LETTER & (deliveries.c.finished_at < before)),
        (bounces, bounces.c.at < before),
        (stage_runs, stage_runs.c.started_at < before),
        (source_runs, source_runs.c.started_at < before),
    ]
    return sum(delete_some(engine, table, which) for table, which in old)
