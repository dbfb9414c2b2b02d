"""The first schema."""

from __future__ import annotations

from alembic import op

from digest.db.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Until the first release this is the schema itself; from then on it is written out and never touched again.
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    metadata.drop_all(op.get_bind())
