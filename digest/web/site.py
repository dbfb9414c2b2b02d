"""What every view needs: settings, database, clock, links, limits, and how to wake a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, cast

from flask import current_app
from sqlalchemy import Connection, Engine

from digest.clock import Clock
from digest.db.engine import reading
from digest.settings import Settings
from digest.stage import Nudge
from digest.subscribers.tokens import Links

if TYPE_CHECKING:
    from digest.web.kept import Pages
    from digest.web.limits import Limits
    from digest.web.tryout import Tryout

KEY = "digest"


@dataclass(frozen=True, slots=True)
class Site:
    """`nudge(stage)` tells workers to look at once; it is called after the commit, and losing it costs only time."""

    settings: Settings
    engine: Engine
    clock: Clock
    nudge: Nudge
    links: Links
    fingerprint: Callable[[str, str], str]
    limits: Limits
    tryout: Tryout
    pages: Pages

    def now(self) -> datetime:
        return self.clock()

    def today(self) -> date:
        return self.clock().date()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with reading(self.engine).connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            yield connection


def site() -> Site:
    """The site that answers this request."""
    return cast(Site, current_app.extensions[KEY])
