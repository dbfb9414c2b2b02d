"""Profiles and paper vectors, kept between rankings; how many likes a model was fitted on."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, Float, ForeignKey, Integer, LargeBinary, PrimaryKeyConstraint

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Id = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("models", Column("likes", Integer))
    paper = ForeignKey("papers.id", name="fk_paper_vectors_paper_id")
    op.create_table(
        "paper_vectors",
        Column("version", Integer, nullable=False),
        Column("paper_id", Id, paper, nullable=False),
        Column("vector", LargeBinary, nullable=False),
        PrimaryKeyConstraint("version", "paper_id", name="pk_paper_vectors"),
    )
    reader = ForeignKey("subscribers.id", name="fk_profiles_subscriber_id", ondelete="CASCADE")
    op.create_table(
        "profiles",
        Column("subscriber_id", Id, reader, nullable=False),
        Column("version", Integer, nullable=False),
        Column("feedback_at", DateTime(timezone=True), nullable=False),
        Column("summed_at", Float, nullable=False),
        Column("told", LargeBinary, nullable=False),
        Column("vector", LargeBinary, nullable=False),
        PrimaryKeyConstraint("subscriber_id", name="pk_profiles"),
    )
