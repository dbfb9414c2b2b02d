"""The rows behind an ingestion: papers, listings, votes over time, runs and watermarks. Nobody else writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, func, select, update

from digest.db.engine import insert, is_postgresql
from digest.db.tables import RunOutcome, listings, papers, readings, source_runs, watermarks
from digest.papers import merge
from digest.papers.clean import CleanPaper, clean
from digest.sources.base import DayRead, RawPaper, Source

_PAGE = 200  # rows a statement
_RUNS_LOOKED_AT = timedelta(days=90)
_COMPLETED_WITHIN = timedelta(days=14)
_HISTORY_AFTER = timedelta(days=14)  # no digest reaches back further
_STORING = 0x0D16E57  # any number that nothing else locks


@dataclass(frozen=True, slots=True)
class Counts:
    new: int = 0
    revised: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


class Run(Protocol):
    """What a row of source_runs tells."""

    @property
    def day(self) -> date: ...
    @property
    def outcome(self) -> RunOutcome: ...
    @property
    def reason(self) -> str: ...
    @property
    def fetched(self) -> int: ...
    @property
    def new(self) -> int: ...
    @property
    def revised(self) -> int: ...
    @property
    def skipped(self) -> dict[str, int]: ...


def take_turn(connection: Connection) -> None:
    """Let stores follow each other, so that papers become visible in the order of `first_seen_at`.

    An edition remembers the newest one it could read; were an older one to appear after that, no reader would get it.
    """
    if is_postgresql(connection):  # on SQLite the transaction itself is the only writer
        connection.execute(select(func.pg_advisory_xact_lock(_STORING)))


def store(connection: Connection, source: str, given: Sequence[RawPaper], day: date, now: datetime) -> Counts:
    """Insert, complete and list these records. A second time it changes nothing."""
    skipped: Counter[str] = Counter()
    sound: dict[str, CleanPaper] = {}
    for raw in given:
        paper = clean(raw, source, day)
        if isinstance(paper, str):
            skipped[paper] += 1
        elif paper.key in sound:
            skipped["twice in the list"] += 1
        else:
            sound[paper.key] = paper
    before = _rows(connection, list(sound))
    fresh = []
    for key, paper in sound.items():
        if key in before:
            continue
        if reason := _unwanted(paper):
            skipped[reason] += 1
        else:
            fresh.append(paper)
    new = _insert(connection, source, fresh, now)
    rows = before | _rows(connection, [paper.key for paper in fresh])
    revised = sum(
        _update(connection, rows[key], paper, source, now)
        for key, paper in sound.items()
        if key in rows and key not in new
    )
    _list(
        connection,
        source,
        [(paper, rows[key]["id"]) for key, paper in sound.items() if key in rows and not paper.is_revision],
        now,
    )
    return Counts(len(new), revised, skipped)


def _unwanted(paper: CleanPaper) -> str:
    """Why an unknown paper is not taken in, or nothing."""
    if paper.is_withdrawn:
        return "withdrawn"
    return "a new version of a paper that was never listed here" if paper.is_revision else ""


def _rows(connection: Connection, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    ordered = sorted(keys)  # everyone locks in the same order
    for at in range(0, len(ordered), _PAGE):
        statement = (
            select(papers).where(papers.c.key.in_(ordered[at : at + _PAGE])).order_by(papers.c.key).with_for_update()
        )
        found |= {row["key"]: dict(row) for row in connection.execute(statement).mappings()}
    return found


def _insert(connection: Connection, source: str, fresh: Sequence[CleanPaper], now: datetime) -> set[str]:
    """The keys that were new; one that another process inserted meanwhile is not."""
    ordered = sorted(fresh, key=lambda paper: paper.key)
    added: dict[str, int] = {}
    for at in range(0, len(ordered), _PAGE):
        rows = [_as_row(paper, source, now) for paper in ordered[at : at + _PAGE]]
        statement = (
            insert(connection, papers)
            .values(rows)
            .on_conflict_do_nothing(index_elements=["key"])
            .returning(papers.c.key, papers.c.id)
        )
        added |= {row.key: row.id for row in connection.execute(statement)}
    counted = [
        paper for paper in ordered if paper.key in added and (paper.votes is not None or paper.comments is not None)
    ]
    if counted:
        counts = [
            {"paper_id": added[paper.key], "read_at": now, "votes": paper.votes, "comments": paper.comments}
            for paper in counted
        ]
        connection.execute(insert(connection, readings).on_conflict_do_nothing(), counts)
    return set(added)


def _as_row(paper: CleanPaper, source: str, now: datetime) -> dict[str, Any]:
    plain = (
        "key",
        "title",
        "abstract",
        "gist",
        "organization",
        "published_on",
        "listed_on",
        "votes",
        "comments",
        "code_url",
        "code_stars",
        "project_url",
    )
    lists = {name: list(getattr(paper, name)) for name in ("authors", "categories", "keywords")}
    return (
        {name: getattr(paper, name) for name in plain}
        | lists
        | {"first_seen_at": _first_seen(paper.listed_on, now), "source": source}
    )


def _first_seen(listed_on: date, now: datetime) -> datetime:
    """Now; but what a back-fill brings from long ago counts as seen on its day: it is nobody's news of today."""
    if listed_on >= (now - _HISTORY_AFTER).date():
        return now
    return datetime.combine(listed_on, time(), UTC)


