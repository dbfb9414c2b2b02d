"""The mails with one thing to say, as views: their sentences, in English and marked for translation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from digest.editions.edition import Edition
from digest.rendering.mime import Sender
from digest.rendering.skeleton import slot
from digest.rendering.view import LetterView, LinkView, footer, page
from digest.rendering.wording import Words, words_for

Context = Mapping[str, object]


def letter_view(name: str, words: Words, sender: Sender, context: Context) -> LetterView:
    """The view of the letter `name`. Raises KeyError for a name that is not in LETTERS."""
    view = LETTERS[name](words, sender, context)
    if words.is_english:
        return view
    return replace(view, in_english=LETTERS[name](words_for("en"), sender, context).fine_print)


def confirm(words: Words, sender: Sender, _context: Context) -> LetterView:
    """Carries nothing that the person who filled in the form typed."""
    _ = words.gettext
    return LetterView(
        subject=_("Confirm your subscription to {name}").format(name=sender.name),
        preheader=_("One click, and your first digest is on its way. Without it nothing more is sent."),
        heading=_("One click, and you are in"),
        paragraphs=(
            _("Somebody, most likely you, asked for the research digest of {host} at this address.").format(
                host=sender.host
            ),
            _("Confirm, and your first digest leaves at once. The link works for 48 hours."),
        ),
        button=LinkView(_("Confirm my subscription"), _action(sender)),
        fine_print=_(
            "You did not ask for it? Then ignore this mail: without the click nothing more is sent, and the address is forgotten."
        ),
    )


def already_subscribed(words: Words, sender: Sender, _context: Context) -> LetterView:
    _ = words.gettext
    return LetterView(
        subject=_("You are already subscribed to {name}").format(name=sender.name),
        preheader=_("Nothing has changed. Your digest comes as before; here is the way to your preferences."),
        heading=_("You are already in"),
        paragraphs=(
            _("Somebody, most likely you, asked for the digest again. Nothing has changed: it comes as before."),
        ),
        button=LinkView(_("Open my preferences"), page(sender, "p", "preferences")),
        fine_print=_("You did not ask for it? Then ignore this mail: nothing has changed."),
    )


def welcome(words: Words, sender: Sender, context: Context) -> LetterView:
    _ = words.gettext
    return LetterView(
        subject=_("Welcome to {name}").format(name=sender.name),
        preheader=_("Your first digest is on its way. Three things that make the next ones better."),
        heading=_("Welcome"),
        paragraphs=(
            _(
                "Your subscription is confirmed, and your first digest is on its way: the best papers of the last few days."
            ),
            _cadence(words, context),
            _(
                "It gets better with what you tell it: name topics in your own words, follow authors, and use “More like this” and “Less like this” under a paper."
            ),
        ),
        button=LinkView(_("Choose topics and times"), page(sender, "p", "preferences")),
        links=(LinkView(words.unsubscribe(), page(sender, "u", "unsubscribe")),),
        fine_print=_("You did not subscribe? Then one click on Unsubscribe ends it."),
    )


def goodbye(words: Words, sender: Sender, _context: Context) -> LetterView:
    _ = words.gettext
    return LetterView(
        subject=_("You are unsubscribed from {name}").format(name=sender.name),
        preheader=_("No more digests come to this address. If that was a mistake, one click undoes it."),
        heading=_("Goodbye, and thank you"),
        paragraphs=(_("You are unsubscribed. No more digests come to this address; this is the last mail."),),
        button=LinkView(_("Undo, and keep my digest"), _action(sender)),
        after=(
            _(
                "The link works for 30 days. Too much mail? After the undo you may choose one mail a week instead, or a pause."
            ),
        ),
        fine_print=_(
            "You did not unsubscribe? Then somebody you forwarded a digest to may have: undo brings it back with all your preferences."
        ),
    )


def address_change(words: Words, sender: Sender, _context: Context) -> LetterView:
    _ = words.gettext
    return LetterView(
        subject=_("Confirm your new address for {name}").format(name=sender.name),
        preheader=_("One click moves your digest to this address. Until then it goes to the old one."),
        heading=_("Is this your new address?"),
        paragraphs=(
            _("Somebody asked that their research digest of {host} come to this address from now on.").format(
                host=sender.host
            ),
            _(
                "Confirm, and the next digest comes here. Until then it goes to the old address. The link works for 48 hours."
            ),
        ),
        button=LinkView(_("Use this address"), _action(sender)),
        fine_print=_("You did not ask for it? Then ignore this mail: nothing is sent to you."),
    )


def stopped(words: Words, sender: Sender, _context: Context) -> LetterView:
    _ = words.gettext
    return LetterView(
        subject=_("We stopped mailing you {name}").format(name=sender.name),
        preheader=_("Your mailbox sent back our last mails, so we stopped. One click starts them again."),
        heading=_("We stopped mailing you"),
        paragraphs=(
            _(
                "Your mailbox sent back our last mails: it may have been full, or its server out of order. So that we do not add to it, your digest is stopped."
            ),
            _(
                "If this mail reached you, all is well again: one click, and the next digest comes as before, with the papers you missed."
            ),
        ),
        button=LinkView(_("Start my digest again"), _action(sender)),
        fine_print=_("You no longer want it? Then ignore this mail: nothing more is sent."),
    )


def _action(sender: Sender) -> str:
    """Where the one button leads: a page and its token."""
    return f"{sender.public_url}/{slot('action')}"


def _cadence(words: Words, context: Context) -> str:
    """When digests come, as far as the context says: keys `cadence`, `hour` and `timezone`."""
    _ = words.gettext
    when = {
        "daily": _("From then on it comes every day at {hour}:00 ({zone})."),
        "weekdays": _("From then on it comes Monday to Friday at {hour}:00 ({zone})."),
        "weekly": _("From then on it comes once a week at {hour}:00 ({zone})."),
    }.get(str(context.get("cadence", "")), _("From then on it comes when there are papers for you."))
    return when.replace("{hour}", str(context.get("hour", 7))).replace("{zone}", str(context.get("timezone", "UTC")))


def quiet_view(words: Words, sender: Sender, edition: Edition) -> LetterView:
    """The note for a reader who wants to be told of a day without papers."""
    return LetterView(
        subject=words.quiet_subject(edition.dated_on),
        preheader=words.quiet_reason(edition.quiet_reason),
        heading=words.gettext("A quiet day"),
        paragraphs=(
            words.quiet_reason(edition.quiet_reason),
            words.gettext("You get this note because you asked to be told."),
        ),
        links=(LinkView(words.gettext("Look through earlier papers"), f"{sender.public_url}/papers"),),
        footer=footer(words, sender),
    )


LETTERS: dict[str, Callable[[Words, Sender, Context], LetterView]] = {
    "confirm": confirm,
    "already_subscribed": already_subscribed,
    "welcome": welcome,
    "goodbye": goodbye,
    "address_change": address_change,
    "stopped": stopped,
}
