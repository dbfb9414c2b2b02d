"""A subscriber and their preferences, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Status(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"


class Cadence(StrEnum):
    DAILY = "daily"
    WEEKDAYS = "weekdays"
    WEEKLY = "weekly"


class Quiet(StrEnum):
    """What a reader wants on a day without papers for them."""

    SKIP = "skip"
    TELL = "tell"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a reader asked for. `hour` is 0..23 in `timezone` (IANA name); `size` is papers a mail, 1..62."""

    topics: tuple[str, ...] = ()
    muted: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    cadence: Cadence = Cadence.WEEKDAYS
    hour: int = 7
    timezone: str = "UTC"
    size: int = 10
    language: str = "en"
    quiet: Quiet = Quiet.SKIP
    paused_until: date | None = None


@dataclass(frozen=True, slots=True)
class Subscriber:
    id: int
    email: str
    status: Status
    preferences: Preferences = field(default_factory=Preferences)
    created_at: datetime | None = None
    confirmed_at: datetime | None = None
