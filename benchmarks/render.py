"""CPU per mail from a frozen edition to wire bytes: filled from skeletons, and beside it the plain way in the same run."""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from markupsafe import Markup

from digest.editions.edition import Edition, Pick
from digest.ranking.choice import ReasonKind
from digest.rendering import gallery, inline
from digest.rendering.columns import wrap
from digest.rendering.desk import HTML_FORMS, REASONS, TEXT_FORMS, phrase_html
from digest.rendering.layout import Form
from digest.rendering.mime import Sender
from digest.rendering.pages import Pages
from digest.rendering.renderer import Renderer
from digest.rendering.subject import PREHEADER_TITLE_MAX, subject_of
from digest.rendering.view import DigestView, LinkView, card, clip, counts, footer
from digest.rendering.wording import Words, words_for
from digest.settings import data_root
from digest.subscribers.signer import Signer
from digest.subscribers.tokens import Links, MailLinks, vote_ending

AT = datetime(2026, 6, 9, 5, tzinfo=UTC)
SENDER = Sender(
    "https://digest.example.org", "Digest <digest@example.org>", "digest.example.org", "", "1 Sample Street, 12345 Town"
)


class PlainWay:
    """The mail made as one would without skeletons: Jinja, premailer and EmailMessage for every reader.

    It serves as the baseline here and as the truth in a test, so it shows what `Sheet.fill` shows, all papers in full.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._pages = Pages(data_root() / "templates" / "email")

    def fill(
        self, edition: Edition, to: str, language: str, links: MailLinks, message_id: str, dated_at: datetime
    ) -> bytes:
        text, html, subject = self.parts(edition, language, links)
        message = EmailMessage(policy=SMTP.clone(max_line_length=76))
        message["To"], message["Message-ID"], message["Date"] = to, message_id, format_datetime(dated_at)
        message["Subject"], message["From"] = subject, self._sender.mail_from
        message.set_content(text, cte="quoted-printable")
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        return message.as_bytes()

    def parts(
        self, edition: Edition, language: str, links: MailLinks, forms: Sequence[Form] | None = None
    ) -> tuple[str, str, str]:
        """The text part, the HTML part and the subject. `forms` as `layout.plan` gives them; all in full without."""
        words = words_for(language)
        shown = forms or [Form.FULL] * len(edition.picks)
        html_items, text_items = "", ""
        for place, (pick, form) in enumerate(zip(edition.picks, shown, strict=True)):
            if form is Form.COUNTED:
                more = LinkView(words.more_on_the_web(len(shown) - place), self._page("e", links.edition))
                html_items += self._pages.html("_parts/more", link=more)
                text_items += f"{more.label}: {more.url}\n\n"
                break
            if form is Form.LINE and place and shown[place - 1] is not Form.LINE:
                html_items += self._pages.html("_parts/section", section=words.in_brief())
                text_items += self._pages.text("_parts/section", section=words.in_brief())
            index = form + 1 if place or form else 0
            html, text = self._card(pick, index, words, edition, links.vote)
            html_items, text_items = html_items + html, text_items + text
        subject = subject_of(
            words,
            edition.kind,
            edition.dated_on,
            len(edition.picks),
            card(edition.picks[0].paper, words, self._sender).title,
        )
        view = self._view(edition, words, links, subject)
        values = {"words": words, "sender": self._sender}
        html = self._pages.inlined(
            self._pages.html("digest/body", view=replace(view, items=Markup(html_items)), **values)
        )
        closing = replace(view.footer, closing=wrap(view.footer.closing))
        text_view = replace(view, items=text_items, footer=closing, heading=wrap(view.heading), lead=wrap(view.lead))
        return self._pages.text("digest/body", view=text_view, **values), html, subject

    def _page(self, name: str, token: bytes) -> str:
        return f"{self._sender.public_url}/{name}/{token.decode()}"

    def _card(self, pick: Pick, index: int, words: Words, edition: Edition, vote: bytes) -> tuple[str, str]:
        more, less_of_it = (
            self._page("v", vote + vote_ending(pick.paper.id, is_more).encode()) for is_more in (True, False)
        )
        html_rows, text_rows = "", ""
        for place, reason in enumerate(pick.reasons[: REASONS[index]]):
            phrase = words.reason(reason, pick.votes, pick.votes_gained, edition.dated_on)
            less = "" if reason.kind is ReasonKind.FRESH else f"{less_of_it}/{place}"
            html_rows += self._pages.html("_parts/reason", words=words, reason=Markup(phrase_html(phrase)), less=less)
            text_rows += wrap("* " + str(phrase), 2, 4) + "\n"
        label = words.second_chance() if pick.is_second_chance else ""
        both = replace(
            card(pick.paper, words, self._sender),
            counts=counts(words, pick.votes, pick.paper.comments),
            more=more,
            less=less_of_it,
        )
        label_html = Markup(self._pages.html("_parts/label", label=label)) if label else ""
        html = self._pages.html(
            "_parts/" + HTML_FORMS[index], card=replace(both, label=label_html, reasons=Markup(html_rows))
        )
        text = self._pages.text(
            "_parts/" + TEXT_FORMS[index], card=replace(both, label=label and label + "\n", reasons=text_rows)
        )
        return html, text

    def _view(self, edition: Edition, words: Words, links: MailLinks, subject: str) -> DigestView:
        titles = [card(pick.paper, words, self._sender) for pick in edition.picks[:3]]
        also = words.also([clip(one.title, PREHEADER_TITLE_MAX) for one in titles[1:]])
        opening = clip(titles[0].gist or titles[0].title, 2 * PREHEADER_TITLE_MAX)
        foot = footer(words, self._sender)
        return DigestView(
            footer=replace(
                foot,
                change=LinkView(foot.change.label, self._page("p", links.preferences)),
                pause=LinkView(foot.pause.label, self._page("p", links.preferences) + "#pause"),
                unsubscribe=LinkView(foot.unsubscribe.label, self._page("u", links.unsubscribe)),
                closing=words.closing(edition.weighed, edition.next_on),
            ),
            web=LinkView(words.all_on_the_web(), self._page("e", links.edition)),
            subject=subject,
            preheader=also if len(titles) > 1 else opening,
            heading=words.heading(edition.kind, edition.dated_on),
            lead=words.lead(edition.kind, len(edition.picks), edition.covers_from, edition.covers_to),
        )


def cpu_ms(work: Callable[[], object], times: int, rounds: int) -> float:
    """CPU milliseconds of one call: the best round's mean."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        start = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - start) / times)
    return best * 1000


