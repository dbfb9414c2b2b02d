"""Votes by the links of a mail, and followed links where the operator has them counted."""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from digest.feedback import mailed, reasons, record
from digest.feedback.mailed import Mailed
from digest.papers.paper import Paper
from digest.papers.store import load_papers
from digest.ranking.choice import Reason, ReasonKind
from digest.rendering.view import paper_links
from digest.web import errors, limits
from digest.web.language import words
from digest.web.message import message, speak_to
from digest.web.site import site

blueprint = Blueprint("feedback", __name__)


@blueprint.get("/v/<token>")
def ask(token: str) -> Response:
    found = _mailed(token)
    paper = _paper(found.paper_id) if found else None
    if found is None or paper is None:
        return errors.dead_link()
    speak_to(found.subscriber_id)
    _, label = words().gettext, _label(found)
    return message(
        label,
        f"“{paper.title}”",
        _("One click tells us; the next digests are ranked by it."),
        buttons=[(label, {}, "")],
    )


@blueprint.post("/v/<token>")
def vote(token: str) -> Response:
    """The last vote on a paper counts; pressed again, nothing changes."""
    here, found = site(), _mailed(token)
    if found is None:
        return errors.dead_link()
    limits.spend(limits.READER_ACT, "vote", str(found.subscriber_id))
    with here.writing() as connection:
        is_stored = record.vote(connection, found.subscriber_id, found.paper_id, found.is_more, here.now())
    if not is_stored:
        return errors.dead_link()
    speak_to(found.subscriber_id)
    _ = words().gettext
    said = _("You will see more like it.") if found.is_more else _("You will see less like it.")
    return message(
        _("Thank you"),
        said,
        links=[(_("See or undo your votes"), f"/p/{here.links.preferences(found.subscriber_id)}#votes")],
    )


@blueprint.get("/v/<token>/<int:place>")
def ask_less(token: str, place: int) -> Response:
    """The reason at `place` under a paper of a mail: one button that takes it back."""
    found = _mailed(token)
    if found is None or not _is_told(found, place):
        return errors.dead_link()
    speak_to(found.subscriber_id)
    _ = words().gettext
    title, said, _done = _less_words(found.reasons[place])
    return message(title, said, buttons=[(_("Less of this"), {}, "")])


@blueprint.post("/v/<token>/<int:place>")
def less(token: str, place: int) -> Response:
    here, found = site(), _mailed(token)
    if found is None or not _is_told(found, place):
        return errors.dead_link()
    limits.spend(limits.READER_ACT, "vote", str(found.subscriber_id))
    with here.writing() as connection:
        is_done = reasons.turn_down(connection, found, place, here.now(), limits.client())
    if not is_done:
        return errors.dead_link()
    speak_to(found.subscriber_id)
    _ = words().gettext
    address = f"/p/{here.links.preferences(found.subscriber_id)}"
    done = _less_words(found.reasons[place])[2]
    return message(_("Thank you"), done, links=[(_("See or change your preferences"), address)])


def _mailed(token: str) -> Mailed | None:
    link = site().links.read_vote(token)
    if link is None:
        return None
    with site().reading() as connection:
        return mailed.find(connection, link)


def _is_told(found: Mailed, place: int) -> bool:
    """Whether a reason stands there, and the link is one that takes it back."""
    return not found.is_more and place < len(found.reasons)


def _less_words(reason: Reason) -> tuple[str, str, str]:
    """Title, what the button will do, what it has done."""
    _ = words().gettext
    name = f"“{reason.detail}”"
    match reason.kind:
        case ReasonKind.TOPIC:
            asks, done = _("Your topic {name} goes from your preferences."), _("Your topic {name} is gone.")
        case ReasonKind.AUTHOR | ReasonKind.ORGANISATION:
            asks, done = _("You no longer follow {name}."), _("You no longer follow {name}.")
        case ReasonKind.LIKED:
            asks, done = _("Your vote for {name} is taken back."), _("Your vote for {name} is taken back.")
        case _:
            asks = _("The next digests have less like this paper.")
            done = _("You will see less like it.")
    return _("Less of this?"), asks.replace("{name}", name), done.replace("{name}", name)


@blueprint.get("/k/<token>")
def follow(token: str) -> AnyResponse:
    """Only with click tracking: to the stored link of the paper, and nowhere else."""
    here = site()
    link = here.links.read_click(token) if here.settings.click_tracking else None
    paper = _paper(link.paper_id) if link else None
    if link is None or paper is None:
        abort(404)
    if request.method == "GET":
        with here.writing() as connection:
            record.click(connection, link.subscriber_id, link.paper_id, link.delivery_id, here.now())
    return redirect(paper_links(paper, words(), here.settings.public_url)[0].url)


def _label(found: Mailed) -> str:
    return words().more_like_this() if found.is_more else words().less_like_this()


def _paper(paper_id: int) -> Paper | None:
    with site().reading() as connection:
        return load_papers(connection, [paper_id]).get(paper_id)
