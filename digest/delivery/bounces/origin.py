"""Tells what sort of mail came in: from a server or a person, about a failure or not, to which of our addresses."""

import re

from digest.delivery.bounces import prose, subjects
from digest.delivery.bounces.mail import Fields, Mail, Part, decode_words, first, read_fields, read_mail

_RETURNED_TYPES = {
    "message/rfc822",
    "message/global",
    "message/partial",
    "message/rfc822-headers",
    "message/global-headers",
    "text/rfc822-headers",
    "text/rfc822-header",
    "text/rfc822",
}


def _any_of(phrases: tuple[str, ...], start: str = "") -> re.Pattern[str]:
    return re.compile(f"{start}(?:{'|'.join(phrases)})", re.IGNORECASE)


_SERVER = _any_of(subjects.SERVER)
_FAILURE_SUBJECT = _any_of(subjects.UNDELIVERED, start=r"\W{0,3}")
_DELIVERED_SUBJECT = _any_of(subjects.DELIVERED, start=r"\W{0,3}")
_FAILURE = _any_of(subjects.FAILURE)
# The addresses under which servers return mail by the standards; other names may be those of a newsletter on mail.
_MAILER = re.compile(r"(?:mailer-daemon|postmaster)@", re.IGNORECASE)
_DAEMON = re.compile(r"mail(?:er)?[-_. ]?daemon", re.IGNORECASE)
_SUCCESS = re.compile(r"deliver|success|accepted|relayed", re.IGNORECASE)
_MAIL = _any_of(subjects.MAIL)
_WARNING = _any_of(subjects.WARNING)
_REPLY_SUBJECT = _any_of(subjects.AUTOMATIC_REPLY, start=r"\W{0,2}")
_FORWARDED = re.compile(r"\s*(?:fwd?|wg|tr|rv|enc|i|vs|re|aw|sv|antw)\s*:", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.;!?。！？](?=\s|$)|\n[ \t]*\n")
# What newsletters and mailing lists put in (RFC 2369), and servers that return mail do not.
_BULK_HEADERS = ("list-unsubscribe", "list-post")
_REPLY_HEADERS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-response",
    "x-mailer-autoreply",
    "x-vacation",
)


def is_receipt(mail: Mail) -> bool:
    """A read receipt (RFC 8098), whatever became of the mail."""
    return mail.report_type == "disposition-notification" or any(
        part.media_type.endswith("disposition-notification") for part in mail.parts
    )


def is_forwarded(mail: Mail) -> bool:
    """Somebody answers or forwards: the quoted failure is told by a person."""
    subject = decode_words(mail.first("subject"))
    return bool(_FORWARDED.match(subject)) and not _SERVER.search(decode_words(mail.first("from")))


def is_from_server(mail: Mail) -> bool:
    """Written by a mail server: by its sender's name, by its subject, or by the mark some of them leave."""
    if "x-failed-recipients" in mail.fields or "x-bounced-address" in mail.fields:
        return True
    sender = decode_words(mail.first("from"))
    subject = decode_words(mail.first("subject"))
    if _REPLY_SUBJECT.match(subject):
        return False
    if _MAILER.search(sender) or "@" not in sender:
        return True
    if any(name in mail.fields for name in _BULK_HEADERS):
        return False
    if _SERVER.search(sender):
        return True
    is_answer = "in-reply-to" in mail.fields or "references" in mail.fields
    return not is_answer and bool(_FAILURE_SUBJECT.match(subject)) and any(map(_is_about_mail, mail.parts[:3]))


def _is_about_mail(part: Part) -> bool:
    """Whether one sentence names a mail and a failure: parcels and payments fail as well."""
    sentences = _SENTENCE_END.split(part.text[: prose.PROSE_CHARS])
    return any(_MAIL.search(sentence) and _FAILURE.search(sentence) for sentence in sentences)


def tells_failure(mail: Mail, words: str) -> bool:
    """Whether a mail of a server speaks of mail that did not arrive."""
    if "x-failed-recipients" in mail.fields:
        return True
    if is_automatic_reply(mail) and not _SERVER.search(decode_words(mail.first("from"))):
        return False
    subject = decode_words(mail.first("subject"))
    if _FAILURE_SUBJECT.match(subject) or _DELIVERED_SUBJECT.match(subject):
        return not _DELIVERED_SUBJECT.match(subject)
    words = prose.before_returned_mail(words)
    # A mailer daemon writes in a language that is not known here, and only success would be worth no word.
    is_foreign = _DAEMON.search(mail.first("from")) and not _SUCCESS.search(words)
    return bool(is_foreign or _FAILURE.search(words))


