"""Values for the rendering tests: a sender, papers, an edition, links."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from digest.editions.edition import Edition, Kind, Pick
from digest.papers.paper import Paper
from digest.ranking.choice import Reason, ReasonKind
from digest.rendering.mime import Sender
from digest.subscribers.tokens import MailLinks

AT = datetime(2026, 6, 9, 7, tzinfo=UTC)
TODAY = date(2026, 6, 9)
URL = "https://digest.example.org"
MESSAGE_ID = "<abcdefgh.1@example.org>"
SENDER = Sender(
    URL,
    "Digest <digest@example.org>",
    "digest.example.org",
    "Digest <hello@example.org>",
    "1 Sample Street, 12345 Town",
)


def a_paper(number: int = 1, **changes: Any) -> Paper:
    paper = Paper(
        id=number,
        key=f"2606.{number:05}",
        title=f"A careful study of thing number {number}",
        abstract="Things are hard. We propose a way. It is new. Experiments show that it improves a lot.",
        gist=None,
        authors=("Ann Lee", "Bob Ray", "Cleo Dee", "Di Fo"),
        organization=None,
        categories=("cs.CL",),
        keywords=(),
        published_on=date(2026, 6, 5),
        listed_on=TODAY,
        first_seen_at=AT,
        votes=90,
        comments=3,
        code_url="https://github.com/a/b",
        code_stars=120,
        project_url="https://things.example.org/",
        source="huggingface",
    )
    return replace(paper, **changes)


REASONS = (Reason(ReasonKind.TOPIC, 1.0, "video diffusion"), Reason(ReasonKind.TRENDING, 0.5, "90"))


def an_edition(*papers: Paper, **changes: Any) -> Edition:
    picks = tuple(Pick(paper, REASONS, paper.votes, 34) for paper in papers)
    edition = Edition(1, 1, TODAY, Kind.DAILY, picks, 38, TODAY, TODAY, date(2026, 6, 10), AT)
    return edition._replace(**changes)


LINKS = MailLinks(
    unsubscribe=b"u" * 32,
    preferences=b"p" * 32,
    unsubscribe_address=b"u-uuuu@bounces.example.org",
    edition=b"e" * 32,
    vote=b"v" * 36,
    action=b"c/" + b"c" * 43,
)


def links_of(edition: Edition) -> MailLinks:
    """Clicks begin with the number of their paper."""
    numbers = [b"%04d" % pick.paper.id for pick in edition.picks]
    return LINKS._replace(clicks=[number + b"k" * 36 for number in numbers])


def parsed(raw: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=policy.SMTP).parsebytes(raw)


def part(raw: bytes, kind: str) -> str:
    body = parsed(raw).get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")