def _update(connection: Connection, row: dict[str, Any], paper: CleanPaper, source: str, now: datetime) -> bool:
    """Whether the text was revised by its own source. Better text of another source is no revision."""
    changed = merge.changes(row, paper, source)
    is_revised = bool(changed.keys() & {"title", "abstract"}) and row["source"] == source
    if is_revised:
        changed["revised_at"] = now
    if paper.is_withdrawn and row["withdrawn_at"] is None:
        changed["withdrawn_at"] = now
    if not paper.is_revision and paper.listed_on < row["listed_on"]:
        changed["listed_on"] = paper.listed_on
    if changed:
        connection.execute(update(papers).where(papers.c.id == row["id"]).values(**changed))
    if changed.keys() & {"votes", "comments"}:
        counts = {"votes": changed.get("votes", row["votes"]), "comments": changed.get("comments", row["comments"])}
        statement = insert(connection, readings).values(paper_id=row["id"], read_at=now, **counts)
        connection.execute(statement.on_conflict_do_update(index_elements=["paper_id", "read_at"], set_=counts))
    return is_revised


def _list(connection: Connection, source: str, found: Sequence[tuple[CleanPaper, int]], now: datetime) -> None:
    rows = [
        {"source": source, "listed_on": paper.listed_on, "paper_id": id_, "first_seen_at": now} for paper, id_ in found
    ]
    if rows:
        connection.execute(insert(connection, listings).on_conflict_do_nothing(), rows)


# --- completing another source's papers -------------------------------------------------------------------------------


def incomplete_keys(connection: Connection, source: str, now: datetime, limit: int) -> list[str]:
    """Recent papers whose text is another source's and that were never looked up, newest first."""
    is_recent = papers.c.first_seen_at > now - _COMPLETED_WITHIN
    is_open = (
        papers.c.looked_up_at.is_(None)
        & (papers.c.source != source)
        & papers.c.key.not_like("file:%")
        & papers.c.withdrawn_at.is_(None)
    )
    return list(
        connection.scalars(select(papers.c.key).where(is_recent, is_open).order_by(papers.c.id.desc()).limit(limit))
    )


