"""From the subscribe form to goodbye, without the preferences: subscribe, confirm, unsubscribe, a changed address."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from sqlalchemy import Connection

from digest.delivery import ledger
from digest.delivery.send import FRESH_SECONDS
from digest.feedback import partings
from digest.feedback.partings import Parting
from digest.subscribers import lifecycle, rows
from digest.subscribers.address import Address, AddressRefused, own_mailboxes
from digest.subscribers.address import parse as parse_address
from digest.subscribers.lifecycle import Outcome
from digest.subscribers.preferences import as_fields, parse, timezones
from digest.subscribers.subscriber import Cadence, Preferences
from digest.web import errors, forms, given, limits
from digest.web.language import spoken, words
from digest.web.message import Button, message, speak_to
from digest.web.site import site

blueprint = Blueprint("subscriptions", __name__)
ONE_CLICK = b"List-Unsubscribe=One-Click"  # RFC 8058, section 3.1
PAUSE_DAYS = 14
CHOICES = ("topics", "cadence", "hour", "timezone", "size")


# --- subscribe ------------------------------------------------------------------------------------------------------


@blueprint.get("/subscribe")
def subscribe() -> str:
    """The form alone; `?topics=` fills in the topics."""
    topics = given.line(request.args, "topics", 1_000)
    return _form(as_fields(Preferences()) | {"topics": topics})


@blueprint.post("/subscribe")
def ask() -> Response:
    """The same page for every state of an address: the mail tells, the page does not."""
    filled, client = forms.filled(), limits.client()
    limits.spend(limits.SUBSCRIBE_CLIENT, "subscribe", client, cost=1 if filled.seconds is not None else 2)
    limits.spend(limits.SUBSCRIBE_SITE, "subscribe")
    address, preferences, wrong = _read_form()
    if wrong or address is None:
        return make_response(_form(request.form, wrong), 400)
    if filled.is_trapped:
        return _check_inbox()
    if filled.is_hasty:
        return make_response(_form(request.form, is_hasty=True))
    limits.spend(limits.SUBSCRIBE_ADDRESS, "subscribe", site().fingerprint("address", address.limit_key))
    with site().writing() as connection:
        lifecycle.subscribe(connection, address, preferences, site().now(), wording=_promise(), client=client)
    site().nudge("letters")
    return _check_inbox()


def _read_form() -> tuple[Address | None, Preferences, dict[str, str]]:
    """(address, preferences, what is wrong with which field)."""
    base = replace(Preferences(), language=words().language)
    fields = {name: request.form[name] for name in CHOICES if name in request.form}
    parsed = parse(fields, base, site().today())
    wrong = spoken(parsed) if isinstance(parsed, dict) else {}
    preferences = base if isinstance(parsed, dict) else parsed
    try:
        return parse_typed(request.form.get("email", "")), preferences, wrong
    except AddressRefused as refused:
        return None, preferences, spoken({"email": refused}) | wrong


def parse_typed(email: str) -> Address:
    """A typed address that is not one of our own. Raises AddressRefused."""
    settings = site().settings
    own = own_mailboxes(settings.from_address, settings.mail_reply_to, settings.envelope_domain)
    return parse_address(email, own)


def _form(fields: Any, wrong: dict[str, str] | None = None, *, is_hasty: bool = False) -> str:
    shown = as_fields(Preferences()) | {name: fields[name] for name in (*CHOICES, "email") if name in fields}
    return render_template(
        "subscribe.html", fields=shown, wrong=wrong or {}, is_hasty=is_hasty, timezones=timezones(), promise=_promise()
    )


def _promise() -> str:
    """What a person agrees to: shown beside the button and stored with the consent."""
    _ = words().gettext
    return _("You get research papers by e-mail as often as you choose. Every mail ends with a link that stops it.")


def _check_inbox() -> Response:
    _ = words().gettext
    return message(
        _("Check your inbox"),
        _(
            "We have sent a mail to the address you gave, if it can get one. Press the button in it within 48 hours to begin."
        ),
        _("Nothing there after a few minutes? Look among the spam, or try again in a quarter of an hour."),
    )


# --- confirm --------------------------------------------------------------------------------------------------------


@blueprint.get("/c/<token>")
def confirm(token: str) -> Response:
    if site().links.read_confirm(token) is None:
        return errors.dead_link()
    _ = words().gettext
    return message(
        _("Confirm your subscription"),
        _promise(),
        buttons=[(_("Yes, send me papers"), {}, ""), (_("This was not me"), {"do": "reject"}, "second")],
    )


@blueprint.post("/c/<token>")
def confirmed(token: str) -> Response:
    """Active at once, and the first digest on its way; pressed again, the same page."""
    here, link = site(), site().links.read_confirm(token)
    if link is None:
        return errors.dead_link()
    if request.form.get("do") == "reject":
        return _rejected(token)
    with here.writing() as connection:
        outcome = lifecycle.confirm(connection, link, here.now(), wording=_promise(), client=limits.client())
    if outcome is Outcome.DONE:
        here.nudge("plan")
    if outcome not in (Outcome.DONE, Outcome.ALREADY):
        return _lapsed(outcome)
    _ = words().gettext
    return message(
        _("You are in"),
        _("Your subscription is confirmed. Your first digest, the best of the last few days, is on its way."),
        links=[(_("Choose topics, days and hour"), f"/p/{here.links.preferences(link.subscriber_id)}")],
    )


def _rejected(token: str) -> Response:
    here, link = site(), site().links.read_confirm(token)
    if link is None:
        return errors.dead_link()
    with here.writing() as connection:
        lifecycle.reject(connection, link, here.now(), client=limits.client())
    _ = words().gettext
    return message(_("The request is dropped"), _("Nothing will be sent. We are sorry for the trouble."))


def _lapsed(outcome: Outcome) -> Response:
    """A sound link that came too late, or whose matter is closed."""
    if outcome is Outcome.GONE:
        return errors.dead_link()
    _ = words().gettext
    return message(
        _("This link has expired"),
        _("A link like this works for 48 hours."),
        status=410,
        links=[(_("Ask for a new one"), "/subscribe")],
    )


# --- unsubscribe ----------------------------------------------------------------------------------------------------


@blueprint.get("/u/<token>")
def unsubscribe(token: str) -> Response:
    """A page with a button: mail scanners follow links, and following one must change nothing."""
    here = site()
    if here.links.read_undo(token, here.now()) is not None:
        return _offer_undo(token)
    subscriber_id = here.links.read_unsubscribe(token)
    if subscriber_id is None:
        return errors.dead_link()
    speak_to(subscriber_id)
    _ = words().gettext
    return message(
        _("Unsubscribe"),
        _("One click, and no more digests come."),
        buttons=[(_("Unsubscribe"), {}, "")],
    )


@blueprint.post("/u/<token>")
def unsubscribed(token: str) -> Response:
    """By a mail program (RFC 8058) or by the button of the page; both need nothing but the address of this page."""
    is_one_click = ONE_CLICK in request.get_data(cache=True) or request.form.get("List-Unsubscribe") == "One-Click"
    here = site()
    undone_id = None if is_one_click else here.links.read_undo(token, here.now())
    if undone_id is not None:
        return _note_why(undone_id) if request.form.get("do") == "why" else _undo(undone_id)
    subscriber_id = here.links.read_unsubscribe(token)
    if subscriber_id is not None:
        with here.writing() as connection:
            lifecycle.unsubscribe(
                connection,
                subscriber_id,
                here.now(),
                how="one-click" if is_one_click else "page",
                client=limits.client(),
                says_goodbye=not is_one_click,
            )
        _let_workers_hear(subscriber_id)
    if is_one_click:  # also for a link that we do not know: the mail program can do nothing about it
        return Response("Unsubscribed.\n", mimetype="text/plain")
    if subscriber_id is None:
        return errors.dead_link()
    here.nudge("letters")
    speak_to(subscriber_id)
    return _offer_undo(here.links.undo(subscriber_id, here.now()), is_fresh=True)


def _let_workers_hear(subscriber_id: int) -> None:
    """Answer only when no mail can begin any more: a worker's knowledge of who has left is FRESH_SECONDS old at most."""
    with site().reading() as connection:
        is_on_its_way = ledger.is_on_its_way(connection, subscriber_id)
    if is_on_its_way:
        time.sleep(2 * FRESH_SECONDS)


