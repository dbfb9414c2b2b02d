"""What templates get: plain frozen values whose strings are final and in the reader's language."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

from digest.papers import links
from digest.papers.paper import Paper
from digest.papers.text import clip
from digest.rendering.gist import gist, shortened
from digest.rendering.mime import Sender
from digest.rendering.skeleton import slot
from digest.rendering.wording import Words, words_for
from digest.subscribers.tokens import vote_ending

# Top-level domains and host names that spam filters count against a mail; the paper's page on the web still links there.
_DISTRUSTED = frozenset(
    [
        "bid",
        "buzz",
        "click",
        "cyou",
        "date",
        "faith",
        "fit",
        "fun",
        "gdn",
        "icu",
        "life",
        "online",
        "ooo",
        "review",
        "stream",
        "top",
        "trade",
        "vip",
        "work",
        "world",
    ]
)
_HEX_LABEL = re.compile(r"\b(?![0-9a-f]{0,12}[a-f]{3})[0-9a-f]{6,}\b")
_NO_VOWEL = re.compile(r"[bcdfgjklmnpqrstvwxz]{7}")
TITLE_MAX = 300
_MARKUP = re.compile(
    r"""</?(?:(a|abbr|b|big|code|em|font|i|q|s|script|small|span|strike|strong|style|sub|sup|tt|u)"""
    r"""|blockquote|br|center|div|h[1-6]|hr|iframe|img|li|object|ol|p|pre|svg|table|td|tr|ul|video)"""
    r"""(?:\s+[\w:-]+\s*=\s*(?:"[^"]{0,500}"|'[^']{0,500}'|[^\s"'>]{1,500}))*\s*/?>""",
    re.IGNORECASE,
)
# "Tool.cpp: ..." as the text of a link to arxiv.org is what spam filters take for a link that lies about where it leads.
_LOOKS_LIKE_HOST = re.compile(r"\s*(?:https?://)?(?:[a-z0-9-]+\.)+[a-z]{2,}", re.IGNORECASE)
_SHORTENERS = frozenset(
    ["bit.ly", "buff.ly", "cutt.ly", "goo.gl", "is.gd", "lnkd.in", "ow.ly", "rebrand.ly", "t.co", "tinyurl.com"]
)


@dataclass(frozen=True, slots=True)
class LinkView:
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class CardView:
    """One paper. `label`, `counts`, `reasons` (rendered rows) and the token in `more` and `less` belong to the reader."""

    title: str
    url: str
    is_title_linked: bool
    byline: str
    dated: str
    gist: str
    brief: str
    links: tuple[LinkView, ...]
    more_label: str
    less_label: str
    more: str
    less: str
    label: str = slot("label")
    counts: str = slot("counts")
    reasons: str = slot("reasons")


@dataclass(frozen=True, slots=True)
class FooterView:
    """The end of a list mail. `why_in_english` is for whom it reaches who does not read the reader's language."""

    why: str
    why_in_english: str
    change: LinkView
    pause: LinkView
    unsubscribe: LinkView
    archive: LinkView
    closing: str = slot("closing")


@dataclass(frozen=True, slots=True)
class DigestView:
    footer: FooterView
    web: LinkView
    subject: str = slot("subject")
    preheader: str = slot("preheader")
    heading: str = slot("heading")
    lead: str = slot("lead")
    items: str = slot("items")


@dataclass(frozen=True, slots=True)
class LetterView:
    """A mail with one thing to say: `button` is what the reader came for, `fine_print` what they need only sometimes.

    `in_english` is the fine print once more, for a stranger who does not read the language that somebody else chose.
    """

    subject: str
    preheader: str
    heading: str
    paragraphs: tuple[str, ...]
    button: LinkView | None = None
    after: tuple[str, ...] = ()
    links: tuple[LinkView, ...] = ()
    fine_print: str = ""
    in_english: str = ""
    footer: FooterView | None = None


