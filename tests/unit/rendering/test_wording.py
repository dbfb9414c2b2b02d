from __future__ import annotations

import io
import re
from datetime import date
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import digest
from digest.editions.edition import Kind
from digest.ranking.choice import Reason, ReasonKind
from digest.rendering.wording import LANGUAGES, known_language, words_for

PACKAGE = Path(digest.__file__).parent
TODAY = date(2026, 6, 9)


REFUSALS = ("AddressRefused", "PassportRefused", "Wrong")


def marked() -> set[tuple[str | None, str | tuple[str, ...]]]:
    """(context, sentence or its two forms) for all that the code and the pages say."""
    keywords = {"gettext": None, "_": None, "pgettext": ((1, "c"), 2), "count": (1, 2), **dict.fromkeys(REFUSALS)}
    pages = [("web/**.html", "jinja2"), ("web/**.xml", "jinja2")]
    places: list[tuple[Path, list[tuple[str, str]]]] = [
        (PACKAGE, [("**.py", "python")]),
        (PACKAGE.parent / "templates", pages),
    ]
    found = [one for folder, methods in places for one in extract_from_dir(folder, methods, keywords=keywords)]
    return {(context, message if isinstance(message, str) else tuple(message)) for _, _, message, _, context in found}


def catalogue(language: str) -> dict[tuple[str | None, str | tuple[str, ...]], Message]:
    path = PACKAGE / "locale" / language / "LC_MESSAGES" / "digest.po"
    return {(message.context, message.id): message for message in read_po(io.BytesIO(path.read_bytes())) if message.id}


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_it_says_everything_in_every_language(language: str) -> None:
    known = catalogue(language)
    assert set(known) == marked()
    for (_, key), message in known.items():
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        names = set(re.findall(r"\{\w+\}", " ".join([key] if isinstance(key, str) else key)))
        assert not message.fuzzy
        for form in forms:
            assert form
            assert set(re.findall(r"\{\w+\}", form)) <= names


@pytest.mark.parametrize(
    ("tag", "language"), [("de-AT", "de"), ("DE", "de"), ("de_CH", "de"), ("fr", "en"), ("", "en"), ("en-GB", "en")]
)
def test_it_speaks_the_nearest_language(tag: str, language: str) -> None:
    assert known_language(tag) == language


def test_it_counts_and_dates_as_the_language_does() -> None:
    english, german = words_for("en"), words_for("de")
    assert [english.votes(n) for n in (0, 1, 2, 1234)] == ["0 votes", "1 vote", "2 votes", "1,234 votes"]
    assert [german.votes(n) for n in (0, 1, 2, 1234)] == ["0 Stimmen", "1 Stimme", "2 Stimmen", "1.234 Stimmen"]
    assert (english.day(TODAY), german.day(TODAY)) == ("Tuesday, June 9", "Dienstag, 9. Juni")
    assert (english.full_date(TODAY), german.full_date(TODAY)) == ("June 9, 2026", "9. Juni 2026")


def test_it_says_a_span_of_days_without_saying_anything_twice() -> None:
    spans = [
        (date(2026, 6, 3), TODAY),
        (date(2026, 5, 28), TODAY),
        (date(2025, 12, 29), date(2026, 1, 4)),
        (TODAY, TODAY),
    ]
    assert [words_for("en").span(*one) for one in spans] == [
        "June 3 – 9, 2026", "May 28 – June 9, 2026", "December 29, 2025 – January 4, 2026", "June 9, 2026"
    ]  # fmt: skip
    assert [words_for("de").span(*one) for one in spans] == [
        "3.–9. Juni 2026", "28. Mai – 9. Juni 2026", "29. Dezember 2025 – 4. Januar 2026", "9. Juni 2026"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (Reason(ReasonKind.TOPIC, 1, "video diffusion"), "Because you follow “video diffusion”"),
        (Reason(ReasonKind.LIKED, 1, "A Title", 3, date(2026, 6, 6)), "Like “A Title”, which you liked on Saturday"),
        (Reason(ReasonKind.LIKED, 1, "A Title", 3, date(2026, 5, 6)), "Like “A Title”, which you liked on May 6, 2026"),
        (Reason(ReasonKind.LIKED, 1, "A Title", 3), "Like “A Title”, which you liked"),
        (Reason(ReasonKind.LIKED, 1), "Like other papers that you liked"),
        (Reason(ReasonKind.TRENDING, 1, "90"), "34 votes since yesterday"),
    ],
)
def test_it_says_why(reason: Reason, said: str) -> None:
    assert str(words_for("en").reason(reason, 90, 34, TODAY)) == said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ReasonKind)
def test_it_has_a_sentence_for_every_reason(kind: ReasonKind, language: str) -> None:
    assert str(words_for(language).reason(Reason(kind, 1.0, "x"), None, None, TODAY))


@pytest.mark.parametrize("kind", Kind)
def test_it_has_a_heading_for_every_edition(kind: Kind) -> None:
    words = words_for("en")
    assert words.heading(kind, TODAY)
    assert "{" not in words.lead(kind, 1, TODAY, TODAY) + words.lead(kind, 5, TODAY, TODAY)


def test_it_names_three_authors_and_counts_the_others() -> None:
    words = words_for("en")
    assert words.byline(None, ["ann", "bob", "cleo"]) == "ann, bob, cleo"
    assert words.byline(None, ["ann", "bob", "cleo", "di"]) == "ann, bob, cleo and 1 more author"
    assert words.byline(None, ["ann"] * 600) == "ann, ann, ann and 597 more authors"
    assert words.byline("Example University", ["ann"]) == "Example University"
    assert words.byline(None, []) == ""
