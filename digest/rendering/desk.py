"""A day's papers in one language as skeletons, and what is said of them to readers, each encoded once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from digest.editions.edition import Kind, Pick
from digest.papers.paper import Paper
from digest.papers.text import clip
from digest.ranking.choice import Reason, ReasonKind
from digest.rendering import mime
from digest.rendering.columns import wrap
from digest.rendering.layout import HTML_MAX, Sizes
from digest.rendering.mime import Sender
from digest.rendering.pages import Pages
from digest.rendering.quoted import encode
from digest.rendering.skeleton import Skeleton, compile_skeleton, escaped, html_piece, slot, text_piece
from digest.rendering.subject import PREHEADER_TITLE_MAX, subject_of
from digest.rendering.view import CardView, LinkView, card, counts, digest_view, page
from digest.rendering.wording import Phrase, words_for
from digest.subscribers.tokens import VOTE_LETTERS, vote_ending

HTML_FORMS = ("hero", "full", "short", "line")
HERO, FULL, SHORT, LINE = range(len(HTML_FORMS))
TEXT_FORMS = ("full", "full", "short", "line")
REASONS = (2, 2, 1, 0)  # how many are shown in each of these forms, the strongest first
HOLE = b"\0"  # where the token of a mail's votes goes; nothing encoded holds this byte
HTML_FRAME_SLOTS = ("subject", "preheader", "edition", "items", "preferences", "preferences", "unsubscribe")
TEXT_FRAME_SLOTS = ("edition", "items", "preferences", "preferences", "unsubscribe")
TOKEN_MAX = 43
COUNTS_MAX = 60  # bytes of ` · 1,234 votes · 12 comments`
PHRASE_MAX = 300  # bytes of HTML that the sentence of a reason takes
MOST_TILES = 30_000  # less than 1 KB each


class Card(NamedTuple):
    """A pick in one form; `HOLE` in its pieces is for whoever joins them to fill.

    The pieces are those of its paper and of its reasons, and not joined to larger ones: so they are few, whatever papers
    and reasons meet in the mails of many readers, and stay in the processor's caches.
    """

    html: tuple[bytes, ...]
    text: tuple[bytes, ...]


class Blank(NamedTuple):
    """A paper in one form, with its counts and its label: what stands before its reasons and behind them, or one line."""

    html: tuple[bytes, ...]
    text: tuple[bytes, ...]


class Row(NamedTuple):
    """A reason under any paper: HTML up to the vote's ending in its link, and from behind it on; text."""

    html: bytes
    after_link: bytes | None
    text: bytes


class Frame(NamedTuple):
    """All of a mail but its papers and addresses, for readers whose editions are alike in kind, day and numbers."""

    html: tuple[bytes, ...]
    text: tuple[bytes, ...]
    fields: bytes


@dataclass(frozen=True, slots=True)
class Fragment:
    """One paper: its skeletons in the order of HTML_FORMS, and what subject, preheader and budget need of it.

    `sizes` are bytes of HTML without label and reasons; `full_at_most` is with all that a reader may add. `less` ends the
    address of a vote for less.
    """

    title: str
    teaser: bytes
    opening: bytes
    sizes: Sizes
    full_at_most: int
    less: bytes
    html: tuple[Skeleton, ...]
    text: tuple[Skeleton, ...]
    blanks: dict[tuple[int, int | None, bool], Blank] = field(default_factory=dict)


@dataclass(slots=True)
class Tile:
    """What a desk knows of a pick in the editions of one day.

    `html` and `text` are its pieces in full, of at most `most` bytes of HTML when decoded; what is asked for less often is
    made when it is: `cards` in the order of HTML_FORMS, `sizes`.
    """

    pick: Pick
    fragment: Fragment
    most: int
    html: tuple[bytes, ...]
    text: tuple[bytes, ...]
    cards: list[Card | None]
    sizes: Sizes | None = None


