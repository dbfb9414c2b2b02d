"""What counts as a mail address, when two of them are one reader, and how one is shown where it must not be read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from digest.subscribers.refusal import Refusal

MAX_LENGTH = 254  # RFC 5321 section 4.5.3.1.3: a path of 256 with its angle brackets
_FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, invisible marks, lone surrogates, line and paragraph ends
_DOT_ATOM = re.compile(
    r"(?=.{1,64}\Z)[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII
)  # RFC 5322 3.2.3
_ANY_ADDRESS = re.compile(r"[^\s<>@\"',;:()\[\]]{1,64}@[^\s<>@\"',;:()\[\]]{1,255}")


class AddressRefused(Refusal):
    """An address that cannot subscribe. Its text is for the person who typed it."""


@dataclass(frozen=True, slots=True)
class Address:
    """`email` is where mail goes: the local part as given (NFC), the domain as A-label in lower case (RFC 5890).

    `key` compares readers: case folded without merging letters that only look or sort alike. `limit_key` is folded
    further (tags, dots) and serves limits alone: it bounds what one mailbox gets, and names nobody.
    """

    email: str
    key: str
    limit_key: str

    @property
    def needs_smtputf8(self) -> bool:
        """Only a relay that offers SMTPUTF8 (RFC 6531) can carry mail there."""
        return not self.email.isascii()


def parse(value: str, own: Iterable[str] = ()) -> Address:
    """The address a person typed. `own` are the service's mailboxes (see `own_mailboxes`), which cannot subscribe.

    A non-ASCII local part is taken: whether the relay can carry it is known only when mail is handed over, and then
    stored as the reason. Raises AddressRefused with a sentence for the person.
    """
    text = _trim(value)
    if not text:
        raise AddressRefused("No mail address was given. Please type yours, like ann@example.org.")
    if len(text) > MAX_LENGTH * 2 or not _is_visible(text):
        raise AddressRefused(
            "This is not one mail address: it is too long, or holds a line end or an invisible character. "
            "Please check it for a slip; it should look like ann@example.org."
        )
    address = from_parts(*_checked(text))
    if len(address.email.encode()) > MAX_LENGTH or len(address.email.rpartition("@")[0].encode()) > 64:
        raise AddressRefused("This mail address is longer than mail systems can carry. Please give another.")
    if _is_own(address, own):
        raise AddressRefused("This is an address of this service itself. Please give your own.")
    return address


def _is_visible(text: str) -> bool:
    plain = text.isascii() and text.isprintable()
    return plain or not any(unicodedata.category(letter) in _FORBIDDEN for letter in text)


def _checked(text: str) -> tuple[str, str]:
    """Local part and A-label domain."""
    local, _, domain = text.rpartition("@")
    if _DOT_ATOM.fullmatch(local) and (known := _known_domain(domain)):  # nearly every address, at a tenth of the cost
        return local, known
    try:
        valid = validate_email(text, strict=True, check_deliverability=False)
    except EmailNotValidError:
        raise _what_is_wrong(text) from None
    return valid.local_part, valid.ascii_domain.lower()


def _what_is_wrong(text: str) -> AddressRefused:
    """In words for a person; the library has them in English only."""
    if "@" not in text:
        return AddressRefused(
            "There is no @ in this mail address. Please check it for a slip; it should look like ann@example.org."
        )
    if _known_domain(text.rpartition("@")[2]) is None:
        return AddressRefused(
            "What stands after the @ is not the name of a mail server. "
            "Please check it for a slip; it should look like ann@example.org."
        )
    return AddressRefused(
        "What stands before the @ is no mailbox: it is empty, too long, or has a sign or a dot where none may be. "
        "Please check it for a slip; it should look like ann@example.org."
    )


@lru_cache(maxsize=4096)
def _known_domain(domain: str) -> str | None:
    try:
        return validate_email("a@" + domain, strict=True, check_deliverability=False).ascii_domain.lower()
    except EmailNotValidError:
        return None


def from_parts(local: str, domain: str) -> Address:
    """The address of parts that were checked before."""
    folded = unicodedata.normalize("NFC", local.lower())  # not casefold(): it would make strasse and straße one reader
    mailbox = folded.split("+", 1)[0].replace(".", "") or folded
    return Address(f"{local}@{domain}", f"{folded}@{domain}", f"{mailbox}@{domain}")


def stored(email: str) -> Address:
    """The address of a stored `email`, which was parsed before it was stored."""
    local, _, domain = email.rpartition("@")
    return from_parts(local, domain.lower())


def own_mailboxes(from_address: str, reply_to: str, bounce_domain: str) -> frozenset[str]:
    """Addresses that would send the service its own mail in circles: keys to hand to `parse`.

    `@domain` stands for the return paths of that domain, which are signed and without number.
    """
    named = {stored(one).limit_key for one in (from_address, reply_to) if "@" in one}
    domains = {bounce_domain.lower(), from_address.rpartition("@")[2].lower()}
    boxes = {f"{name}@{domain}" for name in ("unsubscribe", "bounce", "bounces") for domain in domains if domain}
    return frozenset(named | boxes | {f"@{bounce_domain.lower()}"})


def masked(email: str) -> str:
    """`a***@example.org`: what logs, pages for operators and error messages may show."""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}***{at}{domain}" if at else "***"


def without_addresses(text: str) -> str:
    """The text with every address in it masked, for what is stored or logged of mail that came back."""
    return _ANY_ADDRESS.sub(lambda found: masked(found.group()), text)


def _trim(value: str) -> str:
    """Without the blanks and line ends that a paste leaves around it."""
    start, end = 0, len(value)
    while start < end and _is_blank(value[start]):
        start += 1
    while end > start and _is_blank(value[end - 1]):
        end -= 1
    return value[start:end]


def _is_blank(letter: str) -> bool:
    return letter in "\t\r\n" or unicodedata.category(letter) == "Zs"


def _is_own(address: Address, own: Iterable[str]) -> bool:
    domain = address.key.rpartition("@")[2]
    is_return_path = re.match(r"b-[0-9a-f]{48}@", address.key) is not None and f"@{domain}" in own
    return is_return_path or address.limit_key in own or address.key in own
