"""Who is due is found in the order in which planning goes: before, each page sorted all who were due."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IS_READER = text("status = 'active' OR status = 'paused'")


def upgrade() -> None:
    op.drop_index("ix_subscribers_due", "subscribers")
    op.create_index("ix_subscribers_status", "subscribers", ["status"])
    op.create_index(
        "ix_subscribers_due", "subscribers", ["due_at", "id"], postgresql_where=IS_READER, sqlite_where=IS_READER
    )
