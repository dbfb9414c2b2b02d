"""How values are shown: what templates call on papers, days and sources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from babel.dates import format_skeleton
from flask import Flask, render_template
from markupsafe import Markup

from digest.papers.paper import Paper
from digest.papers.query import excerpt, mark
from digest.ranking.choice import Reason
from digest.rendering.gist import gist
from digest.rendering.view import LinkView, paper_links
from digest.rendering.wording import Words
from digest.subscribers.schedule import zone_of
from digest.web.given import paper_name
from digest.web.language import words
from digest.web.site import site

QUIET_WORDS = ("weekend", "holiday", "source_down", "no_match", "nothing_new")
_SOURCES = {"huggingface": "Hugging Face", "arxiv": "arXiv", "file": "file"}


def init_app(app: Flask) -> None:
    shown = {
        "card_part": card_part,
        "name_of": paper_name,
        "gist_of": gist_of,
        "byline_of": byline_of,
        "links_of": links_of,
        "source_name": source_name,
    }
    app.jinja_env.globals.update(
        shown | {"week_name": week_name, "month_name": month_name, "mark": mark, "excerpt": excerpt}
    )
    app.jinja_env.globals.update(
        moment=moment, reasons_of=reasons_of, status_words=status_words, reason_words=reason_words
    )
    app.jinja_env.globals["view_functions"] = app.view_functions


def gist_of(paper: Paper) -> str:
    return gist(paper.gist, paper.abstract)


def card_part(part: str, paper: Paper) -> Markup:
    """A part of a paper's card (templates/web/card): it is the same on every page, so it is made once and kept."""
    return _card_part(part, paper, words().language)


@lru_cache(maxsize=4_000)
def _card_part(part: str, paper: Paper, _language: str) -> Markup:
    return Markup(render_template(f"card/{part}.html", paper=paper))  # noqa: S704  (made by an escaping template)


def byline_of(paper: Paper) -> str:
    return words().byline(paper.organization, paper.authors)


def links_of(paper: Paper) -> tuple[LinkView, ...]:
    """Where else a paper is to be found; each link leads to a host that was checked."""
    links = paper_links(paper, words(), site().settings.public_url)
    if not paper.arxiv_id:
        return links[1:]  # the first one leads here
    links = (LinkView("arXiv", links[0].url), *links[1:])
    talk = LinkView(words().discussion(), f"https://huggingface.co/papers/{paper.arxiv_id}")
    if paper.source == "huggingface" and talk.url not in {link.url for link in links}:
        links = (*links, talk)
    return links


def moment(at: datetime, timezone: str) -> str:
    """Wednesday, June 10, 07:00 (Europe/Berlin): an instant on the reader's own clock."""
    local = at.astimezone(zone_of(timezone))
    return f"{words().day(local.date())}, {local:%H:%M} ({timezone})"


class Said(NamedTuple):
    """A reason in words, and whether there may be less of it."""

    words: str
    is_about_taste: bool


def reasons_of(reasons: Sequence[Reason], votes: int | None, gained: int | None, on: date) -> list[Said]:
    return [Said(str(words().reason(reason, votes, gained, on)), reason.is_about_taste) for reason in reasons]


def status_words(status: str) -> str:
    """What became of a mail, for its reader."""
    _ = words().gettext
    return {
        "submitted": _("sent"),
        "refused": _("your mail server refused it"),
        "uncertain": _("perhaps sent: the connection broke at the last moment"),
        "deferred": _("not taken yet; we keep trying"),
        "skipped": _("nothing was sent"),
    }.get(status, _("on its way"))


def reason_words(reason: str) -> str:
    """Why nothing was sent: a word of the calendar as a sentence, else as it was written down."""
    return words().quiet_reason(reason) if reason.partition(":")[0] in QUIET_WORDS else reason


def source_name(source: str) -> str:
    return _SOURCES.get(source, source)


def week_name(on: date) -> str:
    """2026-W24, as ISO 8601 counts weeks."""
    year, week, _ = on.isocalendar()
    return f"{year:04}-W{week:02}"


def month_name(said: Words, month: date) -> str:
    return str(format_skeleton("yMMMM", month, locale=said.locale))
