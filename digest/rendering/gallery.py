"""One of every mail, in every state: to look at, to judge, and to show what a change of the templates does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

from digest.editions.edition import Edition, Kind, Pick
from digest.papers.paper import Paper
from digest.ranking.choice import Reason, ReasonKind
from digest.rendering.letters import LETTERS
from digest.rendering.mime import Sender
from digest.rendering.renderer import Renderer
from digest.subscribers.signer import Signer
from digest.subscribers.tokens import Links, MailLinks

AT = datetime(2026, 6, 9, 5, tzinfo=UTC)
TODAY = AT.date()
TO = "ann@example.com"

# The papers below do not exist; their numbers are none that arXiv gives.
_METHODS = (
    "Sparse transformers", "Diffusion models", "Contrastive encoders", "Mixtures of experts",
    "Retrieval models", "Graph transformers", "Reward models", "State space models",
)  # fmt: skip
_TASKS = (
    "protein design", "long documents", "robot grasping", "weather forecasts",
    "code review", "speech in noisy rooms", "satellite images", "proof search",
)  # fmt: skip
_TITLES = (
    "{method} for {task}: what works, what does not, and what it costs",
    "Rethinking {task} with {lower}",
    "How far can {lower} take {task}?",
    "{method} on a small budget: lessons from {task}",
    "A careful look at {lower} in {task}",
)
_ORGANISATIONS = ("Example University", None, "Institute of Examples", None, None)


class Sample(NamedTuple):
    """`group` is list for mail with list headers, single for answers to something a person did."""

    name: str
    group: Literal["list", "single"]
    mail: bytes


def gallery(sender: Sender, language: str = "en") -> Iterator[Sample]:
    """Every mail as wire bytes. Links carry tokens of the right shape that no server knows."""
    renderer = Renderer(sender)
    domain = sender.mail_from.rpartition("@")[2].strip("> ")
    states = list(editions())
    sheet = renderer.prepare((pick.paper for _, edition in states for pick in edition.picks), [language])
    for name, edition in states:
        fill = renderer.quiet if edition.kind is Kind.QUIET else sheet.fill
        own = links(sender, name, edition.picks)
        dated_at = datetime.combine(edition.dated_on, AT.timetz())
        yield Sample(name, "list", fill(edition, TO, language, own, _message_id(name, domain), dated_at))
    context = {"cadence": "weekdays", "hour": 7, "timezone": "Europe/Berlin"}
    for name in LETTERS:
        mail = renderer.letter(name, TO, context, language, links(sender, name), _message_id(name, domain), AT)
        yield Sample(name, "single", mail)


def editions() -> Iterator[tuple[str, Edition]]:
    """A name and an edition for every state that a list mail can be in."""
    yield "digest-10", an_edition([a_pick(i, REASONS[i % len(REASONS)]) for i in range(10)])
    yield "digest-1", an_edition([a_pick(0, REASONS[0])], weighed=4)
    yield "digest-6", an_edition([a_pick(i, REASONS[i % len(REASONS)]) for i in range(6)], weighed=31)
    yield "digest-62", an_edition([a_pick(i, REASONS[i % len(REASONS)]) for i in range(62)], weighed=214)
    yield "long-titles", an_edition([a_pick(i, REASONS[0], state=1, title=_long_title(i)) for i in range(6)])
    yield "no-summary", an_edition([a_pick(i, REASONS[5], state=2, **_NOTHING_KNOWN) for i in range(3)])
    yield "600-authors", an_edition([a_pick(i, REASONS[2], state=3, **_CROWD) for i in range(3)])
    yield "scripts", an_edition([a_pick(i, REASONS[i % 3], state=4, **changes) for i, changes in enumerate(_SCRIPTS)])
    late = a_pick(1, REASONS[6])._replace(is_second_chance=True)
    yield "second-chance", an_edition([a_pick(0, REASONS[0]), late, a_pick(2, REASONS[0]), a_pick(3, REASONS[0])])
    yield "weekly", an_edition([a_pick(i, REASONS[i % 3]) for i in range(8)], Kind.WEEKLY, days=7, weighed=186)
    yield "catch-up", an_edition([a_pick(i, REASONS[i % 4]) for i in range(8)], Kind.CATCH_UP, days=12, weighed=340)
    yield "first", an_edition([a_pick(i, REASONS[3]) for i in range(8)], Kind.FIRST, days=7, weighed=97)
    for name, reason, on in _QUIET:
        yield name, an_edition([], Kind.QUIET, weighed=0, quiet_reason=reason, on=on)


_QUIET = (
    ("quiet-weekend", "weekend", date(2026, 6, 7)),
    ("quiet-holiday", "holiday: Juneteenth", date(2026, 6, 19)),
    ("quiet-source-down", "source_down", TODAY),
    ("quiet-no-match", "no_match", TODAY),
)

REASONS = (
    (Reason(ReasonKind.TOPIC, 0.6, "protein design"), Reason(ReasonKind.TRENDING, 0.3, "90")),
    (Reason(ReasonKind.LIKED, 0.5, "Sparse transformers for long documents", 7, TODAY - timedelta(days=3)),),
    (Reason(ReasonKind.AUTHOR, 0.7, "Cleo"), Reason(ReasonKind.ORGANISATION, 0.4, "Example University")),
    (Reason(ReasonKind.TRENDING, 0.5, "90"),),
    (Reason(ReasonKind.READERS, 0.4),),
    (Reason(ReasonKind.FRESH, 0.0),),
    (Reason(ReasonKind.SECOND_CHANCE, 0.4, "80"),),
)

_NOTHING_KNOWN: dict[str, Any] = {
    "abstract": "",
    "gist": None,
    "authors": (),
    "organization": None,
    "votes": None,
    "comments": None,
}
_CROWD: dict[str, Any] = {"authors": tuple(f"Ann {number}" for number in range(600)), "organization": None}
_SCRIPTS: Sequence[dict[str, Any]] = (
    {"title": "التعلم العميق لطي البروتينات باستخدام BERT", "authors": ("آن", "بوب", "كليو"), "organization": None},
    {
        "title": "深度学习在长文档检索中的应用：一种稀疏注意力方法",
        "authors": ("安", "鲍勃", "克利奥"),
        "organization": "示例大学",
    },
    {"title": "למידה עמוקה עם Transformer למסמכים ארוכים", "authors": ("אן", "בוב"), "organization": None},
    {"title": "ノイズの多い部屋での音声認識のための状態空間モデル", "authors": ("アン", "ボブ"), "organization": None},
    {
        "title": "Über größere Modelle: ∇f(x) ≤ α‖x‖² für alle x ∈ ℝⁿ",
        "authors": ("Änn", "Bőb", "Cléo"),
        "organization": None,
    },
    {"title": "When a < b and c > d: <EOS> & “quotes” in one title", "authors": ("Ann",), "organization": "R&D <Lab>"},
)


def an_edition(
    picks: list[Pick],
    kind: Kind = Kind.DAILY,
    days: int = 1,
    weighed: int = 38,
    quiet_reason: str | None = None,
    on: date = TODAY,
) -> Edition:
    start, next_on = on - timedelta(days=days - 1), on + timedelta(days=7 if kind is Kind.WEEKLY else 1)
    return Edition(1, 1, on, kind, tuple(picks), weighed, start, on, next_on, AT, quiet_reason)


def a_pick(number: int, reasons: tuple[Reason, ...], state: int = 0, **changes: Any) -> Pick:
    paper = replace(_paper(number), id=100 * state + number, **changes)  # one sheet holds every state of a paper
    gained = 34 if any(reason.kind is ReasonKind.TRENDING for reason in reasons) and number % 2 else None
    return Pick(paper, reasons, paper.votes, gained)


def _paper(number: int) -> Paper:
    method, task = _METHODS[number % 8], _TASKS[(number // 8 + number) % 8]
    return Paper(
        id=number,
        key=f"9901.{number:05}",
        title=_TITLES[number % len(_TITLES)].format(method=method, lower=_lower(method), task=task),
        abstract=_abstract(method, task, number),
        gist=f"Work on {task} gets by with a third of the compute once {_lower(method)} follow one simple rule. Code and logs are public."
        if number % 3
        else None,
        authors=tuple(_author(n) for n in range(2 + number % 5)),
        organization=_ORGANISATIONS[number % len(_ORGANISATIONS)],
        categories=("cs.LG",),
        keywords=(),
        published_on=date(2026, 6, 5),
        listed_on=TODAY,
        first_seen_at=AT,
        votes=97 - number if number % 7 != 5 else 1,
        comments=number % 4,
        code_url=f"https://code.example.org/papers/{number}" if number % 2 == 0 else None,
        code_stars=1240 - number if number % 4 == 0 else None,
        project_url=f"https://project{number}.example.org/" if number % 5 == 0 else None,
        source="huggingface",
    )


def _abstract(method: str, task: str, number: int) -> str:
    return (
        f"Systems for {task} have grown faster than our understanding of them. "
        f"We study {_lower(method)} for {task} on {number + 3} public data sets and propose a training recipe that needs no labels. "
        "An ablation separates what the architecture gives from what the data gives. "
        f"Experiments show that it outperforms earlier work by {2 + number % 5}.{number % 10} points at a third of the compute. "
        "We release code and all logs."
    )


def _lower(method: str) -> str:
    return method[0].lower() + method[1:]


def _author(number: int) -> str:
    return ("Ann", "Bob", "Cleo")[number % 3] + ("" if number < 3 else f" {number}")


def _long_title(number: int) -> str:
    words = f"{_METHODS[number]} meets {_TASKS[number]}"
    return f"{words}: a long account of everything that was tried over four years, in which order, on which machines and with which results, including all that failed and why it had to fail"


def links(sender: Sender, name: str, picks: Sequence[Pick] = ()) -> MailLinks:
    """The links of a mail, different for each name, and signed by nobody."""
    number = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big")
    signed = Links(Signer([b"a sample"]), sender.mail_from.rpartition("@")[2].strip("> "))
    action = "c/" + signed.confirm(number, 1, AT)
    return signed.of_mail(number, number, [pick.paper.id for pick in picks], action)


def _message_id(name: str, domain: str) -> str:
    return f"<{blake2b(name.encode(), digest_size=12).hexdigest()}@{domain}>"