class Desk:
    """Everything of one day in one language. Papers are added in one premailer call; the rest is remembered as asked for."""

    def __init__(self, sender: Sender, pages: Pages, language: str) -> None:
        self.words = words_for(language)
        self._sender, self._pages = sender, pages
        self.is_tracking = sender.is_tracking
        self._fragments: dict[int, Fragment] = {}
        self._tiles: defaultdict[date, dict[int, Tile]] = defaultdict(dict)
        values = {"view": digest_view(self.words, sender), "words": self.words, "sender": sender}
        self._html = compile_skeleton(pages.inlined(pages.html("digest/body", **values)))
        self._text = compile_skeleton(pages.text("digest/body", **values))
        self._address_bytes = len(sender.public_url) + TOKEN_MAX + len("/v/")
        self.room = HTML_MAX - self._html.size - 16 * self._address_bytes
        self._make_pieces()
        self._reason_bytes = len(self._reason) + self._address_bytes + PHRASE_MAX
        self._row = lru_cache(maxsize=50_000)(self._new_row)
        self.frame = lru_cache(maxsize=5_000)(self._frame)
        self.subject = lru_cache(maxsize=5_000)(self._subject)

    def _make_pieces(self) -> None:
        html, words = self._pages.html, self.words
        less = page(self._sender, "v", "vote") + slot("ending") + f"/{slot('place')}"
        label, section, more, self._reason, self._plain_reason = self._pages.inlined_parts([
            html("_parts/label", label=words.second_chance()),
            html("_parts/section", section=words.in_brief()),
            html("_parts/more", link=LinkView(slot("label"), page(self._sender, "e", "edition"))),
            html("_parts/reason", words=words, reason=slot("reason"), less=less),
            html("_parts/reason", words=words, reason=slot("reason"), less=""),
        ])  # fmt: skip
        self._label = encode(label)
        self.label_bytes = len(label)
        self._more = compile_skeleton(more)
        self._more_text = compile_skeleton(f"{slot('label')}: {page(self._sender, 'e', 'edition')}\n\n")
        self.section = encode(section), encode(self._pages.text("_parts/section", section=words.in_brief()))
        self.also = html_piece(words.also([""]))

    def add(self, papers: Iterable[Paper]) -> None:
        """Render, inline and encode the papers that are not here yet: one premailer call for all of them."""
        new = [paper for paper in papers if paper.id not in self._fragments]
        if not new:
            return
        cards = [card(paper, self.words, self._sender) for paper in new]
        done = self._pages.inlined_parts(
            [self._pages.html(f"_parts/{form}", card=one) for one in cards for form in HTML_FORMS]
        )
        for i, (paper, one) in enumerate(zip(new, cards, strict=True)):
            texts = [self._pages.text(f"_parts/{form}", card=one) for form in TEXT_FORMS]
            self._fragments[paper.id] = self._compiled(paper.id, one, done[4 * i : 4 * i + 4], texts)

    def _compiled(self, id: int, one: CardView, htmls: Sequence[str], texts: Sequence[str]) -> Fragment:
        html = tuple(compile_skeleton(part) for part in htmls)
        full, short, line = (
            skeleton.size + COUNTS_MAX + 2 * VOTE_LETTERS
            for skeleton in (max(html[:2], key=lambda one: one.size), *html[2:])
        )
        return Fragment(
            title=one.title,
            teaser=html_piece(clip(one.title, PREHEADER_TITLE_MAX)),
            opening=html_piece(clip(one.gist or one.title, 2 * PREHEADER_TITLE_MAX)),
            sizes=Sizes(full, short, line),
            full_at_most=full + self.label_bytes + REASONS[0] * self._reason_bytes,
            less=vote_ending(id, is_more=False).encode(),
            html=html,
            text=tuple(compile_skeleton(part) for part in texts),
        )

    def tiles(self, picks: Sequence[Pick], today: date) -> list[Tile]:
        """The picks of an edition of that day; their papers are rendered now where they were not yet.

        A pick is known again as the very object that it was: to compare all that it says costs more than to join its
        card. So readers with the same papers for the same reasons should be given the same picks.
        """
        known = self._tiles[today]
        try:
            return list(map(known.__getitem__, map(id, picks)))
        except KeyError:
            if len(known) > MOST_TILES:
                known.clear()
            self.add([pick.paper for pick in picks])
            for pick in picks:
                if id(pick) not in known:  # which stays its own while the tile holds it
                    known[id(pick)] = self._tile(pick, today)
            return [known[id(pick)] for pick in picks]

    def _tile(self, pick: Pick, today: date) -> Tile:
        fragment = self._fragments[pick.paper.id]
        if self.is_tracking:  # then no two mails have the same cards
            return Tile(pick, fragment, fragment.full_at_most, (), (), [])
        in_full = self._card(fragment, pick, FULL, today)
        return Tile(pick, fragment, fragment.full_at_most, *in_full, [None, in_full, None, None])

    def card(self, tile: Tile, form: int, today: date) -> Card:
        """A pick in the form with index `form` of HTML_FORMS."""
        card = tile.cards[form]
        if card is None:
            card = tile.cards[form] = self._card(tile.fragment, tile.pick, form, today)
        return card

    def _card(self, fragment: Fragment, pick: Pick, form: int, today: date) -> Card:
        html, text = self._blank(fragment, form, pick)
        rows, reasons = self.rows(fragment, pick, form, today)
        return Card((html[0], *rows, *html[1:]), (text[0], *reasons, *text[1:]))

    def _blank(self, fragment: Fragment, form: int, pick: Pick) -> Blank:
        """The same for all readers, but for the few to whom the paper is a second chance."""
        key = form, pick.votes, pick.is_second_chance
        blank = fragment.blanks.get(key)
        if blank is None:
            said, label, label_text = self.marks(pick)
            left_open = ("reasons",) if REASONS[form] else ()
            both = {"counts": said, "vote": HOLE}
            blank = fragment.blanks[key] = Blank(
                fragment.html[form].bind(both | {"label": label}, left_open),
                fragment.text[form].bind(both | {"label": label_text}, left_open),
            )
        return blank

    def sizes(self, tile: Tile, today: date) -> Sizes:
        """Bytes of HTML of a pick in each form, its own reasons counted."""
        if tile.sizes is None:
            label = self.label_bytes if tile.pick.is_second_chance else 0
            in_full, in_short = (
                b"".join(self.rows(tile.fragment, tile.pick, form, today)[0]) for form in (FULL, SHORT)
            )
            full, short, line = tile.fragment.sizes
            tile.sizes = Sizes(full + label + _filled_size(in_full), short + label + _filled_size(in_short), line)
        return tile.sizes

    def marks(self, pick: Pick) -> tuple[bytes, bytes, bytes]:
        """The counts for both parts, the label for the HTML and for the text part."""
        said = text_piece(counts(self.words, pick.votes, pick.paper.comments))
        if not pick.is_second_chance:
            return said, b"", b""
        return said, self._label, text_piece(self.words.second_chance() + "\n")

    def counted(self, number: int, edition: bytes) -> tuple[bytes, bytes]:
        """The row that says how many papers are only on the web, where `edition` is the token of the page."""
        values = {"label": html_piece(label := self.words.more_on_the_web(number)), "edition": edition}
        return self._more.fill(values), self._more_text.fill(values | {"label": text_piece(label)})

    def rows(self, fragment: Fragment, pick: Pick, form: int, today: date) -> tuple[list[bytes], list[bytes]]:
        """The reasons that a form has room for. The place of a reason in the pick is part of its address."""
        html, text = list[bytes](), list[bytes]()
        for place, reason in enumerate(pick.reasons[: REASONS[form]]):
            has_votes = reason.kind is ReasonKind.TRENDING  # to the others they say nothing
            row = self._row(reason, place, today, *((pick.votes, pick.votes_gained) if has_votes else (None, None)))
            html += [row.html] if row.after_link is None else [row.html, fragment.less, row.after_link]
            text.append(row.text)
        return html, text

    # --- remembered -------------------------------------------------------------------------------------------------

    def _new_row(self, reason: Reason, place: int, today: date, votes: int | None, gained: int | None) -> Row:
        phrase = self.words.reason(reason, votes, gained, today)
        has_link = reason.is_about_taste
        template = self._reason if has_link else self._plain_reason
        html = compile_skeleton(
            template.replace(slot("reason"), phrase_html(phrase)).replace(slot("place"), str(place))
        )
        said = encode(wrap("* " + str(phrase), 2, 4) + "\n")
        if not has_link:
            return Row(html.bind({}, ())[0], None, said)
        start, after = html.bind({"vote": HOLE}, ("ending",))
        return Row(start, after, said)

    def _subject(self, kind: Kind, day: date, shown: int, hero: int) -> tuple[bytes, bytes]:
        subject = subject_of(self.words, kind, day, shown, self._fragments[hero].title)
        return mime.subject_field(subject), html_piece(subject)

    def _frame(
        self, kind: Kind, day: date, shown: int, weighed: int, next_on: date | None, start: date, end: date
    ) -> Frame:
        words = self.words
        said = {
            "heading": words.heading(kind, day),
            "lead": words.lead(kind, shown, start, end),
            "closing": words.closing(weighed, next_on),
        }
        fields = mime.feedback_field(self._sender, kind.value, day.strftime("%Y%m%d"), words.language)
        fields += mime.list_fields(self._sender) + mime.fixed_fields(self._sender, words.language)
        return Frame(
            self._html.bind({name: html_piece(value) for name, value in said.items()}, HTML_FRAME_SLOTS),
            self._text.bind({name: text_piece(wrap(value)) for name, value in said.items()}, TEXT_FRAME_SLOTS),
            fields,
        )


def _filled_size(html: bytes) -> int:
    return len(html) + html.count(HOLE) * (VOTE_LETTERS - len(HOLE))


def phrase_html(phrase: Phrase) -> str:
    """The sentence escaped, what a person wrote isolated from its direction."""
    before, mark, after = phrase.pattern.partition("{it}")
    it = f'<span dir="auto">{escaped(phrase.it)}</span>' if mark else ""
    return escaped(before) + it + escaped(after)
