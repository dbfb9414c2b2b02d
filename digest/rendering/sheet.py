"""The filling of one reader's digest from a day's skeletons: no template, no parser, no encoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import chain
from operator import attrgetter

from digest.editions.edition import Edition
from digest.papers.paper import Paper
from digest.rendering import mime
from digest.rendering.desk import FULL, HERO, HOLE, LINE, SHORT, Desk, Tile
from digest.rendering.layout import Form, plan
from digest.rendering.mime import Sender
from digest.rendering.pages import Pages
from digest.rendering.skeleton import html_piece
from digest.rendering.wording import known_language
from digest.subscribers.tokens import MailLinks

_MOST, _HTML, _TEXT = attrgetter("most"), attrgetter("html"), attrgetter("text")
_TOKEN_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"


class Sheet:
    """A day's papers, ready to be filled for any reader in any language."""

    def __init__(self, sender: Sender, pages: Pages, papers: Iterable[Paper], languages: Iterable[str]) -> None:
        self._sender, self._pages = sender, pages
        self._papers: dict[int, Paper] = {}
        self._desks: dict[str, Desk] = {}
        self.add(papers, languages)

    def add(self, papers: Iterable[Paper], languages: Iterable[str]) -> None:
        """Take in papers that are not here yet, and languages."""
        new = {paper.id: paper for paper in papers if paper.id not in self._papers}
        self._papers |= new
        for desk in self._desks.values():
            desk.add(new.values())
        for language in languages:
            self._desk(language)

    def fill(
        self, edition: Edition, to: str, language: str, links: MailLinks, message_id: str, dated_at: datetime
    ) -> bytes:
        """The wire bytes (CRLF, 7 bit, no line to dot-stuff) of one digest; the same arguments give the same bytes.

        Raises mime.HeaderError when an address or an id must not stand in a header, ValueError for an edition without
        papers (a quiet day is a letter) and for links that miss a token.
        """
        picks = edition.picks
        if not picks:
            raise ValueError(f"edition {edition.id} has no papers; a quiet day is told by Renderer.quiet")
        desk = self._desk(language)
        _check(links, len(picks), desk.is_tracking)
        tiles = desk.tiles(picks, edition.dated_on)
        if desk.is_tracking or not _all_fit(desk, tiles):
            html, text = _items(desk, edition, tiles, links)
        else:
            html, text = _in_full(desk, edition.dated_on, tiles)
        h, t, fields = desk.frame(
            edition.kind,
            edition.dated_on,
            len(picks),
            edition.weighed,
            edition.next_on,
            edition.covers_from,
            edition.covers_to,
        )
        subject_field, subject = desk.subject(edition.kind, edition.dated_on, len(picks), picks[0].paper.id)
        web, preferences, unsubscribe = links.edition, links.preferences, links.unsubscribe
        return b"".join((
            mime.personal_fields(to, message_id, dated_at), subject_field,
            mime.unsubscribe_fields(self._sender, unsubscribe, links.unsubscribe_address), fields,
            mime.TEXT_PART,
            t[0], web, t[1], *text, t[2], preferences, t[3], preferences, t[4], unsubscribe, t[5],
            mime.HTML_PART,
            h[0], subject, h[1], *_preheader(desk, tiles), h[2], web, h[3], *html,
            h[4], preferences, h[5], preferences, h[6], unsubscribe, h[7],
            mime.END,
        )).replace(HOLE, links.vote)  # fmt: skip

    def forms(self, edition: Edition, language: str) -> list[Form]:
        """How much of each paper the mail has room for."""
        desk = self._desk(language)
        return _planned_forms(desk, edition.dated_on, desk.tiles(edition.picks, edition.dated_on))

    def _desk(self, tag: str) -> Desk:
        return self._desks.get(tag) or self._made(known_language(tag))

    def _made(self, language: str) -> Desk:
        if language not in self._desks:
            desk = self._desks[language] = Desk(self._sender, self._pages, language)
            desk.add(self._papers.values())
        return self._desks[language]


