"""The filling of one reader's digest from a day's skeletons: no template, no parser, no encoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from digest.editions.edition import Edition
from digest.papers.paper import Paper
from digest.rendering import mime
from digest.rendering.desk import HOLE, LINE, Desk, Fragment, Tile
from digest.rendering.layout import Form, plan
from digest.rendering.mime import Sender
from digest.rendering.pages import Pages
from digest.rendering.skeleton import html_piece
from digest.rendering.wording import known_language
from digest.subscribers.tokens import MailLinks

# Looking a member up in its enumeration costs as much as joining a card, so the few that the loop needs are held here.
_FULL, _SHORT, _, _COUNTED = Form
_AFTER = range(1, len(Form) + 1)
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
        html, text = _items(desk, edition, tiles, links)
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
            h[0], subject, h[1], *_preheader(desk, [tile.fragment for tile in tiles[:3]]), h[2], web, h[3], *html,
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


def _items(desk: Desk, edition: Edition, tiles: Sequence[Tile], links: MailLinks) -> tuple[list[bytes], list[bytes]]:
    """The papers as pieces of both parts, in the forms that there is room for: cards, then lines, then a number."""
    forms = _planned_forms(desk, edition.dated_on, tiles)
    shown, cards = len(forms) - forms.count(_COUNTED), forms.count(_FULL) + forms.count(_SHORT)
    html, text = _cards(desk, edition.dated_on, tiles[:cards], _indexes(forms[:cards]), links) if cards else ([], [])
    if 0 < cards < len(forms):
        _add(html, text, desk.section)
    for place, tile in enumerate(tiles[cards:shown], start=cards):
        line = _tracked(desk, tile, LINE, edition.dated_on, links, place) if desk.is_tracking else desk.line(tile)
        _add(html, text, line)
    if shown < len(forms):
        _add(html, text, desk.counted(len(forms) - shown, links.edition))
    return html, text


def _cards(
    desk: Desk, today: date, tiles: Sequence[Tile], indexes: Sequence[int], links: MailLinks
) -> tuple[list[bytes], list[bytes]]:
    html, text = list[bytes](), list[bytes]()
    if desk.is_tracking:
        for place, (tile, index) in enumerate(zip(tiles, indexes, strict=True)):
            _add(html, text, _tracked(desk, tile, index, today, links, place))
    else:
        for tile, index in zip(tiles, indexes, strict=True):
            card = tile.cards[index] or desk.card(tile, index, today)
            html += card.html
            text += card.text
    return html, text


def _indexes(forms: Sequence[Form]) -> list[int]:
    """The places of these forms in HTML_FORMS: the first paper, in full, is the hero."""
    indexes = list(map(_AFTER.__getitem__, forms))
    if forms[0] is _FULL:
        indexes[0] = 0
    return indexes


def _tracked(desk: Desk, tile: Tile, form: int, today: date, links: MailLinks, place: int) -> tuple[bytes, bytes]:
    """A paper whose title and abstract lead over /k/."""
    said, label, label_text = desk.marks(tile.pick)
    rows, reasons = desk.rows(tile, form, today)
    both = {"vote": HOLE, "click": links.clicks[place], "counts": said}
    return (
        tile.fragment.html[form].fill(both | {"label": label, "reasons": b"".join(rows)}),
        tile.fragment.text[form].fill(both | {"label": label_text, "reasons": b"".join(reasons)}),
    )


def _planned_forms(desk: Desk, today: date, tiles: Sequence[Tile]) -> list[Form]:
    """The form of each paper. What each reader's reasons take is counted only where not all papers fit in full anyway."""
    if sum([tile.fragment.full_at_most for tile in tiles]) <= desk.room:
        return [_FULL] * len(tiles)
    return plan([tile.sizes or desk.sizes(tile, today) for tile in tiles], desk.room)


def _add(html: list[bytes], text: list[bytes], pieces: tuple[bytes, bytes]) -> None:
    html.append(pieces[0])
    text.append(pieces[1])


def _preheader(desk: Desk, fragments: Sequence[Fragment]) -> tuple[bytes, ...]:
    """The next two titles; where there is but one paper, how its gist begins."""
    if len(fragments) == 1:
        return (fragments[0].opening,)
    if len(fragments) == 2:
        return desk.also, fragments[1].teaser
    return desk.also, fragments[1].teaser, _BETWEEN, fragments[2].teaser


_BETWEEN = html_piece(" · ")
