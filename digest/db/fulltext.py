"""The full-text index of papers: an FTS5 table on SQLite, a generated column with a GIN index on PostgreSQL.

Both are kept by the database itself whenever a row of `papers` changes. They are not part of the metadata, since they
have no common shape; they are made and dropped with the table.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, event

FTS_TABLE = "papers_words"
FTS_COLUMN = "words"
FTS_INDEX = "ix_papers_words"
COLUMNS = ("title", "authors", "organization", "abstract", "keywords")
WEIGHTS = (10.0, 6.0, 6.0, 1.0, 2.0)  # a hit in the title says more than one in the abstract

_LISTS = ("authors", "keywords")  # JSON, which SQLite stores with letters escaped


def _values(row: str) -> str:
    spelt = (
        f"(SELECT group_concat(value, ' ') FROM json_each({row}.{name}))" if name in _LISTS else f"{row}.{name}"  # noqa: S608
        for name in COLUMNS
    )
    return ", ".join(spelt)


_DELETE = (
    f"INSERT INTO {FTS_TABLE}({FTS_TABLE}, rowid, {', '.join(COLUMNS)}) VALUES ('delete', old.id, {_values('old')});"  # noqa: S608
)
_INSERT = f"INSERT INTO {FTS_TABLE}(rowid, {', '.join(COLUMNS)}) VALUES (new.id, {_values('new')});"  # noqa: S608

SQLITE = (
    f"CREATE VIRTUAL TABLE {FTS_TABLE} USING fts5({', '.join(COLUMNS)}, content='papers', content_rowid='id', "
    "tokenize='porter unicode61 remove_diacritics 2')",
    f"CREATE TRIGGER {FTS_TABLE}_added AFTER INSERT ON papers BEGIN {_INSERT} END",
    f"CREATE TRIGGER {FTS_TABLE}_changed AFTER UPDATE OF {', '.join(COLUMNS)} ON papers BEGIN {_DELETE} {_INSERT} END",
    f"CREATE TRIGGER {FTS_TABLE}_gone AFTER DELETE ON papers BEGIN {_DELETE} END",
)


def _folded(column: str) -> str:
    """Without accents and with blanks for signs, so that `multi-modal` is two words here as in FTS5."""
    accents = f"regexp_replace(normalize(coalesce({column}, ''), NFKD), U&'[\\0300-\\036F]', '', 'g')"
    return f"translate({accents}, '-_/.,:;()[]{{}}@#&+=~<>|\\\"''`*', repeat(' ', 30))"


def _vector(config: str, column: str, weight: str) -> str:
    return f"setweight(to_tsvector('{config}', {_folded(column)}), '{weight}')"


POSTGRESQL = (
    f"ALTER TABLE papers ADD COLUMN {FTS_COLUMN} tsvector GENERATED ALWAYS AS ("
    + " || ".join(
        (
            _vector("english", "title", "A"),
            _vector("english", "authors::text", "B"),
            _vector("english", "organization", "B"),
            _vector("english", "keywords::text", "C"),
            _vector("english", "abstract", "D"),
        )
    )
    + ") STORED",
    f"CREATE INDEX {FTS_INDEX} ON papers USING gin ({FTS_COLUMN})",
)


def attach(papers: Table) -> None:
    """Make the index with the table and drop it with the table."""
    event.listen(papers, "after_create", _create)
    event.listen(papers, "before_drop", _drop)


def _create(_papers: Table, connection: Connection, **_more: object) -> None:
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)


def _drop(_papers: Table, connection: Connection, **_more: object) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {FTS_TABLE}")


def is_ours(name: str | None) -> bool:
    """Whether a table or index that a database has belongs to the full-text index."""
    return name is not None and (name in (FTS_TABLE, FTS_COLUMN, FTS_INDEX) or name.startswith(FTS_TABLE + "_"))
