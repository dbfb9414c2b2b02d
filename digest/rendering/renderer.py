"""The mails of this product as wire bytes: digests by the sheet, single mails by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from digest.editions.edition import Edition
from digest.papers.paper import Paper
from digest.rendering import mime
from digest.rendering.columns import wrap
from digest.rendering.letters import letter_view, quiet_view
from digest.rendering.mime import Sender
from digest.rendering.pages import Pages
from digest.rendering.sheet import Sheet
from digest.rendering.skeleton import Skeleton, compile_skeleton, html_piece, text_piece
from digest.rendering.view import LetterView
from digest.rendering.wording import LANGUAGES, Words, known_language, words_for
from digest.settings import data_root
from digest.subscribers.tokens import MailLinks


class Renderer:
    """Renders for one sender. One instance is kept for the life of a process; it may be shared by threads."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._pages = Pages(data_root() / "templates" / "email")
        self._letters: dict[tuple[str, LetterView], tuple[Skeleton, Skeleton]] = {}

    def prepare(self, papers: Iterable[Paper], languages: Iterable[str] = LANGUAGES) -> Sheet:
        """The day's papers rendered, inlined and encoded once; filling the sheet for a reader only joins bytes."""
        return Sheet(self._sender, self._pages, papers, languages)

    def letter(
        self,
        name: str,
        to: str,
        context: Mapping[str, object],
        language: str,
        links: MailLinks,
        message_id: str,
        dated_at: datetime,
    ) -> bytes:
        """The wire bytes of a mail that answers something a person did; `name` is one of letters.LETTERS.

        `context` is what its function in letters.py reads. Raises KeyError for an unknown name, mime.HeaderError for
        an address or id that must not stand in a header.
        """
        words = words_for(known_language(language))
        view = letter_view(name, words, self._sender, context)
        text, html = self._filled(view, words, links, "")
        return b"".join([
            mime.personal_fields(to, message_id, dated_at),
            mime.subject_field(view.subject),
            mime.fixed_fields(self._sender, words.language),
            *mime.alternative(text, html),
        ])  # fmt: skip

    def quiet(
        self, edition: Edition, to: str, language: str, links: MailLinks, message_id: str, dated_at: datetime
    ) -> bytes:
        """The wire bytes of a quiet day's note; it is list mail, with one-click unsubscribe."""
        words = words_for(known_language(language))
        view = quiet_view(words, self._sender, edition)
        text, html = self._filled(view, words, links, words.closing(edition.weighed, edition.next_on))
        return b"".join([
            mime.personal_fields(to, message_id, dated_at),
            mime.subject_field(view.subject),
            mime.unsubscribe_fields(self._sender, links.unsubscribe, links.unsubscribe_address),
            mime.feedback_field(self._sender, edition.kind.value, edition.dated_on.strftime("%Y%m%d"), words.language),
            mime.list_fields(self._sender),
            mime.fixed_fields(self._sender, words.language),
            *mime.alternative(text, html),
        ])  # fmt: skip

    def _filled(self, view: LetterView, words: Words, links: MailLinks, closing: str) -> tuple[bytes, bytes]:
        text, html = self._skeletons(view, words)
        tokens = {"preferences": links.preferences, "unsubscribe": links.unsubscribe, "action": links.action}
        return (
            text.fill(tokens | {"closing": text_piece(wrap(closing))}),
            html.fill(tokens | {"closing": html_piece(closing)}),
        )

    def _skeletons(self, view: LetterView, words: Words) -> tuple[Skeleton, Skeleton]:
        key = (words.language, view)
        if key not in self._letters:
            values = {"view": view, "words": words, "sender": self._sender}
            html = self._pages.inlined(self._pages.html("letter/body", **values))
            if len(self._letters) >= 256:  # dates and reasons change from day to day
                self._letters.clear()
            self._letters[key] = (compile_skeleton(self._pages.text("letter/body", **values)), compile_skeleton(html))
        return self._letters[key]