def measure(size: int, readers: int, rounds: int) -> dict[str, float | int]:
    """`size` papers a digest out of 100 of the day; readers' editions differ in order."""
    picks = [gallery.a_pick(number, gallery.REASONS[number % len(gallery.REASONS)]) for number in range(100)]
    editions = [
        gallery.an_edition([picks[(start * 7 + place * (1 + start % 3)) % 100] for place in range(size)])
        for start in range(readers)
    ]
    signed = Links(Signer([b"k" * 32]), "bounces.example.org")
    before = inline.calls
    start = time.process_time()
    sheet = Renderer(SENDER).prepare([pick.paper for pick in picks], ["en"])
    prepared_ms = (time.process_time() - start) * 1000
    calls = inline.calls - before
    known = [signed.of_mail(number, number) for number in range(readers)]

    def fill(links: Callable[[int], MailLinks]) -> Callable[[], None]:
        def all_readers() -> None:
            for number, edition in enumerate(editions):
                sheet.fill(edition, "ann@example.com", "en", links(number), "<abcdefgh.1@example.org>", AT)

        return all_readers

    fill(lambda number: known[number])()
    joined = cpu_ms(fill(lambda number: known[number]), 1, rounds) / readers
    whole = cpu_ms(fill(lambda number: signed.of_mail(number, number)), 1, rounds) / readers
    plain = PlainWay(SENDER)
    plainly = cpu_ms(
        lambda: plain.fill(editions[0], "ann@example.com", "en", known[0], "<abcdefgh.1@example.org>", AT), 3, 3
    )
    mail = sheet.fill(editions[0], "ann@example.com", "en", known[0], "<abcdefgh.1@example.org>", AT)
    return {
        "papers_in_a_mail": size,
        "bytes": len(mail),
        "fill_cpu_ms": round(joined, 4),
        "fill_and_sign_cpu_ms": round(whole, 4),
        "plain_cpu_ms": round(plainly, 2),
        "times_less": round(plainly / joined),
        "prepare_100_papers_cpu_ms": round(prepared_ms, 1),
        "premailer_calls": calls,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="digest bench render", description=__doc__)
    parser.add_argument("--size", type=int, default=10, help="papers in a digest")
    parser.add_argument("--readers", type=int, default=500, help="different editions to fill in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    figures = measure(options.size, options.readers, options.rounds)
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{name.replace('_', ' '):28}{value:>12,}" for name, value in figures.items())
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