def _offer_undo(undo_token: str, *, is_fresh: bool = False) -> Response:
    _ = words().gettext
    said = [
        _("No more digests come to your address."),
        _("Was it a slip, or too much mail? One click brings it back the way you want it."),
    ]
    buttons = [
        (_("Undo: keep my digest"), {}, ""),
        (_("Only once a week"), {"do": "weekly"}, "second"),
        (_("Pause for two weeks"), {"do": "pause"}, "second"),
    ]
    title = _("You are unsubscribed") if is_fresh else _("Get your digest back")
    return message(
        title,
        *(said if is_fresh else said[1:]),
        buttons=buttons,
        action=f"/u/{undo_token}",
        question=(_("Why, if you care to say? It is counted, without your name."), _answers()) if is_fresh else None,
    )


def _answers() -> list[Button]:
    _ = words().gettext
    said = {
        Parting.TOO_MANY: _("Too many mails"),
        Parting.NOT_RELEVANT: _("Not what I read"),
        Parting.NEVER_ASKED: _("I never asked for it"),
        Parting.OTHER: _("Something else"),
    }
    return [(label, {"do": "why", "reason": parting.value}, "second slim") for parting, label in said.items()]


def _note_why(subscriber_id: int) -> Response:
    """One answer of a reader counts an hour; more are thanked for."""
    here, reason = site(), request.form.get("reason", "")
    if reason in list(Parting) and not here.limits.wait_seconds(limits.PARTING, "parting", str(subscriber_id)):
        with here.writing() as connection:
            partings.note(connection, Parting(reason), here.now())
    speak_to(subscriber_id)
    _ = words().gettext
    return message(_("Thank you"), _("No more digests come to your address."))


