"""One reader's digest in a browser."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template

from digest.editions.store import load_editions
from digest.subscribers.tokens import vote_ending
from digest.web import errors
from digest.web.message import speak_to
from digest.web.site import site

blueprint = Blueprint("editions", __name__)


@blueprint.get("/e/<token>")
def show(token: str) -> Response:
    here = site()
    delivery_id = here.links.read_edition(token)
    if delivery_id is None:
        return errors.dead_link()
    edition = load_editions(here.engine, [delivery_id]).get(delivery_id)
    if edition is None:
        return errors.dead_link()
    speak_to(edition.subscriber_id)
    links = here.links.of_mail(edition.subscriber_id, edition.id)
    votes = [
        [links.vote.decode() + vote_ending(pick.paper.id, is_more) for is_more in (True, False)]
        for pick in edition.picks
    ]
    page = render_template(
        "edition.html",
        edition=edition,
        votes=votes,
        preferences_link=f"/p/{links.preferences.decode()}",
        unsubscribe_link=f"/u/{links.unsubscribe.decode()}",
    )
    return make_response(page)
