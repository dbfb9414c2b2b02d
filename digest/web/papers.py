"""Public pages of papers: daily lists, weeks, the archive, single papers, search, the feed, and the same as JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from digest.db.tables import RunOutcome
from digest.papers import archive as shelf
from digest.papers import identity
from digest.papers.paper import Paper
from digest.papers.query import Query, parse
from digest.papers.search import Filters, find
from digest.web import given
from digest.web.kept import keep_pages_of
from digest.web.language import words
from digest.web.show import source_name, week_name
from digest.web.site import site

blueprint = Blueprint("papers", __name__)
keep_pages_of(blueprint, "today", "archive", "listed", "paper", "feed", "api_papers")
PER_DAY = 100
PER_SEARCH = 20
FEED_DAYS = 14
SATURDAY = 5
NOTHING = shelf.Page((), 0)


@blueprint.get("/")
def today() -> str:
    """Today's list; while there is none yet, why, and the last one that there is."""
    on = site().today()
    with site().reading() as connection:
        shown = shelf.papers_between(connection, on, on, PER_DAY)
        latest_on = shelf.day_before(connection, on)
    if shown.total or latest_on is None:
        return _day_page(on, 1)
    return _day_page(latest_on, 1, waits_for=on)


@blueprint.get("/papers")
def archive() -> str:
    """One year of days, month by month."""
    now_on = site().today()
    year = given.number(request.args, "year", now_on.year, 1991, now_on.year)
    with site().reading() as connection:
        first_on = shelf.first_day(connection)
        days = shelf.days_listed(connection, date(year, 1, 1), min(date(year, 12, 31), now_on))
    months = [(month, list(some)) for month, some in groupby(days, key=lambda day: day[0].replace(day=1))]
    years = range(first_on.year, now_on.year + 1) if first_on else range(0)
    return render_template("archive.html", months=months, first_on=first_on, year=year, years=list(years))


@blueprint.get("/papers/<when>")
def listed(when: str) -> str:
    """A day, YYYY-MM-DD, or a week, YYYY-Www."""
    page = given.number(request.args, "page", 1, 1, 1000)
    if on := given.day(when):
        return _day_page(on, page)
    start_on = given.week(when)
    return _week_page(start_on, page) if start_on else abort(404)


def _day_page(on: date, page: int, *, waits_for: date | None = None) -> str:
    now_on = site().today()
    if on > now_on:
        abort(404)
    with site().reading() as connection:
        shown = shelf.papers_between(connection, on, on, PER_DAY, (page - 1) * PER_DAY)
        before_on, after_on = shelf.day_before(connection, on), shelf.day_after(connection, on, now_on)
    empty_on = waits_for or (None if shown.total else on)
    return render_template(
        "day.html",
        on=on,
        shown=shown,
        page=page,
        pages=_pages(shown.total, PER_DAY),
        before_on=before_on,
        after_on=after_on,
        why_empty=_why_empty(empty_on) if empty_on else [],
        waits_for=waits_for,
    )


def _why_empty(on: date) -> list[str]:
    """Why a day has no list: what the sources said, else what the calendar says."""
    _ = words().gettext
    with site().reading() as connection:
        asked = shelf.asked_sources(connection, on)
    failed = [one.source for one in asked if one.outcome == RunOutcome.FAILED]
    if failed:
        names = ", ".join(map(source_name, failed))
        return [_("We could not read {source} for this day. We keep trying.").replace("{source}", names)]
    if on.weekday() >= SATURDAY:
        return [_("It is the weekend: the sources we read announce no papers.")]
    if on == site().today():
        return [_("Today's papers are not out yet.")]
    return [_("Nothing was announced on this day.")]


def _week_page(start_on: date, page: int) -> str:
    now_on = site().today()
    if start_on > now_on:
        abort(404)
    end_on = start_on + timedelta(days=6)
    with site().reading() as connection:
        shown = shelf.papers_between(connection, start_on, min(end_on, now_on), PER_DAY, (page - 1) * PER_DAY)
        days = shelf.days_listed(connection, start_on, min(end_on, now_on))
    following = start_on + timedelta(days=7)
    return render_template(
        "week.html",
        name=week_name(start_on),
        start_on=start_on,
        end_on=end_on,
        shown=shown,
        days=days[::-1],
        page=page,
        pages=_pages(shown.total, PER_DAY),
        week_before=week_name(start_on - timedelta(days=7)),
        week_after=week_name(following) if following <= now_on else None,
    )