def card(paper: Paper, words: Words, sender: Sender) -> CardView:
    """The part of a card that is the same for every reader; the reader's part are slots."""
    title = clip(without_markup(paper.title), TITLE_MAX)
    known = paper_links(paper, words, sender.public_url)
    if sender.is_tracking:
        known = (replace(known[0], url=page(sender, "k", "click")), *known[1:])
    text = without_markup(gist(paper.gist, paper.abstract))
    return CardView(
        title=title,
        url=known[0].url,
        is_title_linked=not _LOOKS_LIKE_HOST.match(title),
        byline=without_markup(words.byline(paper.organization, paper.authors)),
        dated=words.full_date(paper.published_on or paper.listed_on),
        gist=text,
        brief=shortened(text),
        links=known,
        more_label=words.more_like_this(),
        less_label=words.less_like_this(),
        more=vote_page(sender, paper.id, is_more=True),
        less=vote_page(sender, paper.id, is_more=False),
    )


def without_markup(text: str) -> str:
    """Without HTML tags that a source left in its text. What only looks like one (`<EOS>`, `a <b and c> d`) stays."""
    return " ".join(_MARKUP.sub(lambda tag: "" if tag[1] else " ", text).split()) or text if "<" in text else text


def paper_links(paper: Paper, words: Words, public_url: str) -> tuple[LinkView, ...]:
    """Abstract first, then what else there is."""
    found = []
    if key := paper.arxiv_id:
        address = quote(key, safe="/.")
        found += [
            LinkView(words.abstract(), f"https://arxiv.org/abs/{address}"),
            LinkView(words.pdf(), f"https://arxiv.org/pdf/{address}"),
        ]
    else:
        found.append(LinkView(words.abstract(), f"{public_url}/paper/{paper.id}"))
    if paper.code_url and is_welcome(paper.code_url):
        found.append(LinkView(words.code(paper.code_stars), paper.code_url))
    if paper.project_url and is_welcome(paper.project_url):
        found.append(LinkView(words.project(), paper.project_url))
    if paper.comments and paper.arxiv_id and paper.source == "huggingface":
        found.append(LinkView(words.discussion(), f"https://huggingface.co/papers/{quote(paper.arxiv_id, safe='/.')}"))
    return tuple(found)


def is_welcome(url: str | None) -> bool:
    """A link that the checks of papers/links let through, at a host that spam filters do not hold against the whole mail."""
    if url is None or links.page(url) != url:
        return False
    host = urlsplit(url).hostname or ""
    return not (
        host in _SHORTENERS
        or host.rpartition(".")[2] in _DISTRUSTED
        or _HEX_LABEL.search(host)
        or _NO_VOWEL.search(host)
    )


def page(sender: Sender, name: str, token: str) -> str:
    """The address of a page that a token opens; the slot of that name stands for it."""
    return f"{sender.public_url}/{name}/{slot(token)}"


def vote_page(sender: Sender, paper_id: int, *, is_more: bool) -> str:
    """The address of a vote; one token of the mail opens those of all its papers."""
    return page(sender, "v", "vote") + vote_ending(paper_id, is_more)


def footer(words: Words, sender: Sender) -> FooterView:
    """The end of every list mail; the reader's tokens are slots."""
    preferences = page(sender, "p", "preferences")
    return FooterView(
        why=words.why(sender.name, sender.host),
        why_in_english="" if words.is_english else words_for("en").why(sender.name, sender.host),
        change=LinkView(words.change(), preferences),
        pause=LinkView(words.pause(), preferences + "#pause"),
        unsubscribe=LinkView(words.unsubscribe(), page(sender, "u", "unsubscribe")),
        archive=LinkView(words.archive(), f"{sender.public_url}/papers"),
    )


def digest_view(words: Words, sender: Sender) -> DigestView:
    """The frame of a digest, all that belongs to a reader or an edition left as slots."""
    return DigestView(footer=footer(words, sender), web=LinkView(words.all_on_the_web(), page(sender, "e", "edition")))


def counts(words: Words, votes: int | None, comments: int | None) -> str:
    """` · 90 votes · 3 comments`, with what there is; no number stands apart from its noun."""
    said = [words.votes(votes)] if votes else []
    said += [words.comments(comments)] if comments else []
    return "".join(" · " + one.replace(" ", "\xa0") for one in said)
