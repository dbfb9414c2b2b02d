"""Papers read back from the database as values."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, select

from digest.db.engine import chunks
from digest.db.tables import papers, readings
from digest.papers.paper import Paper

COLUMNS = tuple(papers.c[name] for name in Paper.__dataclass_fields__)
LISTS = ("authors", "categories", "keywords")


def load_papers(connection: Connection, ids: Collection[int]) -> dict[int, Paper]:
    """id -> paper, for those that exist."""
    return {
        paper.id: paper
        for page in chunks(sorted(ids))
        for paper in read_papers(connection, select(*COLUMNS).where(papers.c.id.in_(page)))
    }


def load_titles(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """id -> title, for those that exist."""
    named = select(papers.c.id, papers.c.title)
    return {
        row.id: row.title
        for page in chunks(sorted(ids))
        for row in connection.execute(named.where(papers.c.id.in_(page)))
    }


def papers_first_seen(connection: Connection, after: datetime, until: datetime) -> list[Paper]:
    """Papers that we first saw in (after, until], oldest first; withdrawn ones are left out."""
    is_inside = (papers.c.first_seen_at > after) & (papers.c.first_seen_at <= until) & papers.c.withdrawn_at.is_(None)
    return read_papers(connection, select(*COLUMNS).where(is_inside).order_by(papers.c.first_seen_at, papers.c.id))


def read_papers(connection: Connection, statement: Select[Any]) -> list[Paper]:
    """The rows of a SELECT of COLUMNS as values."""
    return [as_paper(row) for row in connection.execute(statement)]


def as_paper(row: Any) -> Paper:
    values = dict(zip(Paper.__dataclass_fields__, row, strict=False))
    return Paper(**values | {name: tuple(values[name]) for name in LISTS})


def votes_gained(connection: Connection, ids: Collection[int], now: datetime, hours: int = 24) -> dict[int, int]:
    """id -> votes won within the last `hours`, for papers whose votes were read before that too."""
    before = now - timedelta(hours=hours)
    gained: dict[int, int] = {}
    for page in chunks(sorted(ids)):
        last = (
            select(readings.c.paper_id, func.max(readings.c.read_at).label("read_at"))
            .where(readings.c.paper_id.in_(page), readings.c.read_at <= before)
            .group_by(readings.c.paper_id)
            .subquery()
        )
        rows = connection.execute(
            select(papers.c.id, papers.c.votes - readings.c.votes)
            .join(last, last.c.paper_id == papers.c.id)
            .join(readings, (readings.c.paper_id == last.c.paper_id) & (readings.c.read_at == last.c.read_at))
        )
        gained |= {row[0]: row[1] for row in rows if row[1] is not None}
    return gained


def all_papers(connection: Connection) -> list[Paper]:
    """Every stored paper that was not withdrawn, oldest first."""
    return read_papers(connection, select(*COLUMNS).where(papers.c.withdrawn_at.is_(None)).order_by(papers.c.id))


def count_papers(connection: Connection) -> int:
    """How many `all_papers` gives."""
    known = select(func.count()).select_from(papers).where(papers.c.withdrawn_at.is_(None))
    return connection.execute(known).scalar_one()
