"""The digest that somebody would get now, without planning, freezing or sending it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from digest.db.engine import reading
from digest.editions import store
from digest.editions.build import pick
from digest.editions.candidates import Candidates
from digest.editions.edition import Edition, Kind
from digest.feedback import signals
from digest.install import Install
from digest.papers.store import votes_gained
from digest.ranking import profile
from digest.ranking.rank import Day, Reader, prepare, rank
from digest.subscribers import rows
from digest.subscribers.address import AddressRefused, parse
from digest.subscribers.subscriber import Preferences

PREVIEW_DAYS = 3  # a Monday morning still shows Friday's papers
TO = "you@example.org"


class NothingToShow(Exception):
    """There is no such subscriber, or no paper. The text says what to do."""


def candidates(install: Install, now: datetime) -> Day:
    """The papers of the last days, ready to be ranked for anyone."""
    with reading(install.engine).connect() as connection:
        known = Candidates(connection, signals.voted_papers(connection), install.models.newest(), now)
    fresh = [paper for paper in known.recent if paper.first_seen_at > now - timedelta(days=PREVIEW_DAYS)]
    return prepare(fresh, known.space, now, shelf=known.shelf)


def choose(day: Day, reader: Reader, now: datetime, gained: dict[int, int] | None = None) -> Edition:
    """What `reader` would get of `day`; an edition that is stored nowhere."""
    papers = {paper.id: paper for paper in day.papers}
    [choices] = rank(day, [reader], now)
    picks = tuple(pick(choice, papers[choice.paper_id], gained or {}, {}) for choice in choices)
    start = (now - timedelta(days=PREVIEW_DAYS)).date()
    return Edition(
        0, reader.subscriber_id, now.date(), Kind.DAILY, picks, len(day.papers), start, now.date(), None, now
    )


def for_topics(install: Install, topics: Sequence[str], now: datetime) -> bytes:
    """The mail for these topics."""
    preferences = Preferences(topics=tuple(topics), language=install.settings.language)
    return _mail(install, candidates(install, now), Reader(0, preferences), TO, now)


def for_subscriber(install: Install, address: str, now: datetime) -> bytes:
    """The mail for a subscriber as they are now. Raises NothingToShow where the address is not subscribed."""
    with reading(install.engine).connect() as connection:
        try:
            found = rows.find(connection, parse(address))
        except AddressRefused as error:
            raise NothingToShow(f"{address} is no address: {error}") from None
        if found is None:
            raise NothingToShow(f"{address} is not subscribed. `digest subscribers export` lists who is.")
        seen = store.load_seen(connection, [found.id], (now - timedelta(days=60)).date())
        told = signals.told_by(connection, [found.id])
    day = candidates(install, now)
    own = profile.profiles(list(told.values()), day.space, day.shelf, now)
    reader = Reader(found.id, found.preferences, next(iter(own), None), seen.get(found.id, {}))
    return _mail(install, day, reader, found.email, now)


def _mail(install: Install, day: Day, reader: Reader, to: str, now: datetime) -> bytes:
    with reading(install.engine).connect() as connection:
        gained = votes_gained(connection, [paper.id for paper in day.papers], now)
    edition = choose(day, reader, now, gained)
    if not edition.picks:
        raise NothingToShow(
            "there is no paper to show for that day. Fetch some with `digest ingest`, or give another --date."
        )
    sheet = install.renderer.prepare([pick.paper for pick in edition.picks], [reader.preferences.language])
    clicked = [one.paper.id for one in edition.picks] if install.settings.click_tracking else ()
    links = install.links.of_mail(reader.subscriber_id, edition.id, clicked)
    return sheet.fill(edition, to, reader.preferences.language, links, f"<preview@{install.settings.from_domain}>", now)
