"""What is stored, as pages and feeds show it: days, weeks, single papers, and why a day is empty."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from digest.db.tables import listings, papers, source_runs
from digest.papers.paper import Paper
from digest.papers.store import COLUMNS, read_papers


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: its papers, and how many the whole list has."""

    papers: tuple[Paper, ...]
    total: int


@dataclass(frozen=True, slots=True)
class AskedSource:
    """How asking one source for one day ended; `reason` is a sentence."""

    source: str
    outcome: str
    reason: str


def papers_between(connection: Connection, start: date, end: date, limit: int = 100, offset: int = 0) -> Page:
    """Papers that any source listed from `start` to `end`, both included, the most voted first."""
    listed = select(listings.c.paper_id).where(listings.c.listed_on.between(start, end))
    chosen = select(*COLUMNS).where(papers.c.id.in_(listed))
    ordered = chosen.order_by(papers.c.votes.desc().nulls_last(), papers.c.id).limit(limit).offset(offset)
    total = connection.execute(chosen.with_only_columns(func.count())).scalar_one()
    return Page(tuple(read_papers(connection, ordered)), total)


def days_listed(connection: Connection, start: date, end: date) -> list[tuple[date, int]]:
    """Days with papers and how many, the newest first."""
    query = (
        select(listings.c.listed_on, func.count(listings.c.paper_id.distinct()))
        .where(listings.c.listed_on.between(start, end))
        .group_by(listings.c.listed_on)
        .order_by(listings.c.listed_on.desc())
    )
    return [(on, count) for on, count in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class ListedDay:
    """A day's list and when its newest paper came in."""

    on: date
    updated_at: datetime
    papers: tuple[Paper, ...]
    total: int


def recent_days(connection: Connection, until: date, count: int, papers_each: int = 100) -> list[ListedDay]:
    """The last `count` days that have papers, the newest first."""
    days = connection.execute(
        select(listings.c.listed_on, func.max(listings.c.first_seen_at).label("updated_at"))
        .where(listings.c.listed_on <= until)
        .group_by(listings.c.listed_on)
        .order_by(listings.c.listed_on.desc())
        .limit(count)
    ).all()
    pages = [papers_between(connection, row.listed_on, row.listed_on, papers_each) for row in days]
    return [
        ListedDay(row.listed_on, row.updated_at, page.papers, page.total) for row, page in zip(days, pages, strict=True)
    ]


def newest_reading(connection: Connection) -> int | None:
    """The number of the last reading of a source; what it brought is stored with it."""
    found: int | None = connection.execute(select(func.max(source_runs.c.id))).scalar_one()
    return found


def first_day(connection: Connection) -> date | None:
    return _day(connection, select(func.min(listings.c.listed_on)))


def day_before(connection: Connection, on: date) -> date | None:
    """The last day before `on` that has papers."""
    return _day(connection, select(func.max(listings.c.listed_on)).where(listings.c.listed_on < on))


def day_after(connection: Connection, on: date, until: date) -> date | None:
    """The first day after `on`, and not after `until`, that has papers."""
    return _day(
        connection,
        select(func.min(listings.c.listed_on)).where(listings.c.listed_on > on, listings.c.listed_on <= until),
    )


def _day(connection: Connection, query: Select[Any]) -> date | None:
    found: date | None = connection.execute(query).scalar_one()
    return found


def find_paper(connection: Connection, name: str) -> Paper | None:
    """A paper by its key, or by its number in this database."""
    is_number = name.isascii() and name.isdecimal() and len(name) < 18
    column, value = (papers.c.id, int(name)) if is_number else (papers.c.key, name)
    return next(iter(read_papers(connection, select(*COLUMNS).where(column == value))), None)


def days_of(connection: Connection, paper_id: int) -> list[tuple[date, str]]:
    """The days a paper was listed, each with the source that listed it."""
    query = select(listings.c.listed_on, listings.c.source).where(listings.c.paper_id == paper_id)
    return [(on, source) for on, source in connection.execute(query.order_by(listings.c.listed_on, listings.c.source))]


def asked_sources(connection: Connection, on: date) -> list[AskedSource]:
    """The last answer of each source for a day."""
    newest = select(func.max(source_runs.c.id)).where(source_runs.c.asked_on == on).group_by(source_runs.c.source)
    columns = (source_runs.c.source, source_runs.c.outcome, source_runs.c.reason)
    query = select(*columns).where(source_runs.c.id.in_(newest)).order_by(source_runs.c.source)
    return [AskedSource(*row) for row in connection.execute(query)]
