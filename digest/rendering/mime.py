"""The head of every mail, built here only and from checked values."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from functools import cached_property, lru_cache
from urllib.parse import urlsplit

BOUNDARY = b"=_digest"  # "=_" never stands in quoted-printable text, so no part can hold this line
_ADDRESS = re.compile(r"[^\s<>\"(),:;@\[\]\\\x00-\x20\x7f-\x9f]{1,64}@[^\s<>\"(),:;@\\\x00-\x20\x7f-\x9f]{1,255}")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+>")
_UNSUBSCRIBE = re.compile(
    rb"<https?://[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%\[\]]+>(,\r\n <mailto:[A-Za-z0-9\-._~@!$&'*+;=%?]+>)?"
)
_PLAIN = re.compile(r"[ -~]*")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class HeaderError(ValueError):
    """A value that must not stand in a header. The text names the field."""


@dataclass(frozen=True)
class Sender:
    """Who sends, as every mail states it.

    `public_url` has no slash at its end; `mail_from` and `reply_to` may be `Name <local@domain>`; `list_id` is
    `label.domain`. With `is_tracking` titles and abstracts link over /k/.
    """

    public_url: str
    mail_from: str
    list_id: str
    reply_to: str = ""
    postal_address: str = ""
    is_tracking: bool = False

    @cached_property
    def name(self) -> str:
        return parseaddr(self.mail_from)[0] or "Digest"

    @cached_property
    def host(self) -> str:
        return urlsplit(self.public_url).hostname or ""

    @cached_property
    def unsubscribe_url(self) -> bytes:
        """To be ended by a token."""
        return self.public_url.encode() + b"/u/"


def fixed_fields(sender: Sender, language: str) -> bytes:
    """The fields that are the same in every mail of one language, each line ended."""
    lines = [b"From: " + mailbox("From", sender.mail_from)]
    if sender.reply_to:
        lines.append(b"Reply-To: " + mailbox("Reply-To", sender.reply_to))
    lines += [
        b"MIME-Version: 1.0",
        b"Auto-Submitted: auto-generated",
        b"Content-Language: " + language.encode("ascii"),
        b'Content-Type: multipart/alternative; boundary="' + BOUNDARY + b'"',
    ]
    return _ended(lines)


def list_fields(sender: Sender) -> bytes:
    """List-Id and what else makes a mail list mail (RFC 2919, 2369), without its unsubscribe link."""
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", sender.list_id) or len(sender.list_id) > 255:
        raise HeaderError(f"List-Id: {sender.list_id!r} is not label.domain")
    return _ended([b"List-Id: " + phrase(sender.name) + b" <" + sender.list_id.encode() + b">"])


def unsubscribe_fields(sender: Sender, token: bytes, address: bytes) -> bytes:
    """One-click unsubscribe (RFC 8058): the URL, then the address that takes it by mail; neither is ever folded.

    Raises HeaderError for what is no URL or no address.
    """
    url = sender.unsubscribe_url + token
    value = b"<%b>,\r\n <mailto:%b>" % (url, address) if address else b"<%b>" % url
    if not _UNSUBSCRIBE.fullmatch(value):
        raise HeaderError("List-Unsubscribe: not a URI that may stand in a header")
    return b"List-Unsubscribe: %b\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" % value


def feedback_field(sender: Sender, kind: str, day: str, language: str) -> bytes:
    """Feedback-ID, three labels and a sender id of 5 to 15 letters; nothing personal."""
    owner = re.sub(r"[^a-z0-9]", "", sender.list_id.lower())[:15].ljust(5, "0")
    return f"Feedback-ID: {kind}:{day}:{language}:{owner}\r\n".encode("ascii")


def personal_fields(to: str, message_id: str, dated_at: datetime) -> bytes:
    """To, Message-ID and Date. Raises HeaderError for a value that could break the header."""
    if not _ADDRESS.fullmatch(to):
        raise HeaderError("To: not a plain address")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise HeaderError("Message-ID: not <left@right>")
    return f"To: {to}\r\nMessage-ID: {message_id}\r\n".encode() + _date(dated_at)


@lru_cache(maxsize=10_000)
def subject_field(text: str) -> bytes:
    return b"Subject: " + unstructured(text, len("Subject: ")) + b"\r\n"


def alternative(text: bytes, html: bytes) -> list[bytes]:
    """The two parts after the head, as pieces to join: plain text first (RFC 2046 5.1.4)."""
    return [TEXT_PART, text, HTML_PART, html, END]


_CODED = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
TEXT_PART = b"\r\n--" + BOUNDARY + b"\r\n" + _CODED % b"plain"
HTML_PART = b"\r\n--" + BOUNDARY + b"\r\n" + _CODED % b"html"
END = b"\r\n--" + BOUNDARY + b"--\r\n"


@lru_cache(maxsize=1000)
def _date(at: datetime) -> bytes:
    """RFC 5322 3.3, in UTC with a numeric zone; not strftime, whose names follow the machine's locale."""
    utc = at.astimezone(UTC)
    day, month = _DAYS[utc.weekday()], _MONTHS[utc.month - 1]
    return f"Date: {day}, {utc.day:02} {month} {utc:%Y %H:%M:%S} +0000\r\n".encode("ascii")


def mailbox(field: str, value: str) -> bytes:
    """`Name <local@domain>` with the name quoted or encoded as it needs. Raises HeaderError."""
    name, address = parseaddr(value)
    if not _ADDRESS.fullmatch(address) or not address.isascii():
        raise HeaderError(f"{field}: {value!r} is not a mail address")
    return phrase(name) + b" <" + address.encode("ascii") + b">" if name else address.encode("ascii")


def phrase(name: str) -> bytes:
    """A display name (RFC 5322 3.2.5)."""
    if re.fullmatch(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*", name) and "=?" not in name:
        return name.encode("ascii")
    if _PLAIN.fullmatch(name) and "=?" not in name:
        return b'"' + re.sub(r'(["\\])', r"\\\1", name).encode("ascii") + b'"'
    return unstructured(name, 10)


def unstructured(text: str, taken: int) -> bytes:
    """Text of one line as header octets; `taken` columns of the first line are in use.

    Anything but short printable ASCII becomes encoded words of at most 75 octets (RFC 2047 2), cut between letters.
    """
    text = " ".join("".join(" " if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in text).split())
    if _PLAIN.fullmatch(text) and taken + len(text) <= 78 and "=?" not in text:
        return text.encode("ascii")
    return b"\r\n ".join(_encoded_words(text, 75 - taken))


def _encoded_words(text: str, first_width: int) -> Iterable[bytes]:
    room, octets = _room(first_width), b""
    for letter in text:
        one = letter.encode("utf-8", "replace")
        if octets and len(octets) + len(one) > room:
            yield _encoded_word(octets)
            room, octets = _room(75), b""
        octets += one
    yield _encoded_word(octets)


def _room(width: int) -> int:
    """Octets that fit an encoded word of `width`: base64 makes 4 letters of 3."""
    return (width - len("=?utf-8?b??=")) // 4 * 3


def _encoded_word(octets: bytes) -> bytes:
    return b"=?utf-8?b?" + base64.b64encode(octets) + b"?="


def _ended(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)