def is_warning(mail: Mail, words: str) -> bool:
    """The mail is late and still tried."""
    return bool(_WARNING.search(prose.before_returned_mail(words)[:6000]) or "delay" in mail.first("subject").lower())


def is_automatic_reply(mail: Mail) -> bool:
    """An automatic reply (RFC 3834), by any of the marks in use."""
    if mail.first("auto-submitted").lower().startswith("auto-replied"):
        return True
    if any(name in mail.fields for name in _REPLY_HEADERS):
        return True
    if mail.first("precedence").lower().replace("-", "_") == "auto_reply":
        return True
    return bool(_REPLY_SUBJECT.match(decode_words(mail.first("subject"))))


def sent_to(mail: Mail) -> tuple[str, ...]:
    """The addresses a mail was sent to, most reliable first: what our own server noted, then what the sender wrote."""
    names = ("x-original-to", "envelope-to", "delivered-to", "to")
    found = [
        address for name in names for value in mail.fields.get(name, []) for address in prose.addresses_in(value[:2000])
    ]
    return tuple(dict.fromkeys(found))[:20]


def own_addresses(mail: Mail) -> frozenset[str]:
    """In lower case: whom a report comes from and goes to, who are not those it reports on."""
    senders = [
        address for name in ("from", "sender", "reply-to") for address in prose.addresses_in(mail.first(name)[:2000])
    ]
    return frozenset(address.lower() for address in (*senders, *sent_to(mail)))


def sender_domain(mail: Mail) -> str:
    """The domain a report comes from, without the names of single machines; "" where it names none."""
    sender = next(iter(prose.addresses_in(decode_words(mail.first("from")))), "")
    labels = sender.partition("@")[2].lower().split(".")
    is_generic = labels[-1] in {"com", "net", "org", "edu", "gov"}
    return ".".join(labels[-2:] if is_generic else labels[-3:])


def original_id(mail: Mail, returned: Fields) -> str | None:
    """Message-ID of the mail that came back: from its header, else from what the report refers to."""
    for value in (first(returned, "message-id"), mail.first("in-reply-to"), mail.first("references")):
        if match := re.search(r"<[^<>\s]{1,250}>", value[:2000]):
            return match[0]
    return None


def is_report(mail: Mail) -> bool:
    """Written by a server, and called a delivery report in its header."""
    return (
        bool(_SERVER.search(decode_words(mail.first("from"))))
        and "delivery-status" in mail.first("content-type").lower()
    )


def returned_mail(mail: Mail) -> Mail | None:
    """The mail that came back, as far as it is attached whole."""
    part = next((part for part in mail.parts if part.media_type == "message/rfc822"), None)
    return read_mail(part.text.encode("utf-8", "replace")) if part else None


def server_words(mail: Mail) -> str:
    """What the report says in words: its text before the mail that came back, plain before HTML."""
    texts = _before_returned(mail)
    plain = [part.text for part in texts if part.media_type != "text/html"]
    chosen = plain if any(text.strip() for text in plain) else [part.text for part in texts]
    return "\n\n".join(chosen)[: prose.PROSE_CHARS]


def returned_head(mail: Mail) -> str:
    """Header of the mail that came back: its own part, or what follows the server's words; "" where it is missing."""
    for part in mail.parts:
        if part.media_type in _RETURNED_TYPES:
            return part.text.lstrip("\n").partition("\n\n")[0]
    words = server_words(mail)
    rest = words[len(prose.before_returned_mail(words)) :]
    for block in rest.split("\n\n")[:6]:
        if "message-id" in read_fields(block) or "return-path" in read_fields(block):
            return block
    return ""


def _before_returned(mail: Mail) -> list[Part]:
    found: list[Part] = []
    for part in mail.parts:
        if part.media_type in _RETURNED_TYPES:
            break
        if part.media_type.startswith("text/") and part.media_type != "text/calendar":
            found.append(part)
    return found