def _check(links: MailLinks, papers: int, is_tracking: bool) -> None:
    clicks = links.clicks
    if is_tracking and len(clicks) != papers:
        raise ValueError(f"links to follow {len(clicks)} papers; the edition has {papers}")
    tokens = links.unsubscribe, links.preferences, links.edition, links.vote
    if not all(tokens):
        raise ValueError("a token is missing")
    if b"".join((*tokens, *clicks)).translate(None, _TOKEN_LETTERS):
        raise ValueError("a token has letters that need encoding in a URL")


def _in_full(desk: Desk, today: date, tiles: Sequence[Tile]) -> tuple[Iterable[bytes], Iterable[bytes]]:
    """All papers as pieces of both parts. Nearly every mail passes here, so no line of it is run for each paper."""
    hero = desk.card(tiles[0], HERO, today)
    others = tiles[1:]
    return (
        chain(hero.html, chain.from_iterable(map(_HTML, others))),
        chain(hero.text, chain.from_iterable(map(_TEXT, others))),
    )


def _items(
    desk: Desk, edition: Edition, tiles: Sequence[Tile], links: MailLinks
) -> tuple[Iterable[bytes], Iterable[bytes]]:
    """The papers as pieces of both parts, in the forms that there is room for: cards, then lines, then a number."""
    html, text = list[bytes](), list[bytes]()
    forms = _planned_forms(desk, edition.dated_on, tiles)
    shown = len(forms) - forms.count(Form.COUNTED)
    for place, (tile, form) in enumerate(zip(tiles[:shown], forms[:shown], strict=True)):
        if form is Form.LINE and place and forms[place - 1] is not Form.LINE:
            _add(html, text, desk.section)
        index = HERO if form is Form.FULL and place == 0 else (FULL, SHORT, LINE)[form]
        if desk.is_tracking:
            _add(html, text, _tracked(desk, tile, index, edition.dated_on, links, place))
        else:
            card = desk.card(tile, index, edition.dated_on)
            html += card.html
            text += card.text
    if shown < len(forms):
        _add(html, text, desk.counted(len(forms) - shown, links.edition))
    return html, text


def _tracked(desk: Desk, tile: Tile, form: int, today: date, links: MailLinks, place: int) -> tuple[bytes, bytes]:
    """A paper whose title and abstract lead over /k/."""
    said, label, label_text = desk.marks(tile.pick)
    rows, reasons = desk.rows(tile.fragment, tile.pick, form, today)
    both = {"vote": HOLE, "click": links.clicks[place], "counts": said}
    return (
        tile.fragment.html[form].fill(both | {"label": label, "reasons": b"".join(rows)}),
        tile.fragment.text[form].fill(both | {"label": label_text, "reasons": b"".join(reasons)}),
    )


def _all_fit(desk: Desk, tiles: Sequence[Tile]) -> bool:
    """Whether they fit in full whatever their reasons take, so that these need not be counted."""
    most: int = sum(map(_MOST, tiles))
    return most <= desk.room


def _planned_forms(desk: Desk, today: date, tiles: Sequence[Tile]) -> list[Form]:
    if _all_fit(desk, tiles):
        return [Form.FULL] * len(tiles)
    return plan([tile.sizes or desk.sizes(tile, today) for tile in tiles], desk.room)


def _add(html: list[bytes], text: list[bytes], pieces: tuple[bytes, bytes]) -> None:
    html.append(pieces[0])
    text.append(pieces[1])


def _preheader(desk: Desk, tiles: Sequence[Tile]) -> tuple[bytes, ...]:
    """The next two titles; where there is but one paper, how its gist begins."""
    if len(tiles) == 1:
        return (tiles[0].fragment.opening,)
    if len(tiles) == 2:
        return desk.also, tiles[1].fragment.teaser
    return desk.also, tiles[1].fragment.teaser, _BETWEEN, tiles[2].fragment.teaser


_BETWEEN = html_piece(" · ")
