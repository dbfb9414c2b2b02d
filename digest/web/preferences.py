"""What a reader can do behind their own link: change, pause, move, take along, download and erase."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request
from sqlalchemy import Connection
from werkzeug.wrappers import Response as AnyResponse

from digest.feedback import passport, record
from digest.papers.paper import Paper
from digest.papers.query import parse as parse_query
from digest.papers.search import Filters, find
from digest.subscribers import lifecycle, rows
from digest.subscribers.address import AddressRefused
from digest.subscribers.export import export as everything
from digest.subscribers.lifecycle import Outcome
from digest.subscribers.preferences import MAX_LETTERS, MOST, NAMES, as_fields, parse, timezones
from digest.subscribers.standing import standing
from digest.subscribers.subscriber import Status, Subscriber
from digest.web import errors, given, limits
from digest.web.language import speak, spoken, words
from digest.web.message import message, speak_to
from digest.web.site import site
from digest.web.subscriptions import parse_typed

blueprint = Blueprint("preferences", __name__)
EXAMPLE_DAYS = 14
EXAMPLES = 12
VOTES_SHOWN = 50
LETTERS = {name: most * (MAX_LETTERS + len(", ")) for name, most in MOST.items()}  # that a field can hold


@blueprint.get("/p/<token>")
def show(token: str) -> Response:
    reader = _reader(token)
    if reader is None:
        return errors.dead_link()
    if reader.status not in (Status.ACTIVE, Status.PAUSED):
        return _not_subscribed(reader)
    return make_response(_page(token, reader, as_fields(reader.preferences)))


@blueprint.post("/p/<token>")
def change(token: str) -> AnyResponse:
    """Store what the form says. `do` names another of the page's forms: a vote taken back, a new address."""
    reader = _reader(token)
    if reader is None:
        return errors.dead_link()
    limits.spend(limits.READER_ACT, "preferences", str(reader.id))
    act = {"undo_vote": _undo_vote, "address": _move}.get(request.form.get("do", ""), _save)
    return act(token, reader)


def _save(token: str, reader: Subscriber) -> AnyResponse:
    fields: dict[str, str] = {name: request.form[name] for name in NAMES if name in request.form}
    parsed = parse(fields, reader.preferences, site().today())
    if isinstance(parsed, dict):
        shown = as_fields(reader.preferences) | fields
        return make_response(_page(token, reader, shown, spoken(parsed)), 400)
    with site().writing() as connection:
        outcome = lifecycle.change_preferences(connection, reader.id, parsed, site().now(), client=limits.client())
    return _not_subscribed(reader) if outcome is Outcome.GONE else _back(token, "saved")


def _undo_vote(token: str, reader: Subscriber) -> AnyResponse:
    paper_id = given.number(request.form, "paper", 0, 0, 10**9)
    with site().writing() as connection:
        record.undo_vote(connection, reader.id, paper_id, site().now())
    return _back(token, "undone")


def _move(token: str, reader: Subscriber) -> AnyResponse:
    """The answer says nothing about the new address: whoever reads there is asked by mail."""
    typed = request.form.get("email", "")
    try:
        address = parse_typed(typed)
    except AddressRefused as refused:
        shown = as_fields(reader.preferences) | {"email": typed}
        return make_response(_page(token, reader, shown, spoken({"email": refused})), 400)
    limits.spend(limits.SUBSCRIBE_CLIENT, "subscribe", limits.client())
    with site().writing() as connection:
        lifecycle.request_address_change(connection, reader.id, address, site().now(), client=limits.client())
    site().nudge("letters")
    return _back(token, "asked")


@blueprint.post("/p/<token>/passport")
def take_in(token: str) -> AnyResponse:
    """Add a taste from elsewhere: a passport, BibTeX, or arXiv ids, pasted or as a file."""
    reader = _reader(token)
    if reader is None:
        return errors.dead_link()
    limits.spend(limits.READER_ACT, "preferences", str(reader.id))
    try:
        brought = passport.parse(_brought())
    except passport.PassportRefused as refused:
        return make_response(_page(token, reader, as_fields(reader.preferences), spoken({"taste": refused})), 400)
    with site().writing() as connection:
        taken = passport.take_in(connection, reader.id, brought, site().now())
    if isinstance(taken, dict):
        why = " ".join(spoken(taken).values())
        return make_response(_page(token, reader, as_fields(reader.preferences), {"taste": why}), 400)
    _ = words().gettext
    said = [words().count("{n} paper was added to your taste.", "{n} papers were added to your taste.", taken.votes)]
    if taken.unknown:
        said.append(words().count("{n} is not stored here.", "{n} are not stored here.", len(taken.unknown)))
    return message(_("Your taste came along"), *said, links=[(_("Your preferences"), f"/p/{token}")])


