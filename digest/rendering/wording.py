"""Every sentence a reader is sent, in English and marked for translation; dates and plurals in the reader's language."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files

from babel import Locale
from babel.dates import format_date, get_day_names
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

from digest.editions.edition import Kind
from digest.papers.text import clip
from digest.ranking.choice import Reason, ReasonKind

LANGUAGES = ("en", "de")
DETAIL_MAX = 70  # letters of a title or a topic inside a sentence


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence with one `{it}` that a person wrote (a topic, a title, a name) and that may run the other way."""

    pattern: str
    it: str = ""

    def __str__(self) -> str:
        return self.pattern.replace("{it}", self.it)


def known_language(tag: str) -> str:
    """The supported language nearest to a tag: `de-AT` -> `de`; English for what is not there."""
    language = tag.replace("_", "-").partition("-")[0].lower()
    return language if language in LANGUAGES else LANGUAGES[0]


@lru_cache(maxsize=len(LANGUAGES))
def words_for(language: str) -> Words:
    return Words(language)


@lru_cache(maxsize=10_000)
def _decimal(number: int, language: str) -> str:
    return str(format_decimal(number, locale=language))


@lru_cache(maxsize=10_000)
def _date(on: date, form: str, language: str) -> str:
    return str(format_date(on, form, locale=language))


def _catalogue(language: str) -> NullTranslations:
    path = files("digest") / "locale" / language / "LC_MESSAGES" / "digest.po"
    if not path.is_file():  # English is the source
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(path.read_bytes()), locale=language))
    compiled.seek(0)
    return Translations(compiled)


