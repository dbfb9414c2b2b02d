"""A day's papers in one language as skeletons, and what is said of them to readers, each encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from digest.editions.edition import Kind
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
from digest.rendering.view import CardView, LinkView, card, counts, digest_view
from digest.rendering.wording import Phrase, words_for

HTML_FORMS = ("hero", "full", "short", "line")
TEXT_FORMS = ("full", "full", "short", "line")
REASONS = (2, 2, 1, 0)  # how many are shown in each of these forms, the strongest first
CARD_SLOTS = ("reasons", "more", "less")
HTML_FRAME_SLOTS = ("subject", "preheader", "edition", "items", "preferences", "preferences", "unsubscribe")
TEXT_FRAME_SLOTS = ("edition", "items", "preferences", "preferences", "unsubscribe")
TOKEN_MAX = 43
COUNTS_MAX = 60  # bytes of ` · 1,234 votes · 12 comments`
PHRASE_MAX = 300  # bytes of HTML that the sentence of a reason takes


class Card(NamedTuple):
    """A paper in one form with its counts: the chunks around the reasons and the two votes, or the whole line."""

    html: tuple[bytes, ...]
    text: tuple[bytes, ...]


class Row(NamedTuple):
    """A reason: its HTML before and after the token of "less of this" (nothing after where it has none), and its text."""

    before: bytes
    after: bytes
    text: bytes


class Frame(NamedTuple):
    """All of a mail but its papers and addresses, for readers whose editions are alike in kind, day and numbers."""

    html: tuple[bytes, ...]
    text: tuple[bytes, ...]
    fields: bytes


@dataclass(frozen=True, slots=True)
class Fragment:
    """One paper: its skeletons in the order of HTML_FORMS, and what subject, preheader and budget need of it.

    `sizes` are bytes of HTML without label and reasons; `full_at_most` is with all that a reader may add.
    """

    title: str
    teaser: bytes
    opening: bytes
    sizes: Sizes
    full_at_most: int
    html: tuple[Skeleton, ...]
    text: tuple[Skeleton, ...]
    cards: dict[tuple[int, int | None, bool], Card] = field(default_factory=dict)


class Desk:
    """Everything of one day in one language. Papers are added in one premailer call; the rest is remembered as asked for."""

    def __init__(self, sender: Sender, pages: Pages, language: str) -> None:
        self.words = words_for(language)
        self._sender, self._pages = sender, pages
        self.is_tracking = sender.is_tracking
        self._fragments: dict[int, Fragment] = {}
        values = {"view": digest_view(self.words, sender), "words": self.words, "sender": sender}
        self._html = compile_skeleton(pages.inlined(pages.html("digest/body", **values)))
        self._text = compile_skeleton(pages.text("digest/body", **values))
        self._address_bytes = len(sender.public_url) + TOKEN_MAX + len("/v/")
        self.room = HTML_MAX - self._html.size - 16 * self._address_bytes
        self._make_pieces()
        self._reason_bytes = len(self._reason) + self._address_bytes + PHRASE_MAX
        self.row = lru_cache(maxsize=50_000)(self._row)
        self.frame = lru_cache(maxsize=5_000)(self._frame)
        self.subject = lru_cache(maxsize=5_000)(self._subject)

    def _make_pieces(self) -> None:
        html, words = self._pages.html, self.words
        less = f"{self._sender.public_url}/v/{slot('less')}/{slot('place')}"
        label, section, more, self._reason, self._plain_reason = self._pages.inlined_parts([
            html("_parts/label", label=words.second_chance()),
            html("_parts/section", section=words.in_brief()),
            html("_parts/more", link=LinkView(slot("label"), slot("edition"))),
            html("_parts/reason", words=words, reason=slot("reason"), less=less),
            html("_parts/reason", words=words, reason=slot("reason"), less=""),
        ])  # fmt: skip
        self._label = encode(label)
        self.label_bytes = len(label)
        self._more = compile_skeleton(more)
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
            self._fragments[paper.id] = self._compiled(one, done[4 * i : 4 * i + 4], texts)

    def _compiled(self, one: CardView, htmls: Sequence[str], texts: Sequence[str]) -> Fragment:
        html = tuple(compile_skeleton(part) for part in htmls)
        full, short, line = (
            skeleton.size + COUNTS_MAX + 2 * TOKEN_MAX
            for skeleton in (max(html[:2], key=lambda one: one.size), *html[2:])
        )
        return Fragment(
            title=one.title,
            teaser=html_piece(clip(one.title, PREHEADER_TITLE_MAX)),
            opening=html_piece(clip(one.gist or one.title, 2 * PREHEADER_TITLE_MAX)),
            sizes=Sizes(full, short, line),
            full_at_most=full + self.label_bytes + REASONS[0] * self._reason_bytes,
            html=html,
            text=tuple(compile_skeleton(part) for part in texts),
        )

    def fragment(self, paper: Paper) -> Fragment:
        if paper.id not in self._fragments:
            self.add([paper])
        return self._fragments[paper.id]

    def card(
        self, fragment: Fragment, form: int, votes: int | None, comments: int | None, is_second_chance: bool
    ) -> Card:
        """A paper in the form with index `form` of HTML_FORMS, its counts as they were when the edition was frozen."""
        key = (form, votes, is_second_chance)
        if key not in fragment.cards:
            said, label, label_text = self.marks(votes, comments, is_second_chance)
            left_open = CARD_SLOTS if form < 3 else ()
            fragment.cards[key] = Card(
                fragment.html[form].bind({"counts": said, "label": label}, left_open),
                fragment.text[form].bind({"counts": said, "label": label_text}, left_open),
            )
        return fragment.cards[key]

    def marks(self, votes: int | None, comments: int | None, is_second_chance: bool) -> tuple[bytes, bytes, bytes]:
        """The counts for both parts, the label for the HTML and for the text part."""
        said = text_piece(counts(self.words, votes, comments))
        return (
            (said, self._label, text_piece(self.words.second_chance() + "\n")) if is_second_chance else (said, b"", b"")
        )

    def counted(self, number: int, edition_url: str) -> tuple[bytes, bytes]:
        """The row that says how many papers are only on the web."""
        label = self.words.more_on_the_web(number)
        html = self._more.fill({"label": html_piece(label), "edition": html_piece(edition_url)})
        return html, text_piece(f"{label}: {edition_url}\n\n")

    # --- remembered -------------------------------------------------------------------------------------------------

    def _row(
        self,
        kind: ReasonKind,
        detail: str,
        liked_on: date | None,
        votes: int | None,
        gained: int | None,
        place: int,
        today: date,
    ) -> Row:
        phrase = self.words.reason(Reason(kind, 0.0, detail, None, liked_on), votes, gained, today)
        has_link = kind is not ReasonKind.FRESH
        template = self._reason if has_link else self._plain_reason
        html = compile_skeleton(
            template.replace(slot("reason"), phrase_html(phrase)).replace(slot("place"), str(place))
        )
        chunks = html.bind({}, ("less",) if has_link else ())
        return Row(chunks[0], chunks[-1] if has_link else b"", encode(wrap("* " + str(phrase), 2, 4) + "\n"))

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


def phrase_html(phrase: Phrase) -> str:
    """The sentence escaped, what a person wrote isolated from its direction."""
    before, mark, after = phrase.pattern.partition("{it}")
    it = f'<span dir="auto">{escaped(phrase.it)}</span>' if mark else ""
    return escaped(before) + it + escaped(after)
