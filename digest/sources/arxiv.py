"""arXiv: today's list from the announcement feed, missed days from the query API, long spans by OAI-PMH.

One request per three seconds and one at a time, over all machines and all three services together
(https://info.arxiv.org/help/api/tou.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

from digest.db.tables import RunOutcome
from digest.sources import arxiv_calendar, arxiv_xml
from digest.sources.arxiv_xml import Page
from digest.sources.base import (
    AGAIN_AFTER,
    CATCH_UP_DAYS,
    FIRST_LOOK_BACK_DAYS,
    BrokenAnswer,
    DayRead,
    Fetch,
    RawPaper,
    Skips,
)
from digest.sources.http import Answer, Http
from digest.sources.pacing import Pace

GAP_SECONDS = 3.0
_IDS_AT_ONCE = 100
_PAGE = 1_000  # the API gives at most 2,000
_PAGES_AT_MOST = 300
_REBUILT_BY_HOUR = 3  # US Eastern; it starts at midnight
_SELDOM_AFTER = timedelta(hours=6)
_OUTSIDE = "outside the asked days"


class Arxiv:
    """`feed_url` is the root of the feeds, `api_url` the query address, `oai_url` the harvest address."""

    name = "arxiv"

    def __init__(
        self, http: Http, pace: Pace, *, feed_url: str, api_url: str, oai_url: str, categories: Sequence[str]
    ) -> None:
        self._http, self._pace, self._categories = http, pace, tuple(categories)
        self._feed_url = feed_url if feed_url.endswith(("/rss", "/atom")) else f"{feed_url}/rss"
        self._api_url = api_url if api_url.endswith("/query") else f"{api_url}/api/query"
        self._oai_url = oai_url if oai_url.endswith(("/oai", "/oai2")) else f"{oai_url}/oai"

    def quiet_reason(self, day: date) -> str | None:
        return arxiv_calendar.quiet_reason(day)

    def due_days(self, read: Mapping[date, DayRead], now: datetime) -> list[date]:
        """Weekdays that were never read to the end; today's, while its feed is still yesterday's, once an hour."""
        today = arxiv_calendar.today(now)
        first = max(
            min(read, default=today - timedelta(days=FIRST_LOOK_BACK_DAYS)), today - timedelta(days=CATCH_UP_DAYS)
        )
        days = (first + timedelta(days=n) for n in range((today - first).days + 1))
        return [day for day in days if day.weekday() < 5 and _is_due(read.get(day), now)]

    def fetch(self, day: date, now: datetime) -> Fetch:
        today = arxiv_calendar.today(now)
        if day > today:
            return Fetch((), RunOutcome.QUIET, f"{day} has not begun at arXiv (US Eastern)", is_final=False)
        if quiet := self.quiet_reason(day) if day.weekday() >= 5 else None:
            return Fetch((), RunOutcome.QUIET, quiet)
        return self._from_feed(day) if day == today else self._from_query(day)

    def _from_feed(self, day: date) -> Fetch:
        skips = Skips()

        def read(answer: Answer) -> tuple[Page, bool]:
            skips.clear()
            return arxiv_xml.read_feed(answer.body, skips), answer.is_unchanged

        page, is_unchanged = self._http.get(f"{self._feed_url}/{'+'.join(self._categories)}", read, pace=self._pace)
        papers = tuple(replace(paper, listed_on=paper.listed_on or page.listed_on or day) for paper in page.papers)
        is_current = any(paper.listed_on == day for paper in papers)
        if not papers:
            reason = self.quiet_reason(day) or f"the feed, made for {page.listed_on or 'no day'}, holds no paper"
            return Fetch((), RunOutcome.QUIET, reason, dict(skips), is_final=self.quiet_reason(day) is not None)
        outcome = RunOutcome.UNCHANGED if is_unchanged else RunOutcome.OK
        reason = "" if is_current else f"the feed is still the one of {max(p.listed_on for p in papers if p.listed_on)}"
        return Fetch(papers, outcome, reason, dict(skips), is_current)

    def _from_query(self, day: date) -> Fetch:
        begin, end = arxiv_calendar.submissions(day)
        categories = " OR ".join(f"cat:{name}" for name in self._categories)
        query = f"({categories}) AND submittedDate:[{begin:%Y%m%d%H%M} TO {end:%Y%m%d%H%M}]"
        skips = Skips()
        inside: dict[str, RawPaper] = {}
        for page in self._query_pages(
            {"search_query": query, "sortBy": "submittedDate", "sortOrder": "descending"}, skips
        ):
            for paper in page.papers:
                if paper.published_on and begin.date() <= paper.published_on <= end.date():
                    inside[paper.id] = replace(paper, listed_on=day)
                else:
                    skips.add(_OUTSIDE)
        if not inside:
            return Fetch(
                (),
                RunOutcome.QUIET,
                self.quiet_reason(day) or "arXiv knows no paper submitted for that day",
                dict(skips),
            )
        return Fetch(tuple(inside.values()), skipped=dict(skips))

    def _query_pages(self, params: Mapping[str, str], skips: Skips) -> Iterator[Page]:
        start = 0
        for _ in range(_PAGES_AT_MOST):
            page = self._query({**params, "start": str(start), "max_results": str(_PAGE)}, start, skips)
            yield page
            start += _PAGE
            if page.total is None or start >= page.total:
                return

    def _query(self, params: Mapping[str, str], start: int, skips: Skips) -> Page:
        def read(answer: Answer) -> Page:
            found = Skips()
            page = arxiv_xml.read_query(answer.body, found)
            if not page.papers and not found and page.total is not None and page.total > start:
                raise BrokenAnswer(f"arXiv says it has {page.total} papers and sent none of them")
            skips.update(found)
            return page

        return self._http.get(self._api_url, read, params, self._pace)

    def look_up(self, keys: Sequence[str]) -> Fetch:
        """arXiv's own records of these papers; one it does not know is left out."""
        skips = Skips()
        papers: list[RawPaper] = []
        for at in range(0, len(keys), _IDS_AT_ONCE):
            some = keys[at : at + _IDS_AT_ONCE]
            page = self._query({"id_list": ",".join(some), "max_results": str(len(some))}, 0, skips)
            papers.extend(page.papers)
        return Fetch(tuple(papers), skipped=dict(skips))

    def harvest(self, first: date, last: date) -> Iterator[Fetch]:
        """Pages of everything first submitted in the span and changed since. The day of the list is reckoned."""
        for category in self._categories:
            archive = category.partition(".")[0]
            chosen = f"{archive}:{category.replace('.', ':')}" if "." in category else archive
            params = {"verb": "ListRecords", "metadataPrefix": "arXiv", "set": chosen, "from": first.isoformat()}
            seen: set[str] = set()
            while True:
                skips = Skips()
                page = self._http.get(self._oai_url, partial(_read_harvest, skips=skips), params, self._pace)
                yield _in_span(page, first, last, skips)
                if page.token is None or page.token in seen or len(seen) > _PAGES_AT_MOST:
                    break
                seen.add(page.token)
                params = {"verb": "ListRecords", "resumptionToken": page.token}


def _read_harvest(answer: Answer, skips: Skips) -> Page:
    skips.clear()
    return arxiv_xml.read_harvest(answer.body, skips)


def _in_span(page: Page, first: date, last: date, skips: Skips) -> Fetch:
    kept: list[RawPaper] = []
    for paper in page.papers:
        day = arxiv_calendar.listed_on(paper.published_on) if paper.published_on else None
        if paper.is_withdrawn or (day and first <= day <= last):
            kept.append(replace(paper, listed_on=day))
        else:
            skips.add(_OUTSIDE)
    return Fetch(
        tuple(kept),
        RunOutcome.OK if kept else RunOutcome.QUIET,
        "" if kept else "no paper of the span on this page",
        dict(skips),
    )


def _is_due(last: DayRead | None, now: datetime) -> bool:
    """A feed that is still yesterday's is asked hourly while it is being rebuilt, after that four times a day."""
    if last is None or last.is_final:
        return last is None
    is_being_rebuilt = now.astimezone(arxiv_calendar.EASTERN).hour < _REBUILT_BY_HOUR
    return now - last.at >= (AGAIN_AFTER if is_being_rebuilt else _SELDOM_AFTER)