class Words:
    """The wording of one language. Everything returned is plain text, ready to be escaped."""

    def __init__(self, language: str) -> None:
        catalogue = _catalogue(language)
        self.language = language
        self.is_english = language == "en"
        self.locale = Locale.parse(language)
        self.direction = "rtl" if self.locale.text_direction == "rtl" else "ltr"
        self.gettext = catalogue.ugettext
        self.pgettext = catalogue.upgettext
        self._ngettext = catalogue.ungettext
        # Babel's nearest skeletons abbreviate; there is room for whole names.
        self._day_pattern = self.locale.datetime_skeletons["MMMEd"].pattern.replace("MMM", "MMMM").replace("E", "EEEE")

    def count(self, one: str, many: str, number: int) -> str:
        """One of two marked forms with `{n}` set as this language writes numbers."""
        return self._ngettext(one, many, number).replace("{n}", self.number(number))

    # --- numbers, days, names ---------------------------------------------------------------------------------------

    def number(self, number: int) -> str:
        return _decimal(number, self.language)

    def day(self, on: date) -> str:
        """Tuesday, June 9."""
        return _date(on, self._day_pattern, self.language)

    def full_date(self, on: date) -> str:
        """June 9, 2026."""
        return _date(on, "long", self.language)

    def weekday(self, on: date) -> str:
        return str(get_day_names("wide", locale=self.locale)[on.weekday()])

    def span(self, start: date, end: date) -> str:
        """June 3 – 9, 2026: only what differs is said twice."""
        if start == end:
            return self.full_date(start)
        field = "y" if start.year != end.year else "M" if start.month != end.month else "d"
        halves = zip((start, end), self.locale.interval_formats["yMMMd"][field], strict=True)
        said = "".join(_date(on, half.replace("MMM", "MMMM"), self.language) for on, half in halves)
        return said.replace("\u2009", " ")

    def byline(self, organization: str | None, authors: Sequence[str]) -> str:
        """The organisation, else the first three authors and how many more there are."""
        if organization:
            return organization
        named = ", ".join(authors[:3])
        more = len(authors) - 3
        return named if more <= 0 else named + " " + self.count("and {n} more author", "and {n} more authors", more)

    def votes(self, number: int) -> str:
        return self.count("{n} vote", "{n} votes", number)

    def comments(self, number: int) -> str:
        return self.count("{n} comment", "{n} comments", number)

    # --- the links of a card ----------------------------------------------------------------------------------------

    def abstract(self) -> str:
        return self.gettext("Abstract")

    def pdf(self) -> str:
        return self.gettext("PDF")

    def code(self, stars: int | None) -> str:
        if not stars:
            return self.gettext("Code")
        return self.count("Code ({n} star)", "Code ({n} stars)", stars)

    def project(self) -> str:
        return self.gettext("Project page")

    def discussion(self) -> str:
        return self.gettext("Discussion")

    def more_like_this(self) -> str:
        return self.gettext("More like this")

    def less_like_this(self) -> str:
        return self.gettext("Less like this")

    def less_of_this(self) -> str:
        return self.gettext("less of this")

    # --- reasons ----------------------------------------------------------------------------------------------------

    def reason(self, reason: Reason, votes: int | None, gained: int | None, today: date) -> Phrase:
        """Why a paper with `votes`, `gained` of them within a day, is in the edition of `today`."""
        detail = clip(reason.detail, DETAIL_MAX)
        match reason.kind:
            case ReasonKind.TOPIC:
                return Phrase(self.gettext("Because you follow “{it}”"), detail)
            case ReasonKind.LIKED:
                return Phrase(self._liked(detail, reason.liked_on, today), detail)
            case ReasonKind.AUTHOR:
                return Phrase(self.gettext("Because you follow the author {it}"), detail)
            case ReasonKind.ORGANISATION:
                return Phrase(self.gettext("Because you follow papers from {it}"), detail)
            case ReasonKind.READERS:
                return Phrase(self.gettext("Readers with a taste like yours picked it"))
            case ReasonKind.TRENDING:
                return Phrase(self._trending(reason.detail, votes, gained))
            case ReasonKind.SECOND_CHANCE:
                return Phrase(self.gettext("It rose after its day was over"))
            case ReasonKind.DISLIKED:
                return Phrase(self.gettext("Although it is like papers you want less of"))
            case ReasonKind.FRESH:
                return Phrase(self.gettext("New to you"))

    def _liked(self, title: str, liked_on: date | None, today: date) -> str:
        if not title:
            return self.gettext("Like other papers that you liked")
        if liked_on is None:
            return self.gettext("Like “{it}”, which you liked")
        day = self.weekday(liked_on) if today - liked_on < timedelta(days=7) else self.full_date(liked_on)
        return self.gettext("Like “{it}”, which you liked on {day}").replace("{day}", day)

    def _trending(self, detail: str, votes: int | None, gained: int | None) -> str:
        if gained:
            return self.count("{n} vote since yesterday", "{n} votes since yesterday", gained)
        votes = int(detail) if votes is None and detail.isdecimal() else votes
        if not votes:
            return self.gettext("New to you")
        return self.count("{n} vote so far", "{n} votes so far", votes)

    def second_chance(self) -> str:
        return self.gettext("You may have missed this")

    # --- the edition ------------------------------------------------------------------------------------------------

    def heading(self, kind: Kind, day: date) -> str:
        match kind:
            case Kind.WEEKLY:
                return self.gettext("Your week in papers")
            case Kind.FIRST:
                return self.gettext("Your first digest")
            case Kind.CATCH_UP:
                return self.gettext("What you missed")
            case Kind.QUIET:
                return self.gettext("Nothing new today")
            case Kind.DAILY:
                return self.day(day)

    def lead(self, kind: Kind, shown: int, start: date, end: date) -> str:
        """The sentence under the heading: how many papers, of which days."""
        match kind:
            case Kind.WEEKLY:
                said = self.count(
                    "The best paper of the week, {span}.", "The best {n} papers of the week, {span}.", shown
                )
            case Kind.FIRST:
                said = self.count(
                    "Welcome. This is the best paper of the last few days.",
                    "Welcome. These are the best {n} papers of the last few days.",
                    shown,
                )
            case Kind.CATCH_UP:
                said = self.count(
                    "The best paper of the days you missed, {span}.",
                    "The best {n} papers of the days you missed, {span}.",
                    shown,
                )
            case _:
                said = self.count("{n} paper for you today.", "{n} papers for you today.", shown)
        return said.replace("{span}", self.span(start, end))

    def in_brief(self) -> str:
        return self.gettext("In brief")

    def more_on_the_web(self, number: int) -> str:
        return self.count("{n} more paper on the web", "{n} more papers on the web", number)

    def weighed(self, number: int) -> str:
        return self.count(
            "{n} new paper was weighed for this digest.", "{n} new papers were weighed for this digest.", number
        )

    def closing(self, weighed: int, next_on: date | None) -> str:
        """How many candidates there were, and when the next mail comes."""
        said = [self.weighed(weighed)] if weighed else []
        if next_on is not None:
            _ = self.gettext
            then = _("The next one comes on {day}.") if weighed else _("The next digest comes on {day}.")
            said.append(then.replace("{day}", self.day(next_on)))
        return " ".join(said)

    def why(self, name: str, host: str) -> str:
        return self.gettext("You get this mail because you subscribed to {name} at {host}.").format(
            name=name, host=host
        )

    def all_on_the_web(self) -> str:
        return self.gettext("Read on the web")

    def change(self) -> str:
        return self.gettext("Change what you get")

    def pause(self) -> str:
        return self.gettext("Pause")

    def unsubscribe(self) -> str:
        """The link in a mail. Other languages add the English word: filters and mail programs look for it."""
        return self.pgettext("link of a mail", "Unsubscribe")

    def archive(self) -> str:
        return self.gettext("Earlier digests")

    # --- subject and preheader --------------------------------------------------------------------------------------

    def and_more(self, number: int) -> str:
        return self.count(" and {n} more", " and {n} more", number)

    def plain_subject(self, shown: int, day: date) -> str:
        """The subject where the first title cannot stand in one."""
        return self.count("{n} paper for {day}", "{n} papers for {day}", shown).replace("{day}", self.day(day))

    def marked_subject(self, kind: Kind) -> str:
        """What stands before the title, for a mail that is not the plain day's."""
        match kind:
            case Kind.WEEKLY:
                return self.gettext("This week: ")
            case Kind.FIRST:
                return self.gettext("Welcome: ")
            case Kind.CATCH_UP:
                return self.gettext("Catching up: ")
            case _:
                return ""

    def also(self, titles: Sequence[str]) -> str:
        return self.gettext("Also: {titles}").replace("{titles}", " · ".join(titles))

    # --- a quiet day ------------------------------------------------------------------------------------------------

    def quiet_subject(self, day: date) -> str:
        return self.gettext("No papers for you on {day}").replace("{day}", self.day(day))

    def quiet_reason(self, reason: str | None) -> str:
        """`reason` is a word of editions/calendar, with a detail after a colon; an unknown one is said in general."""
        code, _, detail = (reason or "").partition(":")
        match code:
            case "weekend":
                return self.gettext("It is the weekend: the sources we read announce no papers.")
            case "holiday" if detail.strip() not in ("", "arXiv holiday"):
                return self.gettext("arXiv announces nothing today: {holiday}.").replace("{holiday}", detail.strip())
            case "holiday":
                return self.gettext("arXiv announces nothing today: it is a holiday there.")
            case "source_down":
                return self.gettext(
                    "We could not reach our sources. What was announced today comes with your next digest."
                )
            case "no_match":
                return self.gettext("There were new papers, but only ones that you muted or already had.")
            case _:
                return self.gettext("There was no new paper for you today.")
