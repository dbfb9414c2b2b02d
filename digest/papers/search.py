"""Search over everything stored: FTS5 on SQLite, tsvector on PostgreSQL, the same words found on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Select, column, func, literal_column, select, table

from digest.db.engine import is_postgresql
from digest.db.fulltext import FTS_COLUMN, FTS_TABLE, WEIGHTS
from digest.db.tables import papers
from digest.papers.archive import Page
from digest.papers.paper import Paper
from digest.papers.query import MOST_WORDS, STOP_WORDS, Query, fold, other_number
from digest.papers.store import load_papers

_CLASS_WEIGHTS = "'{0.1, 0.2, 0.6, 1.0}'::float4[]"  # D abstract, C keywords, B people, A title
_BY_LOG_LENGTH = 1  # https://www.postgresql.org/docs/current/textsearch-controls.html#TEXTSEARCH-RANKING


@dataclass(frozen=True, slots=True)
class Filters:
    """Both days are included; `organisation` is a part of the name, in any case."""

    since: date | None = None
    until: date | None = None
    organisation: str = ""
    has_code: bool = False

    def __bool__(self) -> bool:
        return bool(self.since or self.until or self.organisation or self.has_code)


def find(connection: Connection, query: Query, filters: Filters, limit: int = 20, offset: int = 0) -> Page:
    """The papers that match, the best first; with filters alone the newest first; with nothing to go by, none."""
    if not query and not filters:
        return Page((), 0)
    order: list[ColumnElement[Any]] = [papers.c.listed_on.desc(), papers.c.id.desc()]
    matching = select(papers.c.id).where(*_conditions(filters))
    if query:
        spelt = spelt_for_postgresql(query) if is_postgresql(connection) else spelt_for_sqlite(query)
        matching, rank = _matched(connection, matching, spelt)
        order.insert(0, rank)
    total = connection.execute(matching.with_only_columns(func.count(), maintain_column_froms=True)).scalar_one()
    return Page(_read(connection, matching.order_by(*order).limit(limit).offset(offset)), total)


def akin(connection: Connection, paper: Paper, limit: int = 60) -> tuple[Paper, ...]:
    """Other papers that share words with the title and keywords of this one, those that share most first."""
    said = dict.fromkeys(fold(" ".join((paper.title, *paper.keywords))))
    words = [word for word in said if word not in STOP_WORDS and len(word) > 2][:MOST_WORDS]
    if not words:
        return ()
    others = select(papers.c.id).where(papers.c.id != paper.id, papers.c.withdrawn_at.is_(None))
    between = " or " if is_postgresql(connection) else " OR "
    matching, rank = _matched(connection, others, [between.join(f'"{word}"' for word in words)])
    return _read(connection, matching.order_by(rank, papers.c.id.desc()).limit(limit))


def _read(connection: Connection, found: Select[Any]) -> tuple[Paper, ...]:
    """The papers of a SELECT of ids, in its order: sorting whole rows would carry every abstract along."""
    ids = connection.execute(found).scalars().all()
    stored = load_papers(connection, ids)
    return tuple(stored[one] for one in ids)


def _matched(connection: Connection, rows: Select[Any], spelt: Sequence[str]) -> tuple[Select[Any], ColumnElement[Any]]:
    """The rows that match every part of what is spelt for their database, and what to order them by."""
    if is_postgresql(connection):
        words: ColumnElement[Any] = literal_column(f"papers.{FTS_COLUMN}")
        asked: ColumnElement[Any] = reduce(
            lambda one, other: one.op("&&")(other),
            [func.websearch_to_tsquery(literal_column("'english'"), part) for part in spelt],
        )
        weights: ColumnElement[Any] = literal_column(_CLASS_WEIGHTS)
        return rows.where(words.op("@@")(asked)), func.ts_rank(weights, words, asked, _BY_LOG_LENGTH).desc()
    index = table(FTS_TABLE, column("rowid"))
    rank: ColumnElement[Any] = literal_column(f"bm25({FTS_TABLE}, {', '.join(map(str, WEIGHTS))})", Float)
    joined = rows.join_from(papers, index, index.c.rowid == papers.c.id)
    return joined.where(literal_column(FTS_TABLE).op("MATCH")(" AND ".join(spelt))), rank


def spelt_for_postgresql(query: Query) -> list[str]:
    """For websearch_to_tsquery; words are letters and digits only, so nothing typed is an operator.

    Its stemmer takes no plural from a word without a vowel, as FTS5's does, so LLM and LLMs are both asked for.
    """
    wanted = [" or ".join(map(_quoted, _both_numbers(phrase))) for phrase in query.wanted]
    return wanted + [f"-{_quoted(one)}" for phrase in query.unwanted for one in _both_numbers(phrase)]


def _both_numbers(phrase: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys((phrase, other_number(phrase))))


def spelt_for_sqlite(query: Query) -> list[str]:
    """For FTS5's MATCH. https://sqlite.org/fts5.html#full_text_query_syntax"""
    wanted = " AND ".join(_quoted(phrase) for phrase in query.wanted)
    return [f"({wanted})" + "".join(f" NOT {_quoted(phrase)}" for phrase in query.unwanted)]


def _quoted(phrase: tuple[str, ...]) -> str:
    return '"' + " ".join(phrase) + '"'


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions = []
    if filters.since:
        conditions.append(papers.c.listed_on >= filters.since)
    if filters.until:
        conditions.append(papers.c.listed_on <= filters.until)
    if filters.organisation:
        conditions.append(func.lower(papers.c.organization).contains(filters.organisation.lower(), autoescape=True))
    if filters.has_code:
        conditions.append(papers.c.code_url.is_not(None))
    return conditions
