"""Try it: the digest that some topics would give today, before giving an address."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from digest.ranking.choice import ReasonKind
from digest.subscribers.preferences import as_fields, parse
from digest.subscribers.subscriber import Preferences
from digest.web import given
from digest.web.language import spoken
from digest.web.site import site

blueprint = Blueprint("preview", __name__)
SHOWN = 10


@blueprint.get("/preview")
def show() -> str:
    """Without topics: what everybody talks about. Too many or too long ones are said, not cut."""
    here, typed = site(), given.text(request.args, "topics")
    parsed = parse({"topics": typed}, Preferences(), here.today())
    wrong = spoken(parsed) if isinstance(parsed, dict) else {}
    topics = () if isinstance(parsed, dict) else parsed.topics
    edition = here.tryout.digest(topics, SHOWN, here.now())
    fields = as_fields(Preferences()) | {"topics": typed}
    return render_template(
        "preview.html",
        fields=fields,
        topics=", ".join(topics),
        wrong=wrong,
        edition=edition,
        fits=any(reason.kind is ReasonKind.TOPIC for pick in edition.picks for reason in pick.reasons),
    )