def _brought() -> str:
    file = request.files.get("file")
    raw = file.read().decode("utf-8", "replace") if file else ""
    return raw.replace("\x00", "") or given.text(request.form, "taste", passport.MOST_LETTERS)


@blueprint.get("/p/<token>/passport")
def take_along(token: str) -> Response:
    reader = _reader(token)
    if reader is None:
        return errors.dead_link()
    with site().reading() as connection:
        return _download(passport.export(connection, reader.id), "digest-taste.json")


@blueprint.get("/p/<token>/export")
def export(token: str) -> Response:
    """All that is stored about this reader."""
    reader = _reader(token)
    if reader is None:
        return errors.dead_link()
    with site().reading() as connection:
        return _download(everything(connection, reader.id), "digest-data.json")


@blueprint.get("/p/<token>/forget")
def forget(token: str) -> Response:
    reader = _reader(token)
    if reader is None:
        return errors.dead_link()
    _ = words().gettext
    return message(
        _("Forget me"),
        _(
            "One click erases your address, your preferences, your votes and your digests here. Nobody can bring them back."
        ),
        buttons=[(_("Erase everything about me"), {}, "bad")],
        links=[(_("Download it first"), f"/p/{token}/export")],
    )


@blueprint.post("/p/<token>/forget")
def forgotten(token: str) -> Response:
    reader = _reader(token)
    if reader is None:
        return errors.dead_link()
    with site().writing() as connection:
        lifecycle.forget(connection, reader.id, site().now())
    _ = words().gettext
    return message(_("You are forgotten"), _("Everything about you is erased. No more mail comes."))


def _reader(token: str) -> Subscriber | None:
    """Who holds this link; from here on they are spoken to in their language."""
    subscriber_id = site().links.read_preferences(token)
    if subscriber_id is None:
        return None
    with site().reading() as connection:
        reader = rows.get(connection, subscriber_id)
    if reader is not None:
        speak(reader.preferences.language)
    return reader


def _not_subscribed(reader: Subscriber) -> Response:
    _ = words().gettext
    if reader.status is Status.PENDING:
        return message(
            _("One click is missing"),
            _("Your subscription is not confirmed yet. Press the button in the mail that we sent you."),
        )
    if reader.status is Status.SUPPRESSED:
        return message(
            _("We do not mail this address"),
            _("Mail to it came back for good, or was reported as spam. To read on, subscribe with another address."),
            links=[(_("Subscribe"), "/subscribe")],
        )
    undo = f"/u/{site().links.undo(reader.id, site().now())}"
    return message(
        _("You are not subscribed"),
        _("No digests come to your address. Your preferences are kept until you have us forget you."),
        buttons=[(_("Start my digest again"), {}, "")],
        links=[(_("Forget me"), f"{request.path}/forget")],
        action=undo,
    )


def _page(token: str, reader: Subscriber, fields: dict[str, str], wrong: dict[str, str] | None = None) -> str:
    with site().reading() as connection:
        now_stands = standing(connection, reader.id)
        voted = record.votes_of(connection, reader.id)
        examples = _examples(connection, reader)
    speak_to(reader.id)
    return render_template(
        "preferences.html",
        token=token,
        reader=reader,
        fields=fields,
        wrong=wrong or {},
        letters=LETTERS,
        timezones=timezones(),
        said=request.args.get("did", ""),
        standing=now_stands,
        voted=voted[:VOTES_SHOWN],
        votes_total=len(voted),
        examples=examples,
        edition_link=lambda delivery_id: f"/e/{site().links.edition(delivery_id)}",
        unsubscribe_link=f"/u/{site().links.unsubscribe(reader.id)}",
        today=site().today(),
    )


def _examples(connection: Connection, reader: Subscriber) -> list[tuple[str, Paper | None]]:
    """For each topic the best paper of the last days that has its words."""
    recent = Filters(since=site().today() - timedelta(days=EXAMPLE_DAYS))
    topics = reader.preferences.topics[:EXAMPLES]
    found = [(topic, parse_query(topic)) for topic in topics]
    return [
        (topic, next(iter(find(connection, query, recent, 1).papers), None) if query else None)
        for topic, query in found
    ]


def _back(token: str, did: str) -> AnyResponse:
    return redirect(f"/p/{token}?did={did}", 303)


def _download(content: dict[str, Any] | None, name: str) -> Response:
    response = make_response(json.dumps(content, ensure_ascii=False, indent=2))
    response.content_type = "application/json; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
