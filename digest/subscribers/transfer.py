"""Subscribers in and out of files: CSV that opens safely in a spreadsheet, or JSON lines; any number, in little memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, select

from digest.db.engine import insert, inserting
from digest.db.tables import DeliveryStatus, Mail, consents, deliveries, subscribers, suppressions
from digest.subscribers import preferences
from digest.subscribers.address import Address, parse
from digest.subscribers.letters import KEPT_FOR
from digest.subscribers.rows import LISTS, new_row, preferences_of
from digest.subscribers.schedule import next_due
from digest.subscribers.subscriber import Preferences, Status
from digest.subscribers.suppression import Hasher, Reason, hasher, suppressed_among
from digest.subscribers.tabular import csv_line, guarded, rows

COLUMNS = ("email", *preferences.NAMES, "status", "created_at", "confirmed_at", "consent")
BATCH = 1000
MOST_BAD_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """rows = added + left out + bad. `bad` holds the first thousand."""

    rows: int = 0
    added: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    bad_rows: int = 0
    bad: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    address: Address
    preferences: Preferences
    status: str
    confirmed_at: datetime | None
    consent: str


def import_subscribers(
    engine: Engine,
    lines: Iterable[str],
    now: datetime,
    *,
    is_active: bool,
    source: str,
    base: Preferences,
    own: Iterable[str] = (),
    progress: Callable[[int], None] = lambda _rows: None,
) -> ImportReport:
    """Add the rows of a CSV or JSON-lines file whose addresses are not there yet.

    Without `is_active` each is asked to confirm by mail. With it they are readers at once, and the row's `confirmed_at`
    and `consent` (or `source`, where it has none) are kept as the proof. Who is suppressed stays out, and who left, as
    far as row or database know. A thousand rows are one transaction: run again after an interruption, it goes on.
    Raises TransferRefused where the file as a whole cannot be read.
    """
    report = ImportReport()
    with engine.begin() as connection:
        hash_of = hasher(connection, now)
    read = _entry_reader(base, frozenset(own), now)
    batch: list[_Entry] = []
    for line, given in rows(lines):
        report.rows += 1
        entry = given if isinstance(given, str) else read(given)
        if isinstance(entry, str):
            report.bad_rows += 1
            if len(report.bad) < MOST_BAD_SHOWN:
                report.bad.append(BadRow(line, entry))
            continue
        batch.append(entry)
        if len(batch) == BATCH:
            _store(engine, batch, report, hash_of, now, is_active, source)
            batch = []
            progress(report.rows)
    _store(engine, batch, report, hash_of, now, is_active, source)
    progress(report.rows)
    return report


def _entry_reader(base: Preferences, own: frozenset[str], now: datetime) -> Callable[[dict[str, Any]], _Entry | str]:
    @lru_cache(maxsize=4096)
    def read_cached(*given: str | None) -> Preferences | str:
        return read_preferences(dict(zip(preferences.NAMES, given, strict=True)))

    def read_preferences(fields: dict[str, Any]) -> Preferences | str:
        read = preferences.parse(fields, base, now.date())
        return read if isinstance(read, Preferences) else "; ".join(f"{name}: {why}" for name, why in read.items())

    def read(fields: dict[str, Any]) -> _Entry | str:
        values = [fields.get(name) for name in preferences.NAMES]
        is_text = all(value is None or isinstance(value, str) for value in values)
        wanted = read_cached(*values) if is_text else read_preferences(fields)
        if isinstance(wanted, str):
            return wanted
        try:
            address = parse(str(fields.get("email") or ""), own)
            confirmed_at = _instant(fields.get("confirmed_at"))
        except ValueError as error:
            return str(error)
        consent = preferences.clean(str(fields.get("consent") or ""))
        return _Entry(address, wanted, str(fields.get("status") or "").strip().lower(), confirmed_at, consent)

    return read


def _instant(given: object) -> datetime | None:
    if not given:
        return None
    try:
        at = datetime.fromisoformat(str(given).strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("confirmed_at: use a time like 2026-06-09T07:00:00Z") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _store(
    engine: Engine,
    batch: list[_Entry],
    report: ImportReport,
    hash_of: Hasher,
    now: datetime,
    is_active: bool,
    source: str,
) -> None:
    if not batch:
        return
    with engine.begin() as connection:
        wanted = _wanted(connection, batch, report, hash_of, now, is_active)
        rows = [_row(entry, now, is_active) for entry in wanted.values()]
        added = _insert(connection, rows)
        _write_consents(connection, added, wanted, now, is_active, source)
        if not is_active:
            _write_letters(connection, list(added.values()), now)
    report.added += len(added)
    report.left_out["already there"] += len(wanted) - len(added)


def _wanted(
    connection: Connection,
    batch: list[_Entry],
    report: ImportReport,
    hash_of: Hasher,
    now: datetime,
    is_active: bool,
) -> dict[str, _Entry]:
    """Key -> entry of those that shall be added; why the others stay out goes into the report."""
    keys = [entry.address.key for entry in batch]
    statement = select(subscribers.c.email_key, subscribers.c.status).where(subscribers.c.email_key.in_(keys))
    known = {row.email_key: row.status for row in connection.execute(statement)}
    hashes = [hash_of(entry.address) for entry in batch]
    suppressed = suppressed_among(connection, hashes)
    found: dict[str, _Entry] = {}
    for entry, email_hash in zip(batch, hashes, strict=True):
        key = entry.address.key
        if entry.status == Status.SUPPRESSED and email_hash not in suppressed:
            _suppress(connection, email_hash, now)
            suppressed.add(email_hash)
        reason = _reason_to_leave_out(entry, email_hash in suppressed, known.get(key), key in found, is_active)
        if reason:
            report.left_out[reason] += 1
        else:
            found[key] = entry
    return found


def _reason_to_leave_out(
    entry: _Entry, is_suppressed: bool, known_as: str | None, is_double: bool, is_active: bool
) -> str:
    if is_suppressed or known_as == Status.SUPPRESSED:
        return "suppressed"
    if Status.UNSUBSCRIBED in (entry.status, known_as):
        return "has unsubscribed"
    if known_as or is_double:
        return "already there"
    if is_active and entry.status == Status.PENDING:
        return "never confirmed"
    return ""


def _suppress(connection: Connection, email_hash: str, now: datetime) -> None:
    row = {
        "email_hash": email_hash,
        "reason": Reason.REQUEST,
        "detail": "suppressed where it was imported from",
        "at": now,
    }
    connection.execute(insert(connection, suppressions).values(row).on_conflict_do_nothing())


def _row(entry: _Entry, now: datetime, is_active: bool) -> dict[str, Any]:
    if not is_active:
        return new_row(entry.address, entry.preferences, Status.PENDING, now) | {"confirmed_at": None, "due_at": None}
    status = Status.PAUSED if entry.preferences.paused_until else Status.ACTIVE
    times = {"confirmed_at": entry.confirmed_at or now, "due_at": next_due(entry.preferences, now, None)[1]}
    return new_row(entry.address, entry.preferences, status, now) | times


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> dict[str, int]:
    """Key -> id of those that were added; somebody may have subscribed at the same moment."""
    if not rows:
        return {}
    statement, parameters = inserting(connection, subscribers, rows)
    new = statement.on_conflict_do_nothing(index_elements=["email_key"])
    added = connection.execute(new.returning(subscribers.c.email_key, subscribers.c.id), parameters)
    return {row.email_key: row.id for row in added}


def _write_consents(
    connection: Connection,
    added: dict[str, int],
    wanted: dict[str, _Entry],
    now: datetime,
    is_active: bool,
    source: str,
) -> None:
    rows = [
        {
            "subscriber_id": id,
            "at": (wanted[key].confirmed_at or now) if is_active else now,
            "event": "imported" if is_active else "asked",
            "wording": (wanted[key].consent if is_active else "") or source,
            "client": "",
        }
        for key, id in added.items()
    ]
    if rows:
        connection.execute(*inserting(connection, consents, rows))


def _write_letters(connection: Connection, ids: list[int], now: datetime) -> None:
    shared = {"mail": Mail.CONFIRM, "status": DeliveryStatus.WAITING, "context": {"generation": 0}}
    times = {"planned_at": now, "mailed_at": now, "next_try_at": now, "expires_at": now + KEPT_FOR}
    if ids:
        connection.execute(*inserting(connection, deliveries, [{"subscriber_id": id} | shared | times for id in ids]))


def export_subscribers(connection: Connection, form: str) -> Iterator[str]:
    """Lines of a file that `import_subscribers` reads back; `form` is csv or jsonl."""
    if form == "csv":
        yield csv_line(COLUMNS)
    proof = (
        select(consents.c.wording)
        .where(consents.c.subscriber_id == subscribers.c.id, consents.c.event.in_(("confirmed", "imported")))
        .order_by(consents.c.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    stored = connection.execution_options(yield_per=BATCH).execute(
        select(subscribers, proof.label("consent")).order_by(subscribers.c.id)
    )
    for row in stored:
        known = preferences_of(row)
        times = {
            name: getattr(row, name).isoformat() if getattr(row, name) else ""
            for name in ("created_at", "confirmed_at")
        }
        fields = {
            "email": row.email,
            **preferences.as_fields(known),
            "status": row.status,
            **times,
            "consent": row.consent or "",
        }
        if form == "csv":
            yield csv_line([guarded(fields[name]) for name in COLUMNS])
        else:
            lists = {name: list(getattr(known, name)) for name in LISTS}
            yield json.dumps(fields | lists | {"hour": known.hour, "size": known.size}, ensure_ascii=False) + "\n"
