"""The first schema, as it was released; what changes from here on is a migration of its own."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Id = BigInteger().with_variant(Integer(), "sqlite")
Json = JSON().with_variant(JSONB(), "postgresql")
At = DateTime(timezone=True)


def upgrade() -> None:
    _papers()
    _full_text()
    _subscribers()
    _ranking()
    _ledger()
    _running()


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=text(where), sqlite_where=text(where))


def _papers() -> None:
    op.create_table(
        "papers",
        Column("id", Id, nullable=False),
        Column("key", String(200), nullable=False),
        Column("title", Text, nullable=False),
        Column("abstract", Text, nullable=False),
        Column("gist", Text),
        Column("authors", Json, nullable=False),
        Column("organization", Text),
        Column("categories", Json, nullable=False),
        Column("keywords", Json, nullable=False),
        Column("published_on", Date),
        Column("listed_on", Date, nullable=False),
        Column("first_seen_at", At, nullable=False),
        Column("revised_at", At),
        Column("votes", Integer),
        Column("comments", Integer),
        Column("code_url", Text),
        Column("code_stars", Integer),
        Column("project_url", Text),
        Column("source", String(40), nullable=False),
        Column("withdrawn_at", At),
        Column("looked_up_at", At),
        PrimaryKeyConstraint("id", name="pk_papers"),
        UniqueConstraint("key", name="uq_papers_key"),
    )
    op.create_index("ix_papers_first_seen_at", "papers", ["first_seen_at"])
    op.create_index("ix_papers_listed_on", "papers", ["listed_on"])
    op.create_table(
        "listings",
        Column("source", String(40), nullable=False),
        Column("listed_on", Date, nullable=False),
        Column("paper_id", Id, ForeignKey("papers.id", name="fk_listings_paper_id"), nullable=False),
        Column("first_seen_at", At, nullable=False),
        PrimaryKeyConstraint("source", "listed_on", "paper_id", name="pk_listings"),
    )
    op.create_index("ix_listings_listed_on", "listings", ["listed_on"])
    op.create_index("ix_listings_paper_id", "listings", ["paper_id"])
    op.create_table(
        "readings",
        Column("paper_id", Id, ForeignKey("papers.id", name="fk_readings_paper_id"), nullable=False),
        Column("read_at", At, nullable=False),
        Column("votes", Integer),
        Column("comments", Integer),
        PrimaryKeyConstraint("paper_id", "read_at", name="pk_readings"),
    )
    op.create_table(
        "source_runs",
        Column("id", Id, nullable=False),
        Column("source", String(40), nullable=False),
        Column("asked_on", Date, nullable=False),
        Column("started_at", At, nullable=False),
        Column("finished_at", At),
        Column("outcome", String(20), nullable=False),
        Column("is_final", Boolean, nullable=False),
        Column("reason", Text, nullable=False),
        Column("fetched", Integer, nullable=False),
        Column("new", Integer, nullable=False),
        Column("revised", Integer, nullable=False),
        Column("skipped", Json, nullable=False),
        Column("retry_at", At),
        PrimaryKeyConstraint("id", name="pk_source_runs"),
    )
    op.create_index("ix_source_runs_source_asked_on", "source_runs", ["source", "asked_on"])
    op.create_index("ix_source_runs_started_at", "source_runs", ["started_at"])
    op.create_table(
        "watermarks",
        Column("source", String(40), nullable=False),
        Column("complete_to_on", Date, nullable=False),
        PrimaryKeyConstraint("source", name="pk_watermarks"),
    )
    op.create_table(
        "http_cache",
        Column("url", String(2000), nullable=False),
        Column("etag", Text),
        Column("last_modified", Text),
        Column("body", LargeBinary, nullable=False),
        Column("fetched_at", At, nullable=False),
        PrimaryKeyConstraint("url", name="pk_http_cache"),
    )
    op.create_table(
        "pacing",
        Column("host", String(255), nullable=False),
        Column("held_until", Float, nullable=False),
        Column("free_at", Float, nullable=False),
        PrimaryKeyConstraint("host", name="pk_pacing"),
    )


_WORDS = "title, authors, organization, abstract, keywords"


def _full_text() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in _postgresql_full_text() if postgresql else _sqlite_full_text():
        op.get_bind().exec_driver_sql(statement)


def _sqlite_full_text() -> tuple[str, ...]:
    def values(row: str) -> str:
        def spelt(name: str) -> str:  # JSON is stored with letters escaped
            return f"(SELECT group_concat(value, ' ') FROM json_each({row}.{name}))"  # noqa: S608

        return f"{row}.title, {spelt('authors')}, {row}.organization, {row}.abstract, {spelt('keywords')}"

    put = f"INSERT INTO papers_words(rowid, {_WORDS}) VALUES (new.id, {values('new')});"  # noqa: S608
    take = f"INSERT INTO papers_words(papers_words, rowid, {_WORDS}) VALUES ('delete', old.id, {values('old')});"  # noqa: S608
    return (
        f"CREATE VIRTUAL TABLE papers_words USING fts5({_WORDS}, content='papers', content_rowid='id', "
        "tokenize='porter unicode61 remove_diacritics 2')",
        f"CREATE TRIGGER papers_words_added AFTER INSERT ON papers BEGIN {put} END",
        f"CREATE TRIGGER papers_words_changed AFTER UPDATE OF {_WORDS} ON papers BEGIN {take} {put} END",
        f"CREATE TRIGGER papers_words_gone AFTER DELETE ON papers BEGIN {take} END",
    )


def _postgresql_full_text() -> tuple[str, ...]:
    def weighed(column: str, weight: str) -> str:
        """Without accents and with blanks for signs, so that `multi-modal` is two words here as in FTS5."""
        accents = f"regexp_replace(normalize(coalesce({column}, ''), NFKD), U&'[\\0300-\\036F]', '', 'g')"
        folded = f"translate({accents}, '-_/.,:;()[]{{}}@#&+=~<>|\\\"''`*', repeat(' ', 30))"
        return f"setweight(to_tsvector('english', {folded}), '{weight}')"

    weights = {"title": "A", "authors::text": "B", "organization": "B", "keywords::text": "C", "abstract": "D"}
    vector = " || ".join(weighed(column, weight) for column, weight in weights.items())
    return (
        f"ALTER TABLE papers ADD COLUMN words tsvector GENERATED ALWAYS AS ({vector}) STORED",
        "CREATE INDEX ix_papers_words ON papers USING gin (words)",
    )


def _subscribers() -> None:
    op.create_table(
        "subscribers",
        Column("id", Id, nullable=False),
        Column("email", String(320), nullable=False),
        Column("email_key", String(400), nullable=False),
        Column("limit_key", String(400), nullable=False),
        Column("status", String(20), nullable=False),
        Column("topics", Json, nullable=False),
        Column("muted", Json, nullable=False),
        Column("authors", Json, nullable=False),
        Column("organisations", Json, nullable=False),
        Column("cadence", String(20), nullable=False),
        Column("hour", SmallInteger, nullable=False),
        Column("timezone", String(64), nullable=False),
        Column("size", SmallInteger, nullable=False),
        Column("language", String(8), nullable=False),
        Column("quiet", String(8), nullable=False),
        Column("paused_until", Date),
        Column("due_at", At),
        Column("planned_to_on", Date),
        Column("created_at", At, nullable=False),
        Column("confirmed_at", At),
        Column("left_at", At),
        Column("generation", Integer, nullable=False),
        Column("pending_email", String(320)),
        Column("soft_bounces", Float, nullable=False),
        Column("soft_bounced_at", At),
        Column("feedback_at", At),
        PrimaryKeyConstraint("id", name="pk_subscribers"),
        UniqueConstraint("email_key", name="uq_subscribers_email_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_subscribers_due", "subscribers", ["status", "due_at"])
    op.create_index("ix_subscribers_limit_key", "subscribers", ["limit_key"])
    _partial("ix_subscribers_moving", "subscribers", ["pending_email"], "pending_email IS NOT NULL")
    _partial("ix_subscribers_paused", "subscribers", ["paused_until"], "status = 'paused'")
    _partial("ix_subscribers_pending", "subscribers", ["created_at"], "status = 'pending'")
    _partial("ix_subscribers_unknown", "subscribers", ["left_at"], "confirmed_at IS NULL")
    op.create_table(
        "consents",
        Column("id", Id, nullable=False),
        Column(
            "subscriber_id",
            Id,
            ForeignKey("subscribers.id", name="fk_consents_subscriber_id", ondelete="CASCADE"),
            nullable=False,
        ),
        Column("at", At, nullable=False),
        Column("event", String(40), nullable=False),
        Column("wording", Text, nullable=False),
        Column("client", String(64), nullable=False),
        PrimaryKeyConstraint("id", name="pk_consents"),
    )
    op.create_index("ix_consents_at", "consents", ["at"])
    op.create_index("ix_consents_subscriber_id", "consents", ["subscriber_id"])
    op.create_table(
        "suppressions",
        Column("email_hash", String(64), nullable=False),
        Column("reason", String(40), nullable=False),
        Column("detail", Text, nullable=False),
        Column("at", At, nullable=False),
        PrimaryKeyConstraint("email_hash", name="pk_suppressions"),
    )


def _ranking() -> None:
    op.create_table(
        "models",
        Column("version", Integer, autoincrement=False, nullable=False),
        Column("fitted_at", At, nullable=False),
        Column("papers", Integer, nullable=False),
        Column("text", LargeBinary, nullable=False),
        Column("crowd", LargeBinary, nullable=False),
        PrimaryKeyConstraint("version", name="pk_models"),
    )
    op.create_table(
        "votes",
        Column(
            "subscriber_id",
            Id,
            ForeignKey("subscribers.id", name="fk_votes_subscriber_id", ondelete="CASCADE"),
            nullable=False,
        ),
        Column("paper_id", Id, ForeignKey("papers.id", name="fk_votes_paper_id"), nullable=False),
        Column("direction", SmallInteger, nullable=False),
        Column("at", At, nullable=False),
        PrimaryKeyConstraint("subscriber_id", "paper_id", name="pk_votes"),
    )
    op.create_index("ix_votes_at", "votes", ["at"])
    op.create_index("ix_votes_paper_id", "votes", ["paper_id"])
    op.create_table(
        "clicks",
        Column(
            "subscriber_id",
            Id,
            ForeignKey("subscribers.id", name="fk_clicks_subscriber_id", ondelete="CASCADE"),
            nullable=False,
        ),
        Column("paper_id", Id, ForeignKey("papers.id", name="fk_clicks_paper_id"), nullable=False),
        Column("at", At, nullable=False),
        PrimaryKeyConstraint("subscriber_id", "paper_id", name="pk_clicks"),
    )
    op.create_index("ix_clicks_at", "clicks", ["at"])
    op.create_index("ix_clicks_paper_id", "clicks", ["paper_id"])


def _ledger() -> None:
    op.create_table(
        "deliveries",
        Column("id", Id, nullable=False),
        Column(
            "subscriber_id", Id, ForeignKey("subscribers.id", name="fk_deliveries_subscriber_id", ondelete="SET NULL")
        ),
        Column("mail", String(20), nullable=False),
        Column("dated_on", Date),
        Column("edition_kind", String(20)),
        Column("status", String(12), nullable=False),
        Column("reason", Text),
        Column("attempts", SmallInteger, nullable=False),
        Column("planned_at", At, nullable=False),
        Column("mailed_at", At),
        Column("doubts", SmallInteger, nullable=False),
        Column("crashes", SmallInteger, nullable=False),
        Column("next_try_at", At, nullable=False),
        Column("expires_at", At),
        Column("worker", String(80)),
        Column("lease_until", Float),
        Column("reply_code", SmallInteger),
        Column("reply_status", String(12)),
        Column("finished_at", At),
        Column("context", Json),
        PrimaryKeyConstraint("id", name="pk_deliveries"),
        UniqueConstraint("subscriber_id", "dated_on", name="uq_deliveries_subscriber_id_dated_on"),
        sqlite_autoincrement=True,
    )
    _partial(
        "ix_deliveries_claimable",
        "deliveries",
        ["next_try_at", "id"],
        "(status = 'waiting' OR status = 'deferred') AND mail = 'digest'",
    )
    _partial("ix_deliveries_claimed", "deliveries", ["worker"], "status = 'claimed'")
    op.create_index("ix_deliveries_dated_on_status", "deliveries", ["dated_on", "status"])
    _partial(
        "ix_deliveries_finished_letters", "deliveries", ["finished_at"], "mail != 'digest' AND finished_at IS NOT NULL"
    )
    _partial(
        "ix_deliveries_letters",
        "deliveries",
        ["next_try_at", "id"],
        "(status = 'waiting' OR status = 'deferred') AND mail != 'digest'",
    )
    _partial("ix_deliveries_planned", "deliveries", ["id"], "status = 'planned'")
    _partial("ix_deliveries_suspect", "deliveries", ["id"], "status = 'planned' AND crashes > 0")
    op.create_table(
        "editions",
        Column(
            "delivery_id",
            Id,
            ForeignKey("deliveries.id", name="fk_editions_delivery_id", ondelete="CASCADE"),
            nullable=False,
        ),
        Column(
            "subscriber_id",
            Id,
            ForeignKey("subscribers.id", name="fk_editions_subscriber_id", ondelete="CASCADE"),
            nullable=False,
        ),
        Column("dated_on", Date, nullable=False),
        Column("kind", String(20), nullable=False),
        Column("picks", Json, nullable=False),
        Column("weighed", Integer, nullable=False),
        Column("covers_from", Date, nullable=False),
        Column("covers_to", Date, nullable=False),
        Column("next_on", Date),
        Column("frozen_at", At, nullable=False),
        Column("read_to_at", At),
        Column("quiet_reason", Text),
        PrimaryKeyConstraint("delivery_id", name="pk_editions"),
    )
    op.create_index("ix_editions_subscriber_id_dated_on", "editions", ["subscriber_id", "dated_on"])
    op.create_table(
        "seen_papers",
        Column(
            "subscriber_id",
            Id,
            ForeignKey("subscribers.id", name="fk_seen_papers_subscriber_id", ondelete="CASCADE"),
            nullable=False,
        ),
        Column("paper_id", Id, nullable=False),
        Column("delivery_id", Id, nullable=False),
        Column("seen_on", Date, nullable=False),
        PrimaryKeyConstraint("subscriber_id", "paper_id", name="pk_seen_papers"),
    )
    op.create_index("ix_seen_papers_delivery_id", "seen_papers", ["delivery_id"])
    op.create_index("ix_seen_papers_seen_on", "seen_papers", ["seen_on"])


def _running() -> None:
    op.create_table(
        "bounces",
        Column("id", Id, nullable=False),
        Column("subscriber_id", Id, ForeignKey("subscribers.id", name="fk_bounces_subscriber_id", ondelete="SET NULL")),
        Column("delivery_id", Id),
        Column("kind", String(20), nullable=False),
        Column("status", String(12)),
        Column("detail", Text, nullable=False),
        Column("at", At, nullable=False),
        Column("digest", String(64), nullable=False),
        PrimaryKeyConstraint("id", name="pk_bounces"),
        UniqueConstraint("digest", name="uq_bounces_digest"),
    )
    op.create_index("ix_bounces_at", "bounces", ["at"])
    op.create_index("ix_bounces_subscriber_id", "bounces", ["subscriber_id"])
    op.create_table(
        "stage_runs",
        Column("id", Id, nullable=False),
        Column("stage", String(20), nullable=False),
        Column("started_at", At, nullable=False),
        Column("finished_at", At, nullable=False),
        Column("seconds", Float, nullable=False),
        Column("ok", Boolean, nullable=False),
        Column("counts", Json, nullable=False),
        Column("reason", Text, nullable=False),
        PrimaryKeyConstraint("id", name="pk_stage_runs"),
    )
    op.create_index("ix_stage_runs_stage_started_at", "stage_runs", ["stage", "started_at"])
    op.create_index("ix_stage_runs_started_at", "stage_runs", ["started_at"])
    op.create_table(
        "states",
        Column("name", String(80), nullable=False),
        Column("value", Json, nullable=False),
        Column("at", At, nullable=False),
        PrimaryKeyConstraint("name", name="pk_states"),
    )
