"""Who is due is found in the order in which planning goes: before, each page sorted all who were due."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IS_READER = text("status = 'active' OR status = 'paused'")


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.drop_index("ix_subscribers_due", "subscribers")
        op.create_index("ix_subscribers_status", "subscribers", ["status"])
        op.create_index("ix_subscribers_due", "subscribers", ["due_at", "id"], sqlite_where=IS_READER)
        return
    with op.get_context().autocommit_block():  # nobody waits; what an interrupted run left behind is made anew
        _make("ix_subscribers_status", ["status"])
        _make("ix_subscribers_due_new", ["due_at", "id"], postgresql_where=IS_READER)
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_subscribers_due")
        op.execute("ALTER INDEX ix_subscribers_due_new RENAME TO ix_subscribers_due")


def _make(name: str, columns: list[str], **options: Any) -> None:
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.create_index(name, "subscribers", columns, postgresql_concurrently=True, **options)
