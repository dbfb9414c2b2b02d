"""Subscribers in and out of files: CSV that opens safely in a spreadsheet, or JSON lines; any number, in little memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, select

from digest.db.engine import among, insert, inserting
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
_KNOWN = frozenset(COLUMNS)
BATCH = 1000
MOST_BAD_SHOWN = 1000
MOST_UNREAD = 50


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """rows = added + left out + bad. `bad` holds the first thousand, `unread` names of columns that mean nothing here."""

    rows: int = 0
    added: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    bad_rows: int = 0
    bad: list[BadRow] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)


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
    far as row or database know. BATCH rows are one transaction: run again after an interruption, it goes on.
    Raises TransferRefused where the file as a whole cannot be read.
    """
    with engine.begin() as connection:
        store = _Store(engine, hasher(connection, now), now, is_active, source)
    read, report = partial(_read, base=base, own=frozenset(own), today=now.date()), store.report
    with ThreadPoolExecutor(1, thread_name_prefix="import") as storing:  # one batch is stored while the next is read
        pending = storing.submit(lambda: 0)  # nothing is stored yet
        for batch in _batches(lines, read, report):
            progress(pending.result())
            pending = storing.submit(store.add, batch, report.rows)
        progress(pending.result())
    return report


def _batches(
    lines: Iterable[str], read: Callable[[dict[str, Any]], _Entry | str], report: ImportReport
) -> Iterator[list[_Entry]]:
    """The rows that can be read, BATCH at a time; the others go into the report."""
    batch: list[_Entry] = []
    for line, given in rows(lines):
        report.rows += 1
        if not isinstance(given, str) and not given.keys() <= _KNOWN and len(report.unread) < MOST_UNREAD:
            report.unread |= given.keys() - _KNOWN - {""}
        entry = given if isinstance(given, str) else read(given)
        if isinstance(entry, str):
            report.bad_rows += 1
            if len(report.bad) < MOST_BAD_SHOWN:
                report.bad.append(BadRow(line, entry))
            continue
        batch.append(entry)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def _read(fields: dict[str, Any], base: Preferences, own: frozenset[str], today: date) -> _Entry | str:
    """The entry of a row, or why there is none."""
    wanted = preferences.parse(fields, base, today)
    if not isinstance(wanted, Preferences):
        return "; ".join(f"{name}: {why}" for name, why in wanted.items())
    try:
        address = parse(str(fields.get("email") or ""), own)
        confirmed_at = _instant(fields.get("confirmed_at"))
        status = _status(fields)
    except ValueError as error:
        return str(error)
    consent = preferences.clean(str(fields.get("consent") or ""))
    return _Entry(address, wanted, status, confirmed_at, consent)


def _status(fields: dict[str, Any]) -> str:
    """In our words, or empty. Another list's "bounced" or "cleaned" must not become a reader, nor a pause without an end."""
    status = str(fields.get("status") or "").strip().lower()
    if status and status not in list(Status):
        raise ValueError(f"status: use one of {', '.join(Status)}, or leave it empty for a reader")
    if status == Status.PAUSED and not fields.get("paused_until"):
        raise ValueError("paused_until: say until when; a pause without an end is kept as unsubscribed")
    return status


def _instant(given: object) -> datetime | None:
    if not given:
        return None
    try:
        at = datetime.fromisoformat(str(given).strip().replace("Z", "+00:00"))
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the year 1 far east of Greenwich is no year in UTC
        raise ValueError("confirmed_at: use a time like 2026-06-09T07:00:00Z") from None


@dataclass
class _Store:
    """Adds batches of entries, each in one transaction, and keeps count of what became of them."""

    engine: Engine
    hash_of: Hasher
    now: datetime
    is_active: bool
    source: str
    report: ImportReport = field(default_factory=ImportReport)

    def add(self, batch: list[_Entry], rows_read: int) -> int:
        """Returns `rows_read`: how far the file has been stored."""
        with self.engine.begin() as connection:
            wanted = self._wanted(connection, batch)
            added = _insert(connection, [self._row(entry) for entry in wanted.values()])
            self._write_consents(connection, added, wanted)
            if not self.is_active:
                _write_letters(connection, list(added.values()), self.now)
        self.report.added += len(added)
        self.report.left_out["already there"] += len(wanted) - len(added)
        return rows_read

    def _wanted(self, connection: Connection, batch: list[_Entry]) -> dict[str, _Entry]:
        """Key -> entry of those that shall be added; why the others stay out goes into the report."""
        keys, c = [entry.address.key for entry in batch], subscribers.c
        statement = select(c.email_key, c.status).where(among(connection, c.email_key, keys))
        known = {row.email_key: row.status for row in connection.execute(statement)}
        hashes = [self.hash_of(entry.address) for entry in batch]
        suppressed = suppressed_among(connection, hashes)
        found: dict[str, _Entry] = {}
        for entry, key, email_hash in zip(batch, keys, hashes, strict=True):
            if entry.status == Status.SUPPRESSED and email_hash not in suppressed:
                _suppress(connection, email_hash, self.now)
                suppressed.add(email_hash)
            if reason := self._reason_to_leave_out(entry, email_hash in suppressed, known.get(key), key in found):
                self.report.left_out[reason] += 1
            else:
                found[key] = entry
        return found

    def _reason_to_leave_out(self, entry: _Entry, is_suppressed: bool, known_as: str | None, is_double: bool) -> str:
        if is_suppressed or known_as == Status.SUPPRESSED:
            return "suppressed"
        if Status.UNSUBSCRIBED in (entry.status, known_as):
            return "has unsubscribed"
        if known_as or is_double:
            return "already there"
        if self.is_active and entry.status == Status.PENDING:
            return "never confirmed"
        return ""

    def _row(self, entry: _Entry) -> dict[str, Any]:
        if not self.is_active:
            row = new_row(entry.address, entry.preferences, Status.PENDING, self.now)
            return row | {"confirmed_at": None, "due_at": None}
        status = Status.PAUSED if entry.preferences.paused_until else Status.ACTIVE
        due_at = next_due(entry.preferences, self.now, None)[1]
        times = {"confirmed_at": entry.confirmed_at or self.now, "due_at": due_at}
        return new_row(entry.address, entry.preferences, status, self.now) | times

    def _write_consents(self, connection: Connection, added: dict[str, int], wanted: dict[str, _Entry]) -> None:
        rows = [
            {
                "subscriber_id": id,
                "at": (wanted[key].confirmed_at or self.now) if self.is_active else self.now,
                "event": "imported" if self.is_active else "asked",
                "wording": (wanted[key].consent if self.is_active else "") or self.source,
                "client": "",
            }
            for key, id in added.items()
        ]
        if rows:
            connection.execute(*inserting(connection, consents, rows))


def _suppress(connection: Connection, email_hash: str, now: datetime) -> None:
    row = {
        "email_hash": email_hash,
        "reason": Reason.REQUEST,
        "detail": "suppressed where it was imported from",
        "at": now,
    }
    connection.execute(insert(connection, suppressions).values(row).on_conflict_do_nothing())


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> dict[str, int]:
    """Key -> id of those that were added; somebody may have subscribed at the same moment."""
    if not rows:
        return {}
    statement, parameters = inserting(connection, subscribers, rows)
    new = statement.on_conflict_do_nothing(index_elements=["email_key"])
    added = connection.execute(new.returning(subscribers.c.email_key, subscribers.c.id), parameters)
    return {row.email_key: row.id for row in added}


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
