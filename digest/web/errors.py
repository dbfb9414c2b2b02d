"""Every error is a page that says what happened, why, and what to do next; for programs the same as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import structlog
from flask import Flask, Response, jsonify, make_response, render_template, request
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from digest.web.language import words

log = structlog.get_logger("digest.web")
RETRY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Problem:
    """Three sentences, already in the reader's language."""

    what: str
    why: str
    next: str


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(SQLAlchemyError, _database)
    app.register_error_handler(Exception, _unexpected)


def answer(status: int, problem: Problem) -> Response:
    """The error as a page, or as JSON where a program asked."""
    if request.path.startswith(("/api/", "/hooks/")):
        return make_response(jsonify(error=asdict(problem)), status)
    return make_response(render_template("error.html", problem=problem, status=status), status)


def dead_link() -> Response:
    """For a token that is malformed, expired, or for something else: which of these is nobody's business."""
    _ = words().gettext
    return answer(
        404,
        Problem(
            _("This link does not work."),
            _("It may have expired, been used already, or lost a few letters on its way."),
            _("Open it again from the newest mail. To get a new link, enter your address on the subscribe page."),
        ),
    )


def _http(error: HTTPException) -> Response:
    if error.response is not None or error.code is None or error.code < 400:
        return make_response(error.get_response())
    response = answer(error.code, _problem(error))
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _problem(error: HTTPException) -> Problem:
    _ = words().gettext
    known = {
        400: (
            _("We could not read that."),
            _("The request was incomplete or malformed."),
            _("Go back, check what you entered, and try again."),
        ),
        403: (
            _("That was not allowed."),
            _("The form was sent from another site than ours."),
            _("Open the page here and send the form again."),
        ),
        404: (
            _("There is no such page."),
            _("The address may be wrong, or what stood here is gone."),
            _("Try the search, or start at today's papers."),
        ),
        405: (
            _("That does not work here."),
            _("This page does not take that kind of request."),
            _("Go back and use the button on the page."),
        ),
        413: (
            _("That was too much."),
            _("This form may hold {n} kilobytes.").replace(
                "{n}", words().number((request.max_content_length or 0) // 1024)
            ),
            _("Shorten it and send it again."),
        ),
        429: (
            _("That was too often."),
            _("So that nobody can flood an inbox, each network may only do this a few times an hour."),
            _("Wait a while, then try again."),
        ),
    }
    fallback = (
        _("We could not do that."),
        _("The request does not fit this page."),
        _("Start again from today's papers."),
    )
    return Problem(*known.get(error.code or 400, fallback))


def _database(error: SQLAlchemyError) -> Response:
    is_away = isinstance(error, (OperationalError, InterfaceError, PoolTimeout)) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
    if not is_away:
        return _unexpected(error)
    log.error("database away", error=type(error).__name__)
    _ = words().gettext
    response = answer(
        503,
        Problem(
            _("We cannot do this right now."),
            _("Our database does not answer. Nothing was changed."),
            _("Try again in a minute."),
        ),
    )
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _unexpected(error: Exception) -> Response:
    # The message of an exception may quote what a reader typed, so only its kind and place are logged.
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "?"
    log.error(
        "unexpected error",
        error=type(error).__name__,
        place=place,
        rule=request.url_rule.rule if request.url_rule else "-",
    )
    _ = words().gettext
    return answer(
        500,
        Problem(
            _("Something broke on our side."),
            _("This is our mistake, not yours. It has been written to our log."),
            _("Try again in a minute."),
        ),
    )
