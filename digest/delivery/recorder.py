"""The results of a run on their way into the ledger, and the lease on what has none yet."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import TypeVar

import structlog
from sqlalchemy import Engine

from digest.delivery import ledger
from digest.delivery.ledger import Result

log = structlog.get_logger(__name__)

Item = TypeVar("Item")

FLUSH_SECONDS = 1.0
SURE_SECONDS = ledger.LEASE_SECONDS / 2  # every claim lasts for so long after `renew`


class Recorder:
    """Writes what became of mails once a second, in a thread of its own, and renews `worker`'s claims on the others.

    Make it before anything is claimed: `is_sure` counts from then. All that it was told is in the ledger when its block
    ends, or an error of the database is raised; until then it stands in the journal.
    """

    def __init__(self, engine: Engine, worker: str, now: Callable[[], datetime]) -> None:
        self._engine, self._worker, self._now = engine, worker, now
        self._submitted: deque[int] = deque()  # filled by one thread and emptied by another
        self._results: deque[Result] = deque()
        self._sure_until = uptime() + SURE_SECONDS
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._write, name="ledger")

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()
        self._flush()

    @property
    def is_sure(self) -> bool:
        """Whether nobody else can have taken over what this worker has claimed."""
        return uptime() < self._sure_until

    def add_submitted(self, id: int) -> None:
        """The mail was taken."""
        self._submitted.append(id)

    def add(self, result: Result) -> None:
        """It ended in any other way."""
        self._results.append(result)

    def _write(self) -> None:
        while not self._is_over.wait(FLUSH_SECONDS):
            try:
                self._flush()
                self._renew()
            except Exception as error:  # whatever it is: the next second tries again, and the last time it is raised
                log.warning("ledger.unreachable", error=str(error)[:200], waiting=len(self._results))

    def _renew(self) -> None:
        asked, was_sure = uptime(), self.is_sure
        ledger.renew(self._engine, self._worker)
        if was_sure:  # else some are somebody else's by now, and only the rest was renewed
            self._sure_until = asked + SURE_SECONDS

    def _flush(self) -> None:
        """Write what is known; what cannot be written now stays, here and in the journal."""
        submitted, results = _taken_from(self._submitted), _taken_from(self._results)
        try:
            ledger.record(self._engine, self._worker, submitted, results, self._now())
        except Exception:  # what was forgotten here would be given back, and sent again
            self._submitted.extend(submitted)
            self._results.extend(results)
            raise


def uptime() -> float:
    """Seconds that passed on this machine, those that it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _taken_from(waiting: deque[Item]) -> list[Item]:
    return [waiting.popleft() for _ in range(len(waiting))]