def _undo(subscriber_id: int) -> Response:
    here, choice = site(), request.form.get("do", "")
    with here.writing() as connection:
        outcome = lifecycle.undo_unsubscribe(connection, subscriber_id, here.now(), client=limits.client())
        if outcome in (Outcome.DONE, Outcome.ALREADY):
            _soften(connection, subscriber_id, choice)
    if outcome is Outcome.GONE:
        return errors.dead_link()
    speak_to(subscriber_id)
    _ = words().gettext
    said = {
        "weekly": _("Your digest now comes once a week, on Monday."),
        "pause": _("Your digest pauses for two weeks and then comes as before."),
    }
    return message(
        _("Welcome back"),
        said.get(choice, _("Your digest comes as before.")),
        links=[(_("Your preferences"), f"/p/{here.links.preferences(subscriber_id)}")],
    )


def _soften(connection: Connection, subscriber_id: int, choice: str) -> None:
    here, found = site(), rows.get(connection, subscriber_id)
    if found is None:
        return
    if choice == "weekly":
        weekly = replace(found.preferences, cadence=Cadence.WEEKLY)
        lifecycle.change_preferences(connection, subscriber_id, weekly, here.now(), client=limits.client())
    elif choice == "pause":
        lifecycle.pause(connection, subscriber_id, here.today() + timedelta(days=PAUSE_DAYS), here.now())


# --- a changed address ----------------------------------------------------------------------------------------------


@blueprint.get("/a/<token>")
def address(token: str) -> Response:
    link = site().links.read_address_change(token)
    if link is None:
        return errors.dead_link()
    speak_to(link.subscriber_id)
    _ = words().gettext
    return message(
        _("Use this address"),
        _("One click, and your digest comes to the address that got this link."),
        buttons=[(_("Use this address"), {}, "")],
    )


@blueprint.post("/a/<token>")
def address_confirmed(token: str) -> Response:
    here, link = site(), site().links.read_address_change(token)
    if link is None:
        return errors.dead_link()
    with here.writing() as connection:
        outcome = lifecycle.confirm_address_change(connection, link, here.now(), client=limits.client())
    speak_to(link.subscriber_id)
    _ = words().gettext
    if outcome is Outcome.TAKEN:
        return message(
            _("This address already has a subscription"),
            _("Two subscriptions cannot share one address."),
            _("Unsubscribe one of them first, then change the address of the other."),
            status=409,
        )
    if outcome not in (Outcome.DONE, Outcome.ALREADY):
        return _lapsed(outcome)
    return message(
        _("Your address is changed"),
        _("From now on your digest comes to the new address."),
        links=[(_("Your preferences"), f"/p/{here.links.preferences(link.subscriber_id)}")],
    )


# --- about ----------------------------------------------------------------------------------------------------------


@blueprint.get("/privacy")
def privacy() -> str:
    settings = site().settings
    return render_template("privacy.html", contact=settings.mail_reply_to or settings.from_address)
