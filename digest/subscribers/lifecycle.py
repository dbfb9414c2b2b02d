"""Every state of a subscriber and every way from one to the next; each is part of the caller's one transaction.

pending -> active <-> paused; any of these -> unsubscribed -> active again (undo) or pending again (a new request);
any -> suppressed, for ever. What a person agreed to or took back is written down with each step, and so is the mail
that the step causes: a worker finds it in the ledger.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from digest.db.engine import insert
from digest.db.tables import Mail, bounces, consents, deliveries, states, subscribers
from digest.subscribers import letters, suppression
from digest.subscribers.address import Address, stored
from digest.subscribers.rows import columns_of, columns_of_address, new_row, preferences_of
from digest.subscribers.schedule import local_date, rescheduled
from digest.subscribers.subscriber import Preferences, Status
from digest.subscribers.tokens import ConfirmLink

REJECTED_FOR = timedelta(days=1)  # "this was not me" ends mail to that address for so long
PAUSED = "paused by the reader"
LIVING = (Status.ACTIVE, Status.PAUSED)


class Outcome(StrEnum):
    """What became of a request by link."""

    DONE = "done"
    ALREADY = "already"  # it had been done before; nothing changed
    EXPIRED = "expired"  # the link is too old; a new one can be asked for
    GONE = "gone"  # the link belongs to something that was dropped, undone or forgotten since
    TAKEN = "taken"  # the new address already has a subscription


def subscribe(
    connection: Connection, address: Address, preferences: Preferences, now: datetime, *, wording: str, client: str = ""
) -> None:
    """Take a request from the form. `wording` is what the form promised, `client` a keyed hash of where it came from.

    Tells nothing about the address: every state of it costs the same statements and one written row or more, and only
    the mail differs. Nothing is mailed beyond the limits for one mailbox.
    """
    letters.hold(connection, address)
    is_suppressed = suppression.is_suppressed(connection, address, now)
    row = _locked(connection, subscribers.c.email_key == address.key)
    is_allowed = letters.is_within_limit(connection, address, now)
    if is_suppressed or not is_allowed or (row and _wants_silence(row, now)):
        _note_silence(connection, now)
    elif row and row.status in LIVING:
        letters.write(connection, row.id, Mail.ALREADY_SUBSCRIBED, now, {})
    else:
        subscriber_id, generation = _ask(connection, row, address, preferences, now)
        _consent(connection, subscriber_id, now, "asked", wording, client)
        letters.write(connection, subscriber_id, Mail.CONFIRM, now, {"generation": generation})


def _ask(
    connection: Connection, row: Row[Any] | None, address: Address, preferences: Preferences, now: datetime
) -> tuple[int, int]:
    """A pending row with these preferences: (id, generation)."""
    if row is None:
        values = new_row(address, preferences, Status.PENDING, now)
        return connection.execute(subscribers.insert().values(values).returning(subscribers.c.id)).scalar_one(), 0
    _set(
        connection, row.id, status=Status.PENDING, due_at=None, **columns_of_address(address), **columns_of(preferences)
    )
    return row.id, row.generation


def _wants_silence(row: Row[Any], now: datetime) -> bool:
    was_rejected = row.status == Status.UNSUBSCRIBED and row.confirmed_at is None
    return row.status == Status.SUPPRESSED or (was_rejected and row.left_at > now - REJECTED_FOR)


def _note_silence(connection: Connection, now: datetime) -> None:
    # A write like on the other paths: without one the commit would be quicker, and tell what is known of an address.
    statement = insert(connection, states).values(name="unanswered_request", value=None, at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": now}))


def confirm(connection: Connection, link: ConfirmLink, now: datetime, *, wording: str, client: str = "") -> Outcome:
    """A person pressed the button behind the mailed link: active at once, and the first edition is due now."""
    row = _locked(connection, subscribers.c.id == link.subscriber_id)
    if row is None or row.generation != link.generation:
        return Outcome.GONE
    if row.status in LIVING:
        return Outcome.ALREADY
    if row.status != Status.PENDING:
        return Outcome.GONE
    if not link.is_current(now):
        return Outcome.EXPIRED
    preferences = preferences_of(row)
    _set(
        connection,
        row.id,
        status=_status_for(preferences, now),
        confirmed_at=now,
        left_at=None,
        due_at=now,
        planned_to_on=None,
        soft_bounces=0.0,
        soft_bounced_at=None,
    )
    _consent(connection, row.id, now, "confirmed", wording, client)
    context = {"cadence": preferences.cadence, "hour": preferences.hour, "timezone": preferences.timezone}
    letters.write(connection, row.id, Mail.WELCOME, now, context)
    return Outcome.DONE


def reject(connection: Connection, link: ConfirmLink, now: datetime, *, client: str = "") -> Outcome:
    """ "This was not me": the request is dropped, its links are dead, and the address is left in peace for a day."""
    row = _locked(connection, subscribers.c.id == link.subscriber_id)
    if row is None or row.generation != link.generation or row.status != Status.PENDING:
        return Outcome.GONE
    _end(connection, row, Status.UNSUBSCRIBED, "not asked for by the person", now)
    _consent(connection, row.id, now, "rejected", "", client)
    return Outcome.DONE


def change_preferences(
    connection: Connection, subscriber_id: int, preferences: Preferences, now: datetime, *, client: str = ""
) -> Outcome:
    """Store what a reader wants from now on; a `paused_until` after today pauses, none or an earlier one resumes."""
    row = _locked(connection, subscribers.c.id == subscriber_id)
    if row is None or row.status not in LIVING:
        return Outcome.GONE
    before = preferences_of(row)
    status = _status_for(preferences, now)
    if status is Status.ACTIVE:
        preferences = replace(preferences, paused_until=None)
    if preferences == before and status == row.status:
        return Outcome.ALREADY
    planned_to_on, due_at = rescheduled(before, preferences, row.due_at, now, row.planned_to_on)
    _set(connection, row.id, status=status, planned_to_on=planned_to_on, due_at=due_at, **columns_of(preferences))
    if status is Status.PAUSED:
        letters.skip_open(connection, row.id, PAUSED, now, Mail.DIGEST)
    changed = [name for name, value in columns_of(preferences).items() if value != columns_of(before)[name]]
    _consent(connection, row.id, now, "changed", ", ".join(changed), client)
    return Outcome.DONE


def pause(connection: Connection, subscriber_id: int, until: date, now: datetime) -> Outcome:
    """No digests before the local date `until`. There is no pause without an end: that would be leaving unnoticed."""
    return _change_pause(connection, subscriber_id, until, now)


def resume(connection: Connection, subscriber_id: int, now: datetime) -> Outcome:
    return _change_pause(connection, subscriber_id, None, now)


def _change_pause(connection: Connection, subscriber_id: int, until: date | None, now: datetime) -> Outcome:
    row = _locked(connection, subscribers.c.id == subscriber_id)
    if row is None:
        return Outcome.GONE
    return change_preferences(connection, subscriber_id, replace(preferences_of(row), paused_until=until), now)


def unsubscribe(
    connection: Connection, subscriber_id: int, now: datetime, *, how: str, client: str = "", says_goodbye: bool = False
) -> Outcome:
    """No more digests from here on. `how` is the way it was asked for: one-click, page, command.

    A goodbye is mailed only where a person pressed a button: it tells a reader whose forwarded digest somebody else
    unsubscribed. A mail client that unsubscribes by itself wants no more mail.
    """
    row = _locked(connection, subscribers.c.id == subscriber_id)
    if row is None:
        return Outcome.GONE
    if row.status not in (*LIVING, Status.PENDING):
        return Outcome.ALREADY
    _end(connection, row, Status.UNSUBSCRIBED, "unsubscribed", now)
    _consent(connection, row.id, now, "unsubscribed", how, client)
    if says_goodbye:
        letters.write(connection, row.id, Mail.GOODBYE, now, {})
    return Outcome.DONE


def undo_unsubscribe(connection: Connection, subscriber_id: int, now: datetime, *, client: str = "") -> Outcome:
    """Back as before: only for somebody who had once confirmed and has not been suppressed."""
    row = _locked(connection, subscribers.c.id == subscriber_id)
    if row is None:
        return Outcome.GONE
    if row.status in LIVING:
        return Outcome.ALREADY
    if row.status != Status.UNSUBSCRIBED or row.confirmed_at is None:
        return Outcome.GONE
    preferences = preferences_of(row)
    planned_to_on, due_at = rescheduled(preferences, preferences, None, now, row.planned_to_on)
    _set(
        connection,
        row.id,
        status=_status_for(preferences, now),
        left_at=None,
        due_at=due_at,
        planned_to_on=planned_to_on,
        soft_bounces=0.0,
        soft_bounced_at=None,
    )
    letters.skip_open(connection, row.id, "undone", now, Mail.GOODBYE)
    _consent(connection, row.id, now, "undone", "", client)
    return Outcome.DONE


def request_address_change(
    connection: Connection, subscriber_id: int, address: Address, now: datetime, *, client: str = ""
) -> Outcome:
    """Ask at the new address. DONE says nothing about that address: whoever reads there is told by mail."""
    letters.hold(connection, address)
    row = _locked(connection, subscribers.c.id == subscriber_id)
    if row is None or row.status not in LIVING:
        return Outcome.GONE
    if row.email_key == address.key:
        return Outcome.ALREADY
    is_suppressed = suppression.is_suppressed(connection, address, now)
    other = _locked(connection, subscribers.c.email_key == address.key)
    if is_suppressed or not letters.is_within_limit(connection, address, now) or _changes_often(connection, row, now):
        _note_silence(connection, now)
    elif other and other.status in LIVING:
        letters.write(connection, other.id, Mail.ALREADY_SUBSCRIBED, now, {})
    else:
        generation = row.generation + 1
        _set(connection, row.id, pending_email=address.email, generation=generation)
        _consent(connection, row.id, now, "address change asked", "", client)
        letters.write(connection, row.id, Mail.ADDRESS_CHANGE, now, {"generation": generation, "to": address.email})
    return Outcome.DONE


def _changes_often(connection: Connection, row: Row[Any], now: datetime) -> bool:
    """One reader cannot make us write to many addresses."""
    recent = connection.execute(
        select(deliveries.c.id).where(
            deliveries.c.subscriber_id == row.id,
            deliveries.c.mail == Mail.ADDRESS_CHANGE,
            deliveries.c.planned_at > now - timedelta(days=1),
        )
    ).all()
    return len(recent) >= letters.MOST_A_DAY


def confirm_address_change(connection: Connection, link: ConfirmLink, now: datetime, *, client: str = "") -> Outcome:
    """The button at the new address: mail goes there from now on, also mail that already waits."""
    row = _locked(connection, subscribers.c.id == link.subscriber_id)
    if row is None or row.generation != link.generation or row.status not in LIVING:
        return Outcome.GONE
    if row.pending_email is None:
        return Outcome.ALREADY
    if not link.is_current(now):
        return Outcome.EXPIRED
    address = stored(row.pending_email)
    if suppression.is_suppressed(connection, address, now):
        return Outcome.GONE
    other = _locked(connection, subscribers.c.email_key == address.key)
    if other and (other.status in LIVING or other.status == Status.SUPPRESSED):
        return Outcome.TAKEN
    if other:  # a request that was never confirmed, or a past subscription of the same mailbox
        forget(connection, other.id, now)
    _set(connection, row.id, pending_email=None, soft_bounces=0.0, soft_bounced_at=None, **columns_of_address(address))
    _consent(connection, row.id, now, "address changed", "", client)
    return Outcome.DONE


def suppress(
    connection: Connection, subscriber_id: int, reason: suppression.Reason, now: datetime, detail: str = ""
) -> Outcome:
    """Never mail this person again; their address goes on the suppression list."""
    row = _locked(connection, subscribers.c.id == subscriber_id)
    if row is None:
        return Outcome.GONE
    suppression.add(connection, stored(row.email), reason, now, detail)
    if row.status == Status.SUPPRESSED:
        return Outcome.ALREADY
    _end(connection, row, Status.SUPPRESSED, f"suppressed: {reason}", now)
    _consent(connection, row.id, now, "suppressed", reason)
    return Outcome.DONE


def stop(connection: Connection, subscriber_id: int, now: datetime) -> Outcome:
    """The mailbox keeps sending mail back: end the subscription and say so once. The person may undo it."""
    row = _locked(connection, subscribers.c.id == subscriber_id)
    if row is None or row.status not in LIVING:
        return Outcome.GONE
    _end(connection, row, Status.UNSUBSCRIBED, "stopped: mail kept coming back", now)
    _consent(connection, row.id, now, "stopped", "mail kept coming back")
    letters.write(connection, row.id, Mail.STOPPED, now, {})
    return Outcome.DONE


def forget(connection: Connection, subscriber_id: int, now: datetime) -> Outcome:
    """Erase everything personal. Rows of the ledger stay without a name, so that counts still close, and so does the
    keyed hash of an address that was suppressed."""
    row = _locked(connection, subscribers.c.id == subscriber_id)
    if row is None:
        return Outcome.GONE
    letters.skip_open(connection, row.id, "forgotten", now)
    connection.execute(update(deliveries).where(deliveries.c.subscriber_id == row.id).values(context=None))
    connection.execute(update(bounces).where(bounces.c.subscriber_id == row.id).values(detail=""))
    connection.execute(delete(subscribers).where(subscribers.c.id == row.id))
    return Outcome.DONE


def _status_for(preferences: Preferences, now: datetime) -> Status:
    until = preferences.paused_until
    return Status.PAUSED if until is not None and until > local_date(now, preferences.timezone) else Status.ACTIVE


def _end(connection: Connection, row: Row[Any], status: Status, reason: str, now: datetime) -> None:
    _set(
        connection,
        row.id,
        status=status,
        left_at=now,
        due_at=None,
        pending_email=None,
        generation=row.generation + 1,
    )
    letters.skip_open(connection, row.id, reason, now)


def _locked(connection: Connection, where: Any) -> Row[Any] | None:
    """One row, held until the transaction ends (SQLite holds the whole database already)."""
    return connection.execute(select(subscribers).where(where).with_for_update()).first()


def _set(connection: Connection, subscriber_id: int, **values: Any) -> None:
    connection.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(**values))


def _consent(
    connection: Connection, subscriber_id: int, now: datetime, event: str, wording: str, client: str = ""
) -> None:
    connection.execute(
        consents.insert().values(subscriber_id=subscriber_id, at=now, event=event, wording=wording, client=client)
    )