@blueprint.get("/paper/<path:name>")
def paper(name: str) -> str | AnyResponse:
    """One paper by its arXiv id (any version, any spelling of it), or by its number for a paper without one."""
    known = identity.parse(name)
    with site().reading() as connection:
        found = shelf.find_paper(connection, known.key if known else name)
        if found is None:
            abort(404)
        days = shelf.days_of(connection, found.id)
        similar = site().tryout.similar(connection, found)
    if name != given.paper_name(found):
        return redirect(f"/paper/{given.paper_name(found)}", 301)
    return render_template("paper.html", paper=found, days=days, similar=similar)


@blueprint.get("/search")
def search() -> str | AnyResponse:
    """Search by words and filters. An arXiv id leads straight to its paper."""
    typed = given.line(request.args, "q")
    if (known := identity.parse(typed)) and (found := _stored(known.key)):
        return redirect(f"/paper/{given.paper_name(found)}")
    filters = _filters()
    page = given.number(request.args, "page", 1, 1, 1000)
    query, shown = _found(typed, filters, page)
    return render_template(
        "search.html",
        typed=typed,
        query=query,
        filters=filters,
        shown=shown,
        is_asked=bool(typed or filters),
        page=page,
        pages=_pages(shown.total, PER_SEARCH),
        given=_asked_again(typed, filters),
    )


@blueprint.get("/api/search")
def api_search() -> Response:
    typed, page = given.line(request.args, "q"), given.number(request.args, "page", 1, 1, 1000)
    _, shown = _found(typed, _filters(), page)
    return jsonify(q=typed, page=page, pages=_pages(shown.total, PER_SEARCH), total=shown.total, papers=_as_json(shown))


@blueprint.get("/api/papers")
def api_papers() -> Response:
    """One day's list; without `date` the last day that has one."""
    named = request.args.get("date", "")
    on = given.day(named)
    if named and on is None:
        abort(400)
    page = given.number(request.args, "page", 1, 1, 1000)
    with site().reading() as connection:
        on = on or shelf.day_before(connection, site().today() + timedelta(days=1))
        shown = shelf.papers_between(connection, on, on, PER_DAY, (page - 1) * PER_DAY) if on else NOTHING
    return jsonify(
        date=on and on.isoformat(),
        page=page,
        pages=_pages(shown.total, PER_DAY),
        total=shown.total,
        papers=_as_json(shown),
    )


@blueprint.get("/feed.xml")
def feed() -> Response:
    """Atom (RFC 4287), one entry for each of the last days with papers."""
    now_on = site().today()
    with site().reading() as connection:
        days = shelf.recent_days(connection, now_on, FEED_DAYS)
    response = make_response(render_template("feed.xml", days=days, epoch=datetime(1970, 1, 1, tzinfo=UTC)))
    response.content_type = "application/atom+xml; charset=utf-8"
    return response


def _pages(total: int, size: int) -> int:
    return max(1, -(-total // size))


def _filters() -> Filters:
    return Filters(
        since=given.day(request.args.get("since", "")),
        until=given.day(request.args.get("until", "")),
        organisation=given.line(request.args, "organisation", 120),
        has_code=request.args.get("code") == "1",
    )


def _asked_again(typed: str, filters: Filters) -> dict[str, str]:
    """The same search as query parameters, for links to its other pages."""
    asked = {
        "q": typed,
        "since": filters.since.isoformat() if filters.since else "",
        "until": filters.until.isoformat() if filters.until else "",
        "organisation": filters.organisation,
        "code": "1" if filters.has_code else "",
    }
    return {name: value for name, value in asked.items() if value}


def _found(typed: str, filters: Filters, page: int) -> tuple[Query, shelf.Page]:
    query = parse(typed)
    if typed and not query:
        return query, NOTHING
    with site().reading() as connection:
        return query, find(connection, query, filters, PER_SEARCH, (page - 1) * PER_SEARCH)


def _stored(key: str) -> Paper | None:
    with site().reading() as connection:
        return shelf.find_paper(connection, key)


def _as_json(shown: shelf.Page) -> list[dict[str, Any]]:
    return [_paper_json(one) for one in shown.papers]


def _paper_json(one: Paper) -> dict[str, Any]:
    return {
        "id": given.paper_name(one),
        "title": one.title,
        "abstract": one.abstract,
        "gist": one.gist,
        "authors": one.authors,
        "organization": one.organization,
        "categories": one.categories,
        "keywords": one.keywords,
        "published_on": one.published_on and one.published_on.isoformat(),
        "listed_on": one.listed_on.isoformat(),
        "votes": one.votes,
        "comments": one.comments,
        "code_url": one.code_url,
        "project_url": one.project_url,
        "is_withdrawn": one.withdrawn_at is not None,
        "url": f"{site().settings.public_url}/paper/{given.paper_name(one)}",
        "arxiv_url": f"https://arxiv.org/abs/{one.arxiv_id}" if one.arxiv_id else None,
    }
