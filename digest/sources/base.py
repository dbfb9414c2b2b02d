"""What every source hands over, and what it may be asked: as-given text, counted skips, and a reason that people can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol, runtime_checkable

from digest.db.tables import RunOutcome

AGAIN_AFTER = timedelta(minutes=55)  # a list that still grows is read about once an hour
FIRST_LOOK_BACK_DAYS = 7  # so that a new install has papers to choose from
CATCH_UP_DAYS = 60  # an older gap is filled by asking for its days by name


class SourceError(Exception):
    """A source could not be read. The text says who, what and, where it is known, when to ask again."""

    def __init__(self, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class BrokenAnswer(SourceError):
    """An answer came whole and says nothing usable: not the right shape, cut short, or an error in disguise."""


@dataclass(frozen=True, slots=True)
class RawPaper:
    """One record as the source gave it: text unrepaired, the id still as written (`http://arxiv.org/abs/2503.02130v2`).

    None means not given. `listed_on` is the day of the list it stood on, where that is not the asked day.
    """

    id: str
    title: str
    abstract: str = ""
    gist: str | None = None
    authors: tuple[str, ...] = ()
    organization: str | None = None
    categories: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    published_on: date | None = None
    listed_on: date | None = None
    votes: int | None = None
    comments: int | None = None
    code_url: str | None = None
    code_stars: int | None = None
    project_url: str | None = None
    is_revision: bool = False  # announced as a new version of an older paper
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """What one question brought. `skipped` counts records that were left out, by reason."""

    papers: tuple[RawPaper, ...]
    outcome: RunOutcome = RunOutcome.OK
    reason: str = ""
    skipped: Mapping[str, int] = field(default_factory=dict)
    is_final: bool = True  # False: the day may still grow, ask again


@dataclass(frozen=True, slots=True)
class DayRead:
    """When a day's list was last read, and whether it was complete by then."""

    at: datetime
    is_final: bool


class Source(Protocol):
    """Where papers come from. `name` is stored with each paper and run."""

    @property
    def name(self) -> str: ...

    def fetch(self, day: date, now: datetime) -> Fetch:
        """Everything listed on `day`. Raises SourceError with nothing half done."""

    def quiet_reason(self, day: date) -> str | None:
        """Why no papers are expected on that day, or None."""

    def due_days(self, read: Mapping[date, DayRead], now: datetime) -> list[date]:
        """The days to ask for now, oldest first. `read` tells how each day was last read without failure."""


@runtime_checkable
class Catalogue(Source, Protocol):
    """A source that also answers for papers by id, and for long spans at once."""

    def look_up(self, keys: Sequence[str]) -> Fetch:
        """The papers with these keys that it knows, to complete another source's records."""

    def harvest(self, first: date, last: date) -> Iterator[Fetch]:
        """Everything listed from `first` to `last`, page by page."""


class Skips(Counter[str]):
    """Reasons for which records were left out, counted."""

    def add(self, reason: str) -> None:
        self[reason] += 1
