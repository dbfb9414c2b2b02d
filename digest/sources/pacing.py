"""One question at a time to a host, and a pause after each, over all processes and machines that share the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, select, update

from digest.db.engine import database_now, insert
from digest.db.tables import pacing
from digest.sources.base import SourceError

LEASE_SECONDS = 95.0  # longer than any one question may take; after it a dead process no longer blocks the others
MARGIN_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 900.0


class Pace:
    """A lease on one name. `gap_seconds` is counted from the end of a turn, by the database's clock."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        gap_seconds: float,
        lease_seconds: float = LEASE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.engine, self.name, self.gap_seconds, self.lease_seconds, self._sleep = (
            engine,
            name,
            gap_seconds,
            lease_seconds,
            sleep,
        )

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for our turn, hold it, and start the pause when done. Raises SourceError after a quarter of an hour."""
        held_until = self._acquire()
        try:
            yield
        finally:
            self._release(held_until)

    @contextmanager
    def turn_if_free(self) -> Iterator[bool]:
        """Hold the turn if nobody else does; False otherwise, at once."""
        held_until, _ = self._try()
        try:
            yield held_until is not None
        finally:
            if held_until is not None:
                self._release(held_until)

    def _acquire(self) -> float:
        waited = 0.0
        while waited < LONGEST_WAIT_SECONDS:
            held_until, wait = self._try()
            if held_until is not None:
                return held_until
            self._sleep(wait)
            waited += wait
        raise SourceError(
            f"{self.name} was busy for {int(waited)} s with other requests of ours; the next run asks again"
        )

    def _try(self) -> tuple[float | None, float]:
        """(our lease, 0) or (None, seconds until trying again makes sense)."""
        with self.engine.begin() as connection:
            now = database_now(connection)
            connection.execute(
                insert(connection, pacing).values(host=self.name, held_until=0.0, free_at=0.0).on_conflict_do_nothing()
            )
            mine = pacing.c.host == self.name
            is_free = (pacing.c.held_until <= now) & (pacing.c.free_at <= now)
            taken = connection.execute(
                update(pacing).where(mine, is_free).values(held_until=now + self.lease_seconds)
            ).rowcount
            held_until, free_at, at = connection.execute(
                select(pacing.c.held_until, pacing.c.free_at, now).where(mine)
            ).one()
        if taken:
            return float(held_until), 0.0
        return None, max(0.05, min(1.0, float(free_at) - float(at)) if held_until <= at else 0.2)

    def _release(self, held_until: float) -> None:
        with self.engine.begin() as connection:
            now = database_now(connection)
            free_at = now + self.gap_seconds + (MARGIN_SECONDS if self.gap_seconds else 0.0)
            ours = (pacing.c.host == self.name) & (pacing.c.held_until == held_until)
            connection.execute(update(pacing).where(ours).values(held_until=0.0, free_at=free_at))
