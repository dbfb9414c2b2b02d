"""Public pages kept in memory: asked for again they are sent as they were, until papers come in or a minute is over."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import Blueprint, Response, g, request

from digest.papers.archive import newest_reading
from digest.web import forms, guards
from digest.web.language import words
from digest.web.site import site

MOST_BYTES = 32 * 1024 * 1024  # in each process
Stamp = tuple[int | None, date]  # the newest reading of a source, and the day that it is


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was made: its pieces around the tokens of forms, each of which is made anew."""

    stamp: Stamp
    made_at: datetime
    pieces: tuple[bytes, ...]
    etag: str
    content_type: str

    def is_current(self, stamp: Stamp, now: datetime) -> bool:
        age = now - self.made_at
        return self.stamp == stamp and timedelta() <= age < timedelta(seconds=guards.PUBLIC_SECONDS)

    def size(self) -> int:
        return sum(map(len, self.pieces))


class Pages:
    """The pages last asked for, by address and language, within MOST_BYTES."""

    def __init__(self) -> None:
        self._pages: OrderedDict[tuple[str, str], Page] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> Page | None:
        with self._lock:
            if key in self._pages:
                self._pages.move_to_end(key)
            return self._pages.get(key)

    def put(self, key: tuple[str, str], page: Page) -> None:
        with self._lock:
            before = self._pages.pop(key, None)
            self._pages[key] = page
            self._bytes += page.size() - (before.size() if before else 0)
            while self._bytes > MOST_BYTES:
                self._bytes -= self._pages.popitem(last=False)[1].size()


def keep_pages_of(blueprint: Blueprint, *views: str) -> None:
    """These views of a blueprint show papers and nothing of the reader but their language."""
    endpoints = {f"{blueprint.name}.{view}" for view in views}

    @blueprint.before_request
    def again() -> Response | None:
        if request.endpoint not in endpoints:
            return None
        with site().reading() as connection:
            g.stamp = newest_reading(connection), site().today()
        page = site().pages.get(_key())
        return _answer(page) if page and page.is_current(g.stamp, site().now()) else None

    @blueprint.after_request
    def keep(response: Response) -> Response:
        if request.endpoint in endpoints and response.status_code == 200 and not response.get_etag()[0]:
            response.set_etag(guards.fingerprint(response), weak=True)
            pieces, etag = forms.around_tokens(response.get_data()), str(response.get_etag()[0])
            page = Page(g.stamp, site().now(), tuple(pieces), etag, str(response.content_type))
            site().pages.put(_key(), page)
        return response


def _key() -> tuple[str, str]:
    return request.full_path, words().language


def _answer(page: Page) -> Response:
    response = Response(forms.with_tokens(page.pieces), content_type=page.content_type)
    response.set_etag(page.etag, weak=True)
    return response
