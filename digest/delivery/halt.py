"""Asking one run to end: an error in it ends this run alone, and the process goes on to the next one."""

from __future__ import annotations

import time
from threading import Event
from typing import Protocol


class Stop(Protocol):
    """Whether the process is to end; a `threading.Event`, or a flag that several processes share."""

    def is_set(self) -> bool: ...


class Deadline:
    """Set when the process is to end, or after `seconds`; None for no end."""

    def __init__(self, above: Stop, seconds: float | None) -> None:
        self._above = above
        self._end = None if seconds is None else time.monotonic() + seconds

    def is_set(self) -> bool:
        return self._above.is_set() or (self._end is not None and time.monotonic() >= self._end)


class Halt:
    """Set when this run is to end: by itself, or because all that `above` stands for is to stop."""

    def __init__(self, above: Stop | None = None) -> None:
        self._above, self._own = above, Event()

    def is_set(self) -> bool:
        return self._own.is_set() or (self._above is not None and self._above.is_set())

    def set(self) -> None:
        """End this run; `above` hears nothing of it."""
        self._own.set()
