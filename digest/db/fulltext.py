"""The full-text index of papers: an FTS5 table on SQLite, a generated column with a GIN index on PostgreSQL.

Migrations make both, and the database itself keeps them whenever a row of `papers` changes. They are not part of the
metadata, since they have no common shape.
"""

from __future__ import annotations

FTS_TABLE = "papers_words"
FTS_COLUMN = "words"
FTS_INDEX = "ix_papers_words"
WEIGHTS = (10.0, 6.0, 6.0, 1.0, 2.0)  # of the FTS5 columns: a hit in the title says more than one in the abstract


def is_ours(name: str | None) -> bool:
    """Whether a table or index that a database has belongs to the full-text index."""
    return name is not None and (name in (FTS_TABLE, FTS_COLUMN, FTS_INDEX) or name.startswith(FTS_TABLE + "_"))