def complete(
    connection: Connection, source: str, given: Sequence[RawPaper], asked: Sequence[str], now: datetime
) -> int:
    """Take over what these records say better, and note that all of `asked` were looked up. Lists nothing."""
    found = {paper.key: paper for raw in given if isinstance(paper := clean(raw, source, now.date()), CleanPaper)}
    rows = _rows(connection, [key for key in found if key in set(asked)])
    for key, row in rows.items():
        paper = found[key]
        changed = merge.changes(row, paper, source) | (
            {"withdrawn_at": now} if paper.is_withdrawn and row["withdrawn_at"] is None else {}
        )
        if changed:
            connection.execute(update(papers).where(papers.c.id == row["id"]).values(**changed))
    for at in range(0, len(asked), _PAGE):
        connection.execute(update(papers).where(papers.c.key.in_(asked[at : at + _PAGE])).values(looked_up_at=now))
    return len(rows)


# --- runs -------------------------------------------------------------------------------------------------------------


def add_run(
    connection: Connection, source: str, run: Run, now: datetime, *, is_final: bool, retry_at: datetime | None = None
) -> None:
    counts = {"fetched": run.fetched, "new": run.new, "revised": run.revised, "skipped": run.skipped}
    when = {"started_at": now, "finished_at": now, "retry_at": retry_at}
    connection.execute(
        source_runs.insert().values(
            source=source, asked_on=run.day, outcome=run.outcome, is_final=is_final, reason=run.reason, **counts, **when
        )
    )


def days_read(connection: Connection, source: str, now: datetime) -> dict[date, DayRead]:
    """How each recent day was last read without failure.

    A mistyped day far ahead, or what a clock that ran ahead wrote down, must not make it seem that all has been read.
    """
    c, tomorrow = source_runs.c, now.astimezone(UTC).date() + timedelta(days=1)  # it has begun in the east
    is_past = (c.source == source) & (c.asked_on <= tomorrow) & (c.started_at <= now)
    newest = connection.scalar(select(func.max(c.asked_on)).where(is_past))
    if newest is None:
        return {}
    is_wanted = is_past & (c.outcome != RunOutcome.FAILED) & (c.asked_on > newest - _RUNS_LOOKED_AT)
    rows = connection.execute(select(c.asked_on, c.started_at, c.is_final).where(is_wanted).order_by(c.id))
    return {day: DayRead(at, is_final) for day, at, is_final in rows}


def failures_in_a_row(connection: Connection, source: str) -> int:
    last = connection.scalars(
        select(source_runs.c.outcome).where(source_runs.c.source == source).order_by(source_runs.c.id.desc()).limit(10)
    )
    count = 0
    for outcome in last:
        if outcome != RunOutcome.FAILED:
            break
        count += 1
    return count


def pause(connection: Connection, source: str, now: datetime) -> str:
    """Why the source is left alone for now after a failure; empty when it may be asked."""
    statement = select(source_runs).where(source_runs.c.source == source).order_by(source_runs.c.id.desc()).limit(1)
    last = connection.execute(statement).one_or_none()
    if (
        last is None
        or last.outcome != RunOutcome.FAILED
        or last.retry_at is None
        or not last.started_at <= now < last.retry_at
    ):
        return ""
    return (
        f"failed ({last.reason}); asked again after {last.retry_at:%Y-%m-%d %H:%M} UTC, "
        f"or now by `digest ingest --source {source} --date {last.asked_on}`"
    )


def advance_watermark(connection: Connection, source: Source, now: datetime) -> date | None:
    """Move the mark over every day that was read to its end, without a gap; returns where it stands."""
    read = days_read(connection, source.name, now)
    mark = connection.scalar(select(watermarks.c.complete_to_on).where(watermarks.c.source == source.name))
    day = mark or min(read, default=now.date()) - timedelta(days=1)
    while (after := day + timedelta(days=1)) < now.date() and (
        (after in read and read[after].is_final) or (after.weekday() >= 5 and source.quiet_reason(after))
    ):
        day = after
    if mark is None or day > mark:
        statement = insert(connection, watermarks).values(source=source.name, complete_to_on=day)
        connection.execute(statement.on_conflict_do_update(index_elements=["source"], set_={"complete_to_on": day}))
    return day
