"""The operator's pages: they only look. Nothing here can mail anybody."""

from __future__ import annotations

import hmac
from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, Flask, abort, redirect, render_template, request, session, url_for
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response as AnyResponse

from digest import overview
from digest.db import states
from digest.db.tables import DeliveryStatus
from digest.feedback import partings
from digest.pipeline import PAUSE
from digest.reports import day_report
from digest.subscribers import rows
from digest.subscribers.address import AddressRefused, masked, parse
from digest.web import given, limits
from digest.web.language import spoken, words
from digest.web.site import KEY, Site, site

blueprint = Blueprint("admin", __name__, url_prefix="/admin")
csrf = CSRFProtect()
CHART_DAYS = 30
SESSION_HOURS = 12


def init_app(app: Flask) -> None:
    """The only cookie of the site: signed, for /admin alone, out of reach of scripts and of other sites."""
    here: Site = app.extensions[KEY]
    app.secret_key = here.fingerprint("session", "admin")
    app.config.from_mapping(
        SESSION_COOKIE_NAME="digest_admin",
        SESSION_COOKIE_PATH="/admin",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=here.settings.public_url.startswith("https://"),
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=SESSION_HOURS),
        WTF_CSRF_CHECK_DEFAULT=False,  # other pages know nobody by a cookie, so there is nothing to forge
        WTF_CSRF_TIME_LIMIT=SESSION_HOURS * 3600,
    )
    csrf.init_app(app)
    app.jinja_env.globals.update(masked=masked, kind_of_row=overview.kind_of_row)


@blueprint.before_request
def guard() -> AnyResponse | None:
    """No page without a password in the settings, none without a session, no post without its token."""
    if not site().settings.admin_password.get_secret_value():
        abort(404)
    if request.method == "POST":
        csrf.protect()
    is_known = hmac.compare_digest(str(session.get("knows", "")), _proof())
    if is_known or request.endpoint in ("admin.login", "admin.enter"):
        return None
    return redirect(url_for("admin.login"))


def _proof() -> str:
    """What a session holds: it ends when the password is changed."""
    return site().fingerprint("admin password", site().settings.admin_password.get_secret_value())


@blueprint.get("/login")
def login() -> str:
    return render_template("admin/login.html", wrong={}, fields={})


@blueprint.post("/login")
def enter() -> AnyResponse | tuple[str, int]:
    limits.spend(limits.LOGIN_CLIENT, "login", limits.client())
    limits.spend(limits.LOGIN_SITE, "login")
    password = site().settings.admin_password.get_secret_value()
    if not hmac.compare_digest(request.form.get("password", "").encode("utf-8", "replace"), password.encode()):
        wrong = {"password": words().gettext("This is not the password.")}
        return render_template("admin/login.html", wrong=wrong, fields={}), 403
    session.clear()
    session.permanent = True
    session["knows"] = _proof()
    return redirect(url_for("admin.home"), 303)


@blueprint.post("/logout")
def leave() -> AnyResponse:
    session.clear()
    return redirect(url_for("admin.login"), 303)


@blueprint.get("/")
def home() -> str:
    """Today: the ledger, the stages, the sources; and how the last days went."""
    here, on = site(), site().today()
    report = day_report(here.engine, on)
    with here.reading() as connection:
        growth = overview.joined_and_left(connection, on, CHART_DAYS)
        return render_template(
            "admin/home.html",
            on=on,
            report=report,
            stages=overview.stages(connection, _start_of(on)),
            readers=overview.readers_by_status(connection),
            pause=states.get(connection, PAUSE),
            beat=states.get(connection, "beat"),
            sent=overview.sent_per_day(connection, on, CHART_DAYS),
            joined=[(day, joined) for day, joined, _ in growth],
            left=[(day, left) for day, _, left in growth],
        )


@blueprint.get("/ledger")
def ledger() -> str:
    """Rows of the ledger by day (today; all with an empty one) and state; each leads to its reader."""
    dated_on = given.day(request.args["date"]) if "date" in request.args else site().today()
    status = request.args.get("status", "")
    status = status if status in list(DeliveryStatus) else ""
    before = given.number(request.args, "before", 0, 0, 10**18)
    with site().reading() as connection:
        found = overview.ledger_rows(connection, dated_on, status, before)
    return render_template(
        "admin/ledger.html",
        rows=found[: overview.ROWS],
        has_more=len(found) > overview.ROWS,
        before=before,
        dated_on=dated_on,
        status=status,
        statuses=list(DeliveryStatus),
        report=day_report(site().engine, dated_on) if dated_on else None,
    )


@blueprint.get("/readers")
def readers() -> str:
    return render_template("admin/readers.html", wrong={}, fields={})


@blueprint.post("/readers")
def find_reader() -> AnyResponse | tuple[str, int]:
    """By address, which is posted so that it stands in no address bar and no log."""
    typed = request.form.get("email", "")
    try:
        with site().reading() as connection:
            found = rows.find(connection, parse(typed))
    except AddressRefused as refused:
        return render_template("admin/readers.html", wrong=spoken({"email": refused}), fields={"email": typed}), 400
    if found is None:
        wrong = {"email": words().gettext("Nobody is stored under this address. It may have been forgotten.")}
        return render_template("admin/readers.html", wrong=wrong, fields={"email": typed}), 404
    return redirect(url_for("admin.reader", subscriber_id=found.id), 303)


@blueprint.get("/readers/<int:subscriber_id>")
def reader(subscriber_id: int) -> str:
    """Why did this reader get nothing on Monday?"""
    if subscriber_id >= 2**56:
        abort(404)
    with site().reading() as connection:
        history = overview.history(connection, subscriber_id)
    if history is None:
        abort(404)
    return render_template("admin/reader.html", history=history, preferences=rows.preferences_of(history.reader))


@blueprint.get("/feedback")
def feedback() -> str:
    """Returned mail, complaints, votes."""
    on = site().today()
    with site().reading() as connection:
        return render_template(
            "admin/feedback.html",
            bounces=overview.recent_bounces(connection),
            bounced=overview.bounced_per_day(connection, on, CHART_DAYS),
            voted=overview.voted_per_day(connection, on, CHART_DAYS),
            partings=partings.counts(connection),
            most_voted=overview.most_voted(connection, _start_of(on - timedelta(days=CHART_DAYS))),
        )


def _start_of(on: date) -> datetime:
    return datetime.combine(on, time(), UTC)
