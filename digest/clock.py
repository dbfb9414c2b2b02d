"""The clock that the edges read: the real one, or a simulated one that starts at a given instant and may run faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from digest.settings import parse_clock

Clock = Callable[[], datetime]


def real_now() -> datetime:
    return datetime.now(UTC)


def clock_from(setting: str, origin: float | None = None) -> Clock:
    """A clock for the setting CLOCK. `origin` is the real time (Unix seconds) at which its instant holds.

    All processes of one simulation are given the same origin, so that they agree on the time.
    """
    if not setting:
        return real_now
    at, rate = parse_clock(setting)
    started = time.time() if origin is None else origin
    return lambda: at + timedelta(seconds=(time.time() - started) * rate)
