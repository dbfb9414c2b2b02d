"""Every table of the product, and the words that its status columns may hold, on one page.

Times are aware UTC (`_at`), days are local dates (`_on`). Lists are JSON. Ids only ever grow, so ranges of ids can be
handed to workers. Leases are Unix seconds of the database's own clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    and_,
    literal_column,
    or_,
)
from sqlalchemy.dialects import postgresql


class RunOutcome(StrEnum):
    """How asking a source ended."""

    OK = "ok"
    QUIET = "quiet"  # it answered, and there is nothing; the reason says why
    UNCHANGED = "unchanged"  # 304, or the same answer as before
    FAILED = "failed"


class DeliveryStatus(StrEnum):
    """States of a row of the ledger. planned = submitted + refused + skipped + uncertain + deferred + waiting."""

    PLANNED = "planned"  # due, not ranked yet; reported as waiting
    WAITING = "waiting"  # frozen, not tried yet
    CLAIMED = "claimed"  # a worker holds it under a lease; reported as waiting, or deferred once tried
    DEFERRED = "deferred"  # tried, will be tried again
    SUBMITTED = "submitted"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    SKIPPED = "skipped"


class Mail(StrEnum):
    """Which mail a row of the ledger is. Only DIGEST rows have a date; the others answer something a person did."""

    DIGEST = "digest"
    CONFIRM = "confirm"
    ALREADY_SUBSCRIBED = "already_subscribed"
    WELCOME = "welcome"
    GOODBYE = "goodbye"
    ADDRESS_CHANGE = "address_change"
    STOPPED = "stopped"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC; SQLite keeps none of the zone by itself. Refuses a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC) if dialect.name == "postgresql" else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


Id = BigInteger().with_variant(Integer, "sqlite")
Json = JSON().with_variant(postgresql.JSONB(), "postgresql")
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[Any]:
    return Column("id", Id, primary_key=True, autoincrement=True)


# --- sources and papers -------------------------------------------------------------------------------------------

papers = Table(
    "papers",
    metadata,
    _id(),
    Column("key", String(200), nullable=False, unique=True),  # arXiv id without version, or file:NAME
    Column("title", Text, nullable=False),
    Column("abstract", Text, nullable=False),
    Column("gist", Text),
    Column("authors", Json, nullable=False),
    Column("organization", Text),
    Column("categories", Json, nullable=False),
    Column("keywords", Json, nullable=False),
    Column("published_on", Date),
    Column("listed_on", Date, nullable=False),  # the first day that any source listed it
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("revised_at", UtcDateTime),
    Column("votes", Integer),
    Column("comments", Integer),
    Column("code_url", Text),
    Column("code_stars", Integer),
    Column("project_url", Text),
    Column("source", String(40), nullable=False),  # whose text it is
    Column("withdrawn_at", UtcDateTime),
    Column("looked_up_at", UtcDateTime),  # when arXiv was asked for its own text
    Index(None, "first_seen_at"),
    Index(None, "listed_on"),
)

listings = Table(
    "listings",
    metadata,
    Column("source", String(40), primary_key=True),
    Column("listed_on", Date, primary_key=True),
    Column("paper_id", Id, ForeignKey("papers.id"), primary_key=True),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Index(None, "paper_id"),
    Index(None, "listed_on"),
)

readings = Table(  # votes over time: one row each time a source's counts had changed
    "readings",
    metadata,
    Column("paper_id", Id, ForeignKey("papers.id"), primary_key=True),
    Column("read_at", UtcDateTime, primary_key=True),
    Column("votes", Integer),
    Column("comments", Integer),
)

source_runs = Table(
    "source_runs",
    metadata,
    _id(),
    Column("source", String(40), nullable=False),
    Column("asked_on", Date, nullable=False),  # the day that was asked for
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", String(20), nullable=False),
    Column("is_final", Boolean, nullable=False),  # the list was complete; otherwise it is read again within the hour
    Column("reason", Text, nullable=False),
    Column("fetched", Integer, nullable=False, default=0),
    Column("new", Integer, nullable=False, default=0),
    Column("revised", Integer, nullable=False, default=0),
    Column("skipped", Json, nullable=False),  # reason -> count
    Column("retry_at", UtcDateTime),  # after a failure: not asked again before
    Index(None, "source", "asked_on"),
    Index(None, "started_at"),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("source", String(40), primary_key=True),
    Column("complete_to_on", Date, nullable=False),  # every day up to this one has been read to its end
)

http_cache = Table(
    "http_cache",
    metadata,
    Column("url", String(2000), primary_key=True),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("body", LargeBinary, nullable=False),  # zlib; what a 304 stands for
    Column("fetched_at", UtcDateTime, nullable=False),
)

pacing = Table(  # politeness towards a host over all processes
    "pacing",
    metadata,
    Column("host", String(255), primary_key=True),
    Column("held_until", Float, nullable=False),  # database clock; somebody is asking now
    Column("free_at", Float, nullable=False),  # database clock; when the next may ask
)

# --- subscribers --------------------------------------------------------------------------------------------------

subscribers = Table(
    "subscribers",
    metadata,
    _id(),
    Column("email", String(320), nullable=False),
    Column("email_key", String(400), nullable=False, unique=True),  # folded, for comparing
    Column("limit_key", String(400), nullable=False),  # folded further (tags, dots), only to count mails to one mailbox
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
    Column("due_at", UtcDateTime),  # next instant to plan for; null while nothing is due
    Column("planned_to_on", Date),  # the last local date that was planned or skipped
    Column("created_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime),
    Column("left_at", UtcDateTime),
    Column("generation", Integer, nullable=False, default=0),  # grows when old confirmation links must die
    Column("pending_email", String(320)),
    Column("soft_bounces", Float, nullable=False, default=0.0),
    Column("soft_bounced_at", UtcDateTime),
    Column("feedback_at", UtcDateTime),  # last vote, click or undo; later than the one before, always
    Index(None, "status"),
    Index(None, "limit_key"),
    sqlite_autoincrement=True,  # an id is never given again: old links are signed with it
)

# Partial indexes serve a query that uses these very words. Each holds the few that are looked for again and again.
IS_PENDING = subscribers.c.status == literal_column("'pending'")
IS_PAUSED = subscribers.c.status == literal_column("'paused'")
IS_READER = or_(subscribers.c.status == literal_column("'active'"), IS_PAUSED)
IS_UNKNOWN = subscribers.c.confirmed_at.is_(None)
for _name, _where, _columns in (
    ("due", IS_READER, (subscribers.c.due_at, subscribers.c.id)),  # planning goes along it, page by page
    ("pending", IS_PENDING, (subscribers.c.created_at,)),
    ("paused", IS_PAUSED, (subscribers.c.paused_until,)),
    ("unknown", IS_UNKNOWN, (subscribers.c.left_at,)),
    ("moving", subscribers.c.pending_email.is_not(None), (subscribers.c.pending_email,)),
):
    Index(f"ix_subscribers_{_name}", *_columns, postgresql_where=_where, sqlite_where=_where)

consents = Table(  # what a person agreed to, or took back, and when
    "consents",
    metadata,
    _id(),
    Column("subscriber_id", Id, ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("event", String(40), nullable=False),
    Column("wording", Text, nullable=False),
    Column("client", String(64), nullable=False, default=""),  # keyed hash of the network, never the address itself
    Index(None, "subscriber_id"),
    Index(None, "at"),
)

suppressions = Table(  # addresses that must never be mailed, as keyed hashes: they outlive "forget me"
    "suppressions",
    metadata,
    Column("email_hash", String(64), primary_key=True),
    Column("reason", String(40), nullable=False),
    Column("detail", Text, nullable=False, default=""),
    Column("at", UtcDateTime, nullable=False),
)

# --- ranking ------------------------------------------------------------------------------------------------------

models = Table(
    "models",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("fitted_at", UtcDateTime, nullable=False),
    Column("papers", Integer, nullable=False),
    Column("likes", Integer),
    Column("text", LargeBinary, nullable=False),
    Column("crowd", LargeBinary, nullable=False),
)

paper_vectors = Table(  # rows of papers that votes may come for, so that a vote needs no model at hand
    "paper_vectors",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("paper_id", Id, ForeignKey("papers.id"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32
)

profiles = Table(  # what each reader said, added up; made anew where votes, clicks or a newer model have left it behind
    "profiles",
    metadata,
    Column("subscriber_id", Id, ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, nullable=False),  # of the model in whose space the vector stands
    Column("feedback_at", UtcDateTime, nullable=False),  # the reader's own while it was made: another one means stale
    Column("summed_at", Float, nullable=False),  # Unix seconds; votes are faded to then
    Column("told", LargeBinary, nullable=False),  # the votes and clicks in it, as digest.ranking.votes packs them
    Column("vector", LargeBinary, nullable=False),  # float32
)

MORE, LESS = 1, -1  # directions of a vote: more like this, less

votes = Table(
    "votes",
    metadata,
    Column("subscriber_id", Id, ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
    Column("paper_id", Id, ForeignKey("papers.id"), primary_key=True),
    Column("direction", SmallInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "paper_id"),
    Index(None, "at"),
)

clicks = Table(
    "clicks",
    metadata,
    Column("subscriber_id", Id, ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
    Column("paper_id", Id, ForeignKey("papers.id"), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "paper_id"),
    Index(None, "at"),
)

# --- editions and the ledger --------------------------------------------------------------------------------------

deliveries = Table(  # the ledger: one row per mail; for digests one per subscriber and local date
    "deliveries",
    metadata,
    _id(),
    Column("subscriber_id", Id, ForeignKey("subscribers.id", ondelete="SET NULL")),
    Column("mail", String(20), nullable=False),
    Column("dated_on", Date),
    Column("edition_kind", String(20)),
    Column("status", String(12), nullable=False),
    Column("reason", Text),  # why skipped, refused, deferred, uncertain
    Column("attempts", SmallInteger, nullable=False, default=0),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("mailed_at", UtcDateTime),  # the Date header, fixed before the first try
    Column("doubts", SmallInteger, nullable=False, default=0),  # times nobody knew whether it had arrived
    Column("crashes", SmallInteger, nullable=False, default=0),  # workers that died with it in hand
    Column("next_try_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("worker", String(80)),  # name of the journal that holds the claim
    Column("lease_until", Float),  # database clock
    Column("reply_code", SmallInteger),
    Column("reply_status", String(12)),
    Column("finished_at", UtcDateTime),
    Column("context", Json),  # for single mails: what the template needs
    UniqueConstraint("subscriber_id", "dated_on"),
    Index(None, "dated_on", "status"),
    sqlite_autoincrement=True,  # as for subscribers
)


def _is(status: DeliveryStatus) -> ColumnElement[bool]:
    return deliveries.c.status == literal_column(f"'{status}'")


# A query must use these very words for the partial index to serve it, so both take them from here.
IS_PLANNED = _is(DeliveryStatus.PLANNED)
IS_CLAIMED = _is(DeliveryStatus.CLAIMED)
IS_TRIABLE = or_(_is(DeliveryStatus.WAITING), _is(DeliveryStatus.DEFERRED))
IS_DIGEST = deliveries.c.mail == literal_column(f"'{Mail.DIGEST}'")
IS_LETTER = deliveries.c.mail != literal_column(f"'{Mail.DIGEST}'")


IS_SUSPECT = and_(IS_PLANNED, deliveries.c.crashes > literal_column("0"))  # in hand, or was when a worker died
IS_FINISHED_LETTER = and_(IS_LETTER, deliveries.c.finished_at.is_not(None))


def _partial(name: str, where: ColumnElement[bool], *columns: str) -> None:
    Index(name, *(deliveries.c[column] for column in columns), postgresql_where=where, sqlite_where=where)


# Finished rows are nearly all of the table and leave these indexes, so looking for work stays small.
_partial("ix_deliveries_planned", IS_PLANNED, "id")
_partial("ix_deliveries_suspect", IS_SUSPECT, "id")
_partial("ix_deliveries_finished_letters", IS_FINISHED_LETTER, "finished_at")
_partial("ix_deliveries_claimable", and_(IS_TRIABLE, IS_DIGEST), "next_try_at", "id")
_partial("ix_deliveries_letters", and_(IS_TRIABLE, IS_LETTER), "next_try_at", "id")
_partial("ix_deliveries_claimed", IS_CLAIMED, "worker")

editions = Table(  # frozen content, one to one with its row of the ledger
    "editions",
    metadata,
    Column("delivery_id", Id, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    Column("dated_on", Date, nullable=False),
    Column("kind", String(20), nullable=False),
    # [[paper id, votes, votes gained, is second chance, [[reason kind, contribution, detail, paper id, liked on], ...]], ...]
    Column("picks", Json, nullable=False),
    Column("weighed", Integer, nullable=False),
    Column("covers_from", Date, nullable=False),
    Column("covers_to", Date, nullable=False),
    Column("next_on", Date),
    Column("frozen_at", UtcDateTime, nullable=False),
    Column("read_to_at", UtcDateTime),  # the newest paper weighed came in then; null once its papers are free again
    Column("quiet_reason", Text),
    Index(None, "subscriber_id", "dated_on"),
)

seen_papers = Table(  # what makes "never a paper twice to one reader" a constraint
    "seen_papers",
    metadata,
    Column("subscriber_id", Id, ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
    Column("paper_id", Id, primary_key=True),
    Column("delivery_id", Id, nullable=False),
    Column("seen_on", Date, nullable=False),
    Index(None, "seen_on"),
    Index(None, "delivery_id"),
)

# --- running it ---------------------------------------------------------------------------------------------------

bounces = Table(
    "bounces",
    metadata,
    _id(),
    Column("subscriber_id", Id, ForeignKey("subscribers.id", ondelete="SET NULL")),
    Column("delivery_id", Id),
    Column("kind", String(20), nullable=False),
    Column("status", String(12)),
    Column("detail", Text, nullable=False, default=""),
    Column("at", UtcDateTime, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # hash of the report: taking it in twice counts once
    Index(None, "subscriber_id"),
    Index(None, "at"),
)

stage_runs = Table(  # what each stage of the pipeline did
    "stage_runs",
    metadata,
    _id(),
    Column("stage", String(20), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("counts", Json, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Index(None, "stage", "started_at"),
    Index(None, "started_at"),
)

states = Table(  # small facts that all processes share: heartbeat, pause of sending, origin of a simulated clock
    "states",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
